"""TLS contexts from files, and what is said of files that are no use."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import ValidationError

from config.tls import ClientTls, ServerTls
from tests.authority import Authority
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


@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
def test_keys_with_a_pass_phrase(tmp_path: Path, form: PrivateFormat) -> None:
    """Nobody is asked for it at a terminal: not when the daemon starts, and not when a key is renewed."""
    pair, said = Authority(tmp_path).issue("server"), list[str]()
    server = ServerTls.model_validate({**pair, "reload_interval": "1ns"})
    running = server.reloading(server.check, said.append)
    path = Path(pair["key_file"])
    key = load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"synthetic")))
    sentence = f"{path} has a pass phrase; give a key without one"
    for settings in (server, ClientTls.model_validate(pair)):
        with pytest.raises(OSError, match=f"^{re.escape(sentence)}$"):
            settings.context()
    running.look()
    assert said == [f"{sentence}; what was read before stays in use until this is put right"]


def test_pairs() -> None:
    """A client certificate without its key is refused at load."""
    with pytest.raises(ValidationError, match="cert_file and key_file go together; give both or neither"):
        ClientTls(cert_file=Path("a.crt"))


@asynccontextmanager
async def listening(context: ssl.SSLContext) -> AsyncIterator[int]:
    """A server that says hello to whom its TLS lets in."""

    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    async with await asyncio.start_server(hello, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def greeted(port: int, client: ssl.SSLContext) -> bool:
    """Whether the server and the client take each other."""
    try:
        reader, writer = await asyncio.open_connection("localhost", port, ssl=client, family=socket.AF_INET)
        found = await reader.read()
        writer.close()
    except (ssl.SSLError, ConnectionError):
        return False
    return found == b"hello"


async def test_a_server_takes_up_new_certificates(tmp_path: Path) -> None:
    """The next connection gets the new certificate; a broken file changes nothing and is reported by its name."""
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    said: list[str] = []
    pair = old.issue("server")
    tls = ServerTls.model_validate({**pair, "reload_interval": "1ns"})
    async with listening(tls.context(said.append)) as port:
        assert (await greeted(port, old.client()), await greeted(port, new.client())) == (True, False)
        new.issue("server")
        assert (await greeted(port, old.client()), await greeted(port, new.client())) == (False, True)
        old.spoil("server")
        assert (await greeted(port, old.client()), await greeted(port, new.client())) == (False, True)
    assert said == [
        f"{pair['cert_file']} and {pair['key_file']} are not a certificate and its key in PEM; "
        "what was read before stays in use until this is put right"
    ]


async def test_a_server_takes_up_new_authorities(tmp_path: Path) -> None:
    """Clients of an authority that is no longer named are refused, also those that resume a session."""
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    settings = {**ours.issue("server"), "client_ca_file": str(ours.file), "reload_interval": "1ns"}
    one, other = ours.client(ours.issue("one")), ours.client(theirs.issue("other"))
    async with listening(ServerTls.model_validate(settings).context()) as port:
        assert (await greeted(port, one), await greeted(port, other)) == (True, False)
        ours.trust(theirs)
        assert (await greeted(port, one), await greeted(port, other)) == (False, True)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_no_session_outlives_its_authority(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """A session with a client of an authority is not resumed when the authority is no longer named."""
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    settings = {**ours.issue("server"), "client_ca_file": str(ours.file), "reload_interval": "1ns"}
    client = ours.client(ours.issue("one"))
    client.maximum_version = version

    def greeting(port: int, session: ssl.SSLSession | None) -> tuple[bytes, bool | None, ssl.SSLSession | None]:
        try:
            with (
                socket.create_connection(("127.0.0.1", port)) as plain,
                client.wrap_socket(plain, server_hostname="localhost", session=session) as connected,
            ):
                return connected.recv(9), connected.session_reused, connected.session
        except (ssl.SSLError, ConnectionError):
            return b"", None, None

    async with listening(ServerTls.model_validate(settings).context()) as port:
        said, was_resumed, session = await asyncio.to_thread(greeting, port, None)
        assert (said, was_resumed) == (b"hello", False)
        assert (await asyncio.to_thread(greeting, port, session))[:2] == (b"hello", True)
        ours.trust(theirs)
        assert (await asyncio.to_thread(greeting, port, session))[0] == b""


@pytest.mark.parametrize(("days", "expected"), [(1, True), (-1, False)])
async def test_client_certificates_expire(tmp_path: Path, days: int, expected: bool) -> None:
    """A certificate of the right authority is refused when its time is over; so is having none."""
    ours = Authority(tmp_path)
    settings = {**ours.issue("server"), "client_ca_file": str(ours.file)}
    async with listening(ServerTls.model_validate(settings).context()) as port:
        assert await greeted(port, ours.client(ours.issue("one", days=days))) is expected
        assert not await greeted(port, ours.client())


async def test_a_client_takes_up_new_certificates(tmp_path: Path) -> None:
    """Its own certificate and the authorities it trusts."""
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    server = {**ours.issue("server"), "client_ca_file": str(theirs.file)}
    settings = {"ca_file": str(theirs.file), **ours.issue("one"), "reload_interval": "1ns"}
    client = ClientTls.model_validate(settings).context()
    async with listening(ServerTls.model_validate(server).context()) as port:
        assert not await greeted(port, client)
        theirs.issue("one")
        await client.refresh()
        assert not await greeted(port, client)
        # The server keeps to the authority that it read before.
        theirs.trust(ours)
        assert not await greeted(port, client)
        await client.refresh()
        assert await greeted(port, client)
