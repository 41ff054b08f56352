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
    """HTTP only: lowest TLS version; gRPC takes 1.2 and newer."""

    def context(self) -> ssl.SSLContext:
        """Raises: `OSError`, naming the file, for one that cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[self.min_version]
        _load_pair(context, self.cert_file, self.key_file)
        if self.client_ca_file is not None:
            _load_authorities(context, self.client_ca_file)
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
    """HTTP only: lowest TLS version; gRPC takes 1.2 and newer."""

    @model_validator(mode="after")
    def _pair(self) -> "ClientTls":
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together; give both or neither")
        return self

    def context(self) -> ssl.SSLContext:
        """Raises: `OSError`, naming the file, for one that cannot be used."""
        context = ssl.create_default_context() if self.ca_file is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = _VERSIONS[self.min_version]
        if self.ca_file is not None:
            _load_authorities(context, self.ca_file)
        if self.cert_file is not None and self.key_file is not None:
            _load_pair(context, self.cert_file, self.key_file)
        if self.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _load_pair(context: ssl.SSLContext, cert_file: Path, key_file: Path) -> None:
    # ssl's own errors name no file.
    for path in (cert_file, key_file):
        path.open("rb").close()
    try:
        context.load_cert_chain(cert_file, key_file)
    except ssl.SSLError:
        raise OSError(f"{cert_file} and {key_file} are not a certificate and its key in PEM") from None


def _load_authorities(context: ssl.SSLContext, path: Path) -> None:
    path.open("rb").close()
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        raise OSError(f"{path} holds no certificates in PEM") from None
