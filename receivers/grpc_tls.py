"""TLS of gRPC servers: gRPC's own, which asks for the certificates of each new connection."""

from collections.abc import Callable
from functools import partial

import grpc

from config.tls import ServerTls

__all__ = ["server_credentials"]


def server_credentials(tls: ServerTls, say: Callable[[str], None]) -> grpc.ServerCredentials:
    """Credentials whose new connections use the files as they are then; files that are no use are reported to `say`.

    Raises: `OSError`, naming the file, for one that cannot be used now.
    """
    certificates = tls.reloading(partial(_certificates, tls), say)
    newest = certificates.current()

    def changed() -> grpc.ServerCertificateConfiguration | None:
        # gRPC asks in a thread of its own; None is for what it has already.
        nonlocal newest
        before, newest = newest, certificates.current()
        return None if newest is before else newest

    return grpc.dynamic_ssl_server_credentials(
        newest, changed, require_client_authentication=tls.client_ca_file is not None
    )


def _certificates(tls: ServerTls) -> grpc.ServerCertificateConfiguration:
    """What gRPC would not tell until somebody connects is checked first."""
    tls.check()
    pair = (tls.key_file.read_bytes(), tls.cert_file.read_bytes())
    return grpc.ssl_server_certificate_configuration([pair], tls.client_ca_file and tls.client_ca_file.read_bytes())
