"""A server that issues credentials, on this machine: an OpenID Connect issuer and an OAuth 2.0 token endpoint."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

__all__ = ["Issuer", "jwk", "serving"]

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def jwk(key: Any, algorithm: str, **more: str) -> dict[str, str]:
    """The public half of a key as an entry of a JWK set."""
    made = get_default_algorithms()[algorithm].to_jwk(key.public_key(), as_dict=True)
    return {**made, **more}


class Issuer:
    """What it answers can be changed while it runs; `asked` is what was asked of it, by path."""

    def __init__(self) -> None:
        self.url = ""
        self.keys: list[Mapping[str, str]] = [jwk(RSA, "RS256", kid="one", use="sig", alg="RS256")]
        self.document: dict[str, Any] = {}
        self.is_away = False
        self.was_asked, self.may_answer = asyncio.Event(), asyncio.Event()
        self.may_answer.set()
        self.asked: list[str] = []
        self.forms: list[tuple[dict[str, str], str | None]] = []
        self.tokens: list[tuple[int, Any]] = []
        """Answers of the token endpoint, one after the other."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        self.was_asked.set()
        await self.may_answer.wait()
        if self.is_away:
            return web.Response(status=500)
        if request.path == "/.well-known/openid-configuration":
            return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.document})
        if request.path == "/keys":
            return web.json_response({"keys": self.keys})
        if request.path == "/elsewhere":
            return web.Response(status=302, headers={"Location": f"{self.url}/token"})
        self.forms.append((dict(await request.post()), request.headers.get("Authorization")))  # type: ignore[arg-type]
        status, body = self.tokens.pop(0)
        return web.Response(status=status, body=body if isinstance(body, bytes) else json.dumps(body).encode())


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Issuer]:
    """An issuer that listens."""
    issuer = Issuer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", issuer.answer)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        port = runner.addresses[0][1]
        issuer.url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
        yield issuer
    finally:
        await runner.cleanup()
        await asyncio.sleep(0)
