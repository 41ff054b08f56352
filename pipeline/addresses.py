"""That no two servers of a configuration listen on the same address: since servers hand their sockets on to those that
come after them at a reload, the operating system does not see it.
"""

from collections.abc import Iterator

from config.model import Config
from config.settings import within
from pipeline.listening import ListeningSettings
from pipeline.parts import used

__all__ = ["check_addresses"]


def check_addresses(config: Config) -> None:
    """Raises: `OSError`, naming both."""
    taken: dict[str, str] = {}
    for name, endpoint in _addresses(config):
        if endpoint in taken:
            raise OSError(f"{taken[endpoint]} and {name} listen on the same address, {endpoint}; give each its own")
        if not endpoint.endswith(":0"):
            taken[endpoint] = name


def _addresses(config: Config) -> Iterator[tuple[str, str]]:
    for kind in ("extensions", "receivers", "exporters"):
        for each in config.service.extensions if kind == "extensions" else used(config, kind):
            for held in within(getattr(config, kind)[each]):
                if isinstance(held, ListeningSettings):
                    yield f"{kind}::{each}", held.endpoint
    if (place := config.service.telemetry.metrics.listen) is not None:
        yield "service::telemetry::metrics", f"{place[0]}:{place[1]}"
    if config.service.admin is not None:
        yield "service::admin", config.service.admin.endpoint
