"""Traces of a healthcare stack with planted PHI: journeys through five services, grouped as their SDKs export them."""

from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from demo.journeys import JOURNEYS, Trace
from demo.people import Person
from demo.planted import Planter
from demo.values import Value, key_values
from wire.signal import Signal

__all__ = ["SERVICES", "Context", "traces"]

SERVICES: Mapping[str, Mapping[str, Value]] = {
    "records-api": {"telemetry.sdk.language": "erlang", "telemetry.sdk.name": "opentelemetry"},
    "scheduling-api": {"telemetry.sdk.language": "python", "telemetry.sdk.name": "opentelemetry"},
    "scheduling-worker": {"telemetry.sdk.language": "python", "telemetry.sdk.name": "opentelemetry"},
    "billing-api": {"telemetry.sdk.language": "java", "telemetry.sdk.name": "opentelemetry"},
    "portal-web": {"telemetry.sdk.language": "nodejs", "telemetry.sdk.name": "opentelemetry"},
}
"""The fictional services and what else their resources say."""

_SCOPES = {
    "records-api": "opentelemetry_phoenix",
    "scheduling-api": "opentelemetry.instrumentation.fastapi",
    "scheduling-worker": "opentelemetry.instrumentation.django",
    "billing-api": "io.opentelemetry.spring-webmvc-6.0",
    "portal-web": "@opentelemetry/instrumentation-http",
}
_MILLISECOND = 10**6


class Context(NamedTuple):
    """A span that logs and exemplars can point to."""

    service: str
    person: Person
    trace_id: bytes
    span_id: bytes
    time_unix_nano: int


def traces(
    random: Random, patients: tuple[Person, ...], start_unix_nano: int, resource: Mapping[str, Value], count: int
) -> tuple[ExportTraceServiceRequest, list[Context], Planter]:
    """`count` traces begun at `start_unix_nano`, and the span with which each entered each service.

    `resource` is added to every resource.
    """
    planter = Planter(Signal.TRACES)
    by_service: dict[str, list[Span]] = {service: [] for service in SERVICES}
    contexts = []
    for number in range(count):
        trace = Trace(random, random.choice(patients), planter, start_unix_nano + random.randrange(50 * _MILLISECOND))
        JOURNEYS[number % len(JOURNEYS)](trace)
        entered: dict[str, Span] = {}
        for service, span in trace.spans:
            by_service[service].append(span)
            entered.setdefault(service, span)
        contexts += [
            Context(service, trace.person, span.trace_id, span.span_id, span.start_time_unix_nano)
            for service, span in entered.items()
        ]
    request = ExportTraceServiceRequest(
        resource_spans=[
            _resource_spans(service, spans, resource, patients[0], planter)
            for service, spans in by_service.items()
            if spans
        ]
    )
    return request, contexts, planter


def _resource_spans(
    service: str, spans: list[Span], resource: Mapping[str, Value], person: Person, planter: Planter
) -> ResourceSpans:
    attributes: dict[str, Value] = {"service.name": service, **SERVICES[service], **resource}
    scope: dict[str, Value] = {}
    if service == "scheduling-worker":
        email = planter.plant("email", person.email, "resource attribute process.command_line")
        attributes["process.command_line"] = f"manage.py runworker --notify={email}"
    if service == "records-api":
        scope["tenant.owner_email"] = planter.plant("email", person.email, "scope attribute tenant.owner_email")
    return ResourceSpans(
        resource=Resource(attributes=key_values(attributes)),
        scope_spans=[
            ScopeSpans(
                scope=InstrumentationScope(name=_SCOPES[service], version="1.2.0", attributes=key_values(scope)),
                spans=spans,
                schema_url="https://opentelemetry.io/schemas/1.37.0",
            )
        ],
    )
