"""Certificates that change, expire or come from others: an authority of a test's own, and files that it replaces."""

import datetime
import ssl
from pathlib import Path

import grpc
import trustme

__all__ = ["Authority"]

_NOW = datetime.datetime.now(datetime.UTC)
_DAY = datetime.timedelta(days=1)


class Authority:
    """A certificate authority, and its certificates as PEM files in a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder, self._ca = folder, trustme.CA()
        self.file = folder / f"{name}.crt"
        self.trust(self)

    def trust(self, other: "Authority") -> None:
        """From now on the file of this authority holds the certificate of another."""
        _replace(self.file, other._ca.cert_pem.bytes())

    def issue(self, name: str, identity: str = "localhost", *, days: int = 1) -> dict[str, str]:
        """A certificate valid for `days` (negative: until so many days ago) as files; replaces one of that name."""
        issued = self._ca.issue_cert(identity, not_before=_NOW - 9 * _DAY, not_after=_NOW + days * _DAY)
        _replace(self._folder / f"{name}.key", issued.private_key_pem.bytes())
        _replace(self._folder / f"{name}.crt", b"".join(each.bytes() for each in issued.cert_chain_pems))
        return {"cert_file": str(self._folder / f"{name}.crt"), "key_file": str(self._folder / f"{name}.key")}

    def spoil(self, name: str) -> None:
        """Make a certificate's file something else."""
        _replace(self._folder / f"{name}.crt", b"no certificate")

    def client(self, pair: dict[str, str] | None = None) -> ssl.SSLContext:
        """A client that trusts this authority as it is now, with a certificate of its own if given."""
        context = ssl.create_default_context(cadata=self._ca.cert_pem.bytes().decode())
        if pair is not None:
            context.load_cert_chain(pair["cert_file"], pair["key_file"])
        return context

    def grpc_client(self, pair: dict[str, str] | None = None) -> grpc.ChannelCredentials:
        """The same for gRPC."""
        files = [Path(pair[name]).read_bytes() for name in ("key_file", "cert_file")] if pair else [None, None]
        return grpc.ssl_channel_credentials(self._ca.cert_pem.bytes(), *files)

    def grpc_server(self, pair: dict[str, str]) -> grpc.ServerCredentials:
        """A gRPC server that asks for certificates of this authority."""
        files = [(Path(pair["key_file"]).read_bytes(), Path(pair["cert_file"]).read_bytes())]
        return grpc.ssl_server_credentials(files, self._ca.cert_pem.bytes(), require_client_auth=True)


def _replace(path: Path, text: bytes) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(text)
    new.replace(path)
