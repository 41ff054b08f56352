"""That no two servers of a configuration listen on the same address: since servers hand their sockets on to those that
come after them at a reload, the operating system does not see it.
"""

from collections.abc import Iterator

from config.model import Config
from config.settings import within
from pipeline.parts import used
from pipeline.serving.listening import ListeningSettings
from pipeline.serving.sockets import SocketAddress, addresses_of

__all__ = ["check_addresses"]


def check_addresses(config: Config) -> None:
    """Looks hosts up, and belongs into a thread. Raises: `OSError`, naming both; or a host that has no address."""
    taken: list[tuple[str | SocketAddress, str]] = []
    for name, endpoint in _endpoints(config):
        for address in [endpoint] if endpoint.startswith("/") else addresses_of(endpoint):
            for other, owner in taken:
                if _overlap(address, other):
                    raise OSError(f"{owner} and {name} listen on the same address, {endpoint}; give each its own")
            taken.append((address, name))


def _overlap(address: str | SocketAddress, other: str | SocketAddress) -> bool:
    if isinstance(address, SocketAddress) and isinstance(other, SocketAddress):
        return address.overlaps(other)
    return address == other


def _endpoints(config: Config) -> Iterator[tuple[str, str]]:
    for kind in ("extensions", "receivers", "exporters"):
        for each in config.service.extensions if kind == "extensions" else used(config, kind):
            for held in within(getattr(config, kind)[each]):
                if isinstance(held, ListeningSettings):
                    yield f"{kind}::{each}", held.endpoint
    if (place := config.service.telemetry.metrics.listen) is not None:
        yield "service::telemetry::metrics", f"{place[0]}:{place[1]}"
    if config.service.admin is not None:
        yield "service::admin", config.service.admin.endpoint
