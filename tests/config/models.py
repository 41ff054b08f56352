"""Small settings models that stand for the real components in the tests of the configuration layer."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from config.auth import AuthSettings
from config.catalogue import Catalogue
from config.settings import ByteSize, Seconds, Secret, Settings
from config.tls import ClientTls, ServerTls
from wire.signal import Signal


class Grpc(Settings):
    """A server."""

    endpoint: str = "localhost:4317"
    """Where it listens."""
    max_size: ByteSize = 4096
    """Largest request, in bytes."""
    streams: int = Field(default=4, ge=1, le=100)
    """Streams at once."""
    tls: ServerTls | None = None
    """TLS."""


class Protocols(Settings):
    """The ways in."""

    grpc: Grpc = Grpc()
    """By gRPC."""


class Otlp(Settings):
    """A receiver of everything."""

    protocols: Protocols
    """The ways in."""


class Scrub(Settings):
    """A processor of everything."""

    rules: list[str] = Field(default_factory=list)
    """Rule names."""
    ratio: float = 0.5
    """A share."""


class Gather(Settings):
    """A processor that says how exporters merge."""

    size: int = 10
    """Items of a request."""

    def merge(self) -> int:
        return self.size


def _no_digits(value: str) -> str:
    if any(character.isdigit() for character in value):
        raise ValueError(f"'{value}' has a digit in it")
    return value


class Loki(Settings):
    """An exporter of logs."""

    endpoint: str
    """Where to send."""
    tenant: Annotated[str, AfterValidator(_no_digits)] = "clinic"
    """A name without digits."""
    password: Secret | None = None
    """Never shown."""
    headers: dict[str, Secret] = Field(default_factory=dict)
    """Sent along."""
    compression: Literal["none", "gzip"] = "gzip"
    """How bodies are compressed."""
    timeout: Seconds = 5.0
    """Longest wait."""
    verify: bool = True
    """Whether to look."""
    labels: list[str] | str = "all"
    """Which labels."""
    tls: ClientTls = ClientTls()
    """TLS."""

    def signals(self) -> frozenset[Signal]:
        return frozenset({Signal.LOGS})


class File(Settings):
    """An exporter of everything."""

    path: str = "out"
    """Where to write."""


class Count(Settings):
    """A connector."""


class Health(Settings):
    """An extension."""

    port: int = 13133
    """Where it listens."""


class Knowing(Settings):
    """An extension that knows clients."""

    authenticates: ClassVar[bool] = True


class Giving(Settings):
    """An extension that gives credentials."""

    gives_headers: ClassVar[bool] = True


class GuardedGrpc(Settings):
    """A server that asks who it is."""

    auth: AuthSettings
    """Who knows."""


class GuardedProtocols(Settings):
    """The ways in."""

    grpc: GuardedGrpc
    """By gRPC."""


class Guarded(Settings):
    """A receiver that asks who it is."""

    protocols: GuardedProtocols
    """The ways in."""


class Credited(Settings):
    """An exporter that says who it is."""

    auth: AuthSettings
    """Who knows."""


CATALOGUE = Catalogue(
    receivers={"otlp": Otlp},
    processors={"scrub": Scrub},
    exporters={"loki": Loki, "file": File},
    connectors={"count": Count},
    extensions={"health_check": Health},
    exporter_aliases={"files": "file"},
)
