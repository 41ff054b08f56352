"""What the service section has beside components: the page of metrics, the admin endpoint, anchors of the ledger."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from config.model import Config
from pipeline.anchors import Anchors
from pipeline.component import Context
from pipeline.graph import Graph, Part
from pipeline.ledger import AuditLedger
from pipeline.operating.admin import Admin, Commands
from pipeline.parts import Key, fingerprints
from pipeline.self_metrics import serve_self_metrics
from pipeline.serving.authentication import Authenticator

__all__ = ["ADMIN", "ANCHORS", "METRICS", "service_parts"]

METRICS, ANCHORS, ADMIN = (Key("service", each) for each in ("telemetry::metrics", "audit::anchors", "admin"))


def service_parts(
    config: Config,
    graph: Graph,
    running: Graph,
    context_of: Callable[[str], Context],
    commands: Commands,
    ledger: AuditLedger | None,
) -> dict[Key, Part]:
    """These parts of a configuration whose components are those of `graph`; what is `running` and the same is kept."""

    def make(key: Key, context: Context) -> Any:
        if key == METRICS:
            return _page(config, context)
        if key == ADMIN:
            assert config.service.admin is not None
            return Admin(config.service.admin, commands, context)
        return _anchors(config, graph, ledger)

    parts: dict[Key, Part] = {}
    for key, fingerprint in fingerprints(config).items():
        if key.kind == "service":
            part = running.parts.get(key)
            if part is None or part.fingerprint != fingerprint:
                context = replace(context_of(key.id), extensions=graph.extensions)
                part = Part(make(key, context), fingerprint, context)
            parts[key] = part
    return parts


def _page(config: Config, context: Context) -> Any:
    settings = config.service.telemetry.metrics
    host, port = settings.listen or ("", 0)
    named = None if settings.auth is None else context.extension(settings.auth.authenticator)
    return serve_self_metrics(
        context.telemetry,
        host,
        port,
        context.deadline,
        tls=settings.tls,
        authenticator=cast(Authenticator | None, named),
        say=context.log.warning,
        sockets=context.sockets,
    )


def _anchors(config: Config, graph: Graph, ledger: AuditLedger | None) -> Anchors:
    audit = config.service.audit
    assert audit is not None
    assert audit.anchors is not None
    assert ledger is not None
    assert graph.anchors is not None
    return Anchors(ledger, graph.anchors, audit.anchors.interval)
