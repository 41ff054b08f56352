"""TLS settings of servers and clients, with the Collector's keys, and the `ssl` contexts made from them."""

import ssl
from pathlib import Path
from typing import Literal

from pydantic import model_validator

from config.settings import Settings

__all__ = ["ClientTls", "ServerTls"]

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class ServerTls(Settings):
    """TLS of a listening address; with `client_ca_file` clients must show a certificate signed by it (mTLS)."""

    cert_file: Path
    """PEM file with the server's certificate chain."""
    key_file: Path
    """PEM file with its private key."""
    client_ca_file: Path | None = None
    """PEM file with the authorities whose client certificates are required and verified."""
    min_version: Literal["1.2", "1.3"] = "1.2"
    """Lowest TLS version."""

    def context(self) -> ssl.SSLContext:
        """Raises: `OSError` or `ssl.SSLError` for files that cannot be read."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[self.min_version]
        context.load_cert_chain(self.cert_file, self.key_file)
        if self.client_ca_file is not None:
            context.load_verify_locations(self.client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class ClientTls(Settings):
    """TLS towards a destination. `insecure: true` is plain text for gRPC; HTTP takes the scheme of its URL."""

    insecure: bool = False
    """No TLS at all (gRPC only)."""
    ca_file: Path | None = None
    """PEM file with the authorities to trust instead of the system's."""
    cert_file: Path | None = None
    """PEM file with a client certificate (mTLS)."""
    key_file: Path | None = None
    """PEM file with its private key."""
    insecure_skip_verify: bool = False
    """HTTP only: do not verify the server's certificate. For tests."""
    server_name_override: str = ""
    """gRPC only: the name to expect in the server's certificate."""
    min_version: Literal["1.2", "1.3"] = "1.2"
    """HTTP only: lowest TLS version."""

    @model_validator(mode="after")
    def _pair(self) -> "ClientTls":
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together; give both or neither")
        return self

    def context(self) -> ssl.SSLContext:
        """Raises: `OSError` or `ssl.SSLError` for files that cannot be read."""
        context = ssl.create_default_context(cafile=None if self.ca_file is None else str(self.ca_file))
        context.minimum_version = _VERSIONS[self.min_version]
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file)
        if self.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context
