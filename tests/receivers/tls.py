"""Certificates for tests."""

import ssl
from pathlib import Path

import grpc
import trustme


class Certificates:
    """An authority, a server certificate for localhost and a client certificate, as PEM files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.crt")
        for name, identity in (("server", "localhost"), ("client", "client@example.org")):
            issued = authority.issue_cert(identity)
            issued.private_key_pem.write_to_path(folder / f"{name}.key")
            issued.cert_chain_pems[0].write_to_path(folder / f"{name}.crt")

    def _pair(self, name: str) -> dict[str, str]:
        return {"cert_file": str(self._folder / f"{name}.crt"), "key_file": str(self._folder / f"{name}.key")}

    def server(self, *, require_client: bool = False) -> dict[str, str]:
        """Settings of a server."""
        authority = {"client_ca_file": str(self._folder / "ca.crt")} if require_client else {}
        return {**self._pair("server"), **authority}

    def client(self, *, with_certificate: bool = True) -> dict[str, str]:
        """Settings of a client."""
        return {"ca_file": str(self._folder / "ca.crt"), **(self._pair("client") if with_certificate else {})}

    def grpc_server(self) -> grpc.ServerCredentials:
        """gRPC credentials of a server that requires a client certificate."""
        files = {name: Path(path).read_bytes() for name, path in self.server(require_client=True).items()}
        return grpc.ssl_server_credentials([(files["key_file"], files["cert_file"])], files["client_ca_file"], True)

    def grpc_client(self, *, with_certificate: bool = True) -> grpc.ChannelCredentials:
        """gRPC credentials of a client."""
        files = {name: Path(path).read_bytes() for name, path in self.client(with_certificate=with_certificate).items()}
        return grpc.ssl_channel_credentials(files["ca_file"], files.get("key_file"), files.get("cert_file"))

    def http_server(self) -> ssl.SSLContext:
        """A TLS context of a server of HTTP/1.1 or, as gRPC wants it, HTTP/2."""
        files = self.server()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(files["cert_file"], files["key_file"])
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context

    def http_client(self, *, with_certificate: bool = True) -> ssl.SSLContext:
        """A TLS context of a client."""
        files = self.client(with_certificate=with_certificate)
        context = ssl.create_default_context(cafile=files["ca_file"])
        if with_certificate:
            context.load_cert_chain(files["cert_file"], files["key_file"])
        return context
