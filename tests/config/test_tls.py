"""TLS contexts from files, and what is said of files that are no use."""

import re
import ssl
from pathlib import Path

import pytest
from pydantic import ValidationError

from config.tls import ClientTls, ServerTls
from tests.receivers.tls import Certificates


def test_contexts(certificates: Certificates) -> None:
    """With a client CA clients must show a certificate; TLS 1.2 is the least."""
    plain = ServerTls.model_validate(certificates.server()).context()
    mutual = ServerTls.model_validate(certificates.server(require_client=True)).context()
    client = ClientTls.model_validate({**certificates.client(), "min_version": "1.3"}).context()
    assert (plain.verify_mode, mutual.verify_mode) == (ssl.CERT_NONE, ssl.CERT_REQUIRED)
    assert (plain.minimum_version, client.minimum_version) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    assert (client.verify_mode, client.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_files_that_are_no_use(certificates: Certificates, tmp_path: Path) -> None:
    """The sentence names the file."""
    wrong = tmp_path / "wrong.pem"
    with pytest.raises(OSError, match=re.escape(f"No such file or directory: '{wrong}'")):
        ServerTls.model_validate({**certificates.server(), "cert_file": wrong}).context()
    wrong.write_text("no certificate")
    with pytest.raises(OSError, match=re.escape(f"{wrong} and ") + ".* are not a certificate and its key in PEM"):
        ServerTls.model_validate({**certificates.server(), "cert_file": wrong}).context()
    with pytest.raises(OSError, match=re.escape(f"{wrong} holds no certificates in PEM")):
        ClientTls(ca_file=wrong).context()


def test_pairs() -> None:
    """A client certificate without its key is refused at load."""
    with pytest.raises(ValidationError, match="cert_file and key_file go together; give both or neither"):
        ClientTls(cert_file=Path("a.crt"))
