"""Real-looking telemetry without anything to redact: what comes out must be, byte for byte, what went in."""

import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from tests.oracle.places import any_value

__all__ = ["logs", "metrics", "traces"]

_LINES = (Path(__file__).parent / "clean_lines.txt").read_text().splitlines()
"""Lines of logs with parts to fill in: `<n8>` digits, `<x32>` hex digits, `<a|b>` a choice, `<host>` and so on."""


def _number(random: Random, digits: int) -> int:
    return random.randrange(10 ** (digits - 1), 10**digits)


def _hex(random: Random, count: int) -> str:
    return "".join(random.choices("0123456789abcdef", k=count))


_OF_KUBERNETES = "bcdfghjklmnpqrstvwxz2456789"
"""What the random parts of its names are made of, in k8s.io/apimachinery/pkg/util/rand."""

_PARTS: dict[str, Callable[[Random], str]] = {
    "uuid": lambda random: "-".join(_hex(random, count) for count in (8, 4, 4, 4, 12)),
    "ip": lambda random: "10." + ".".join(str(random.randrange(256)) for _ in range(3)),
    "epoch": lambda random: str(random.randrange(1_100_000_000, 1_800_000_000)),
    "time": lambda random: f"2026-11-12T{random.randrange(10, 24)}:17:{random.randrange(10, 60)}.{_number(random, 3)}Z",
    "version": lambda random: ".".join(str(random.randrange(40)) for _ in range(random.choice((3, 3, 4)))),
    "host": lambda random: f"{random.choice(('node', 'db', 'ip-10-0'))}-{random.randrange(99)}.us-east-1.internal",
    "pod": lambda random: (
        f"{random.choice(('api-gateway', 'records-service', 'patient-portal', 'claims-worker'))}-"
        + "-".join("".join(random.choices(_OF_KUBERNETES, k=count)) for count in (10, 5))
    ),
    "thread": lambda random: random.choice(("http-nio-8080-exec-{}", "pool-3-thread-{}", "kworker/1:{}")).format(
        random.randrange(200)
    ),
    "route": lambda random: random.choice(
        ("/healthz", "/metrics", "/api/v1/patients/{id}", "/api/v2/appointments/search", "/users/login", "/app.js")
    ),
    "agent": lambda random: random.choice(
        (
            f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1{_number(random, 2)}.0.0",
            f"okhttp/4.{_number(random, 2)}.0",
            f"kube-probe/1.{_number(random, 2)}",
        )
    ),
}
_PART = re.compile(r"<([^<>]*)>")


def _filled(random: Random, template: str) -> str:
    def one(found: re.Match[str]) -> str:
        name = str(found[1])
        if "|" in name:
            return random.choice(name.split("|"))
        if name in _PARTS:
            return _PARTS[name](random)
        return str(_number(random, int(name[1:]))) if name[0] == "n" else _hex(random, int(name[1:]))

    return _PART.sub(one, template.replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\"))


def logs(random: Random, time_ns: int) -> tuple[str, Message]:
    """What it is, and one log record with a line as its body, in an envelope of its own."""
    template = random.choice(_LINES)
    data = LogsData()
    envelope = data.resource_logs.add()
    _attributes(envelope.resource, random, _RESOURCE)
    record = envelope.scope_logs.add().log_records.add()
    record.time_unix_nano = record.observed_time_unix_nano = time_ns
    record.trace_id, record.span_id = random.randbytes(16), random.randbytes(8)
    record.body.string_value = _filled(random, template)
    _attributes(record, random, {"thread.name": "<thread>", "log.iostream": "stdout", "seq": 15})
    return template, data


def metrics(random: Random, time_ns: int) -> tuple[str, Message]:
    """What it is, and one data point, in an envelope of its own."""
    name = random.choice(list(_METRICS))
    data = MetricsData()
    envelope = data.resource_metrics.add()
    _attributes(envelope.resource, random, _RESOURCE)
    metric = envelope.scope_metrics.add().metrics.add()
    metric.name, (metric.description, metric.unit, attributes) = name, _METRICS[name]
    point = metric.gauge.data_points.add()
    point.time_unix_nano, point.as_int = time_ns, random.randrange(10**10)
    _attributes(point, random, attributes)
    exemplar = point.exemplars.add()
    exemplar.time_unix_nano, exemplar.as_double = time_ns, random.random()
    exemplar.trace_id, exemplar.span_id = random.randbytes(16), random.randbytes(8)
    _attributes_to(exemplar.filtered_attributes, random, {"thread.name": "<thread>", "bucket": 9})
    return name, data


def traces(random: Random, time_ns: int) -> tuple[str, Message]:
    """What it is, and one span, in an envelope of its own."""
    name = random.choice(list(_SPANS))
    data = TracesData()
    envelope = data.resource_spans.add()
    _attributes(envelope.resource, random, _RESOURCE)
    scope = envelope.scope_spans.add()
    scope.scope.name, scope.scope.version = "io.opentelemetry.tomcat-10.0", _PARTS["version"](random)
    span = scope.spans.add()
    span.trace_id, span.span_id, span.parent_span_id = random.randbytes(16), random.randbytes(8), random.randbytes(8)
    span.start_time_unix_nano, span.end_time_unix_nano = time_ns, time_ns + random.randrange(10**9)
    span.name = _filled(random, name)
    _attributes(span, random, {**_SPANS[name], "thread.id": 3, "thread.name": "<thread>"})
    return name, data


_RESOURCE: dict[str, str | int] = {
    "service.name": "patient-portal",
    "service.version": "<version>",
    "service.instance.id": "<uuid>",
    "k8s.pod.name": "<pod>",
    "k8s.pod.uid": "<uuid>",
    "host.name": "<host>",
    "container.id": "<x64>",
    "process.pid": 5,
    "telemetry.sdk.version": "1.45.2",
}
"""A number stands for a number with so many digits."""

_SPANS: dict[str, dict[str, str | int]] = {
    "GET <route>": {
        "http.request.method": "GET",
        "http.route": "<route>",
        "http.response.status_code": 3,
        "http.response.body.size": 9,
        "server.address": "<host>",
        "server.port": 4,
        "user_agent.original": "<agent>",
        "url.path": "<route>",
    },
    "SELECT appointments": {
        "db.system.name": "postgresql",
        "db.query.text": "SELECT id FROM appointments WHERE ward = $1 AND day >= ? LIMIT $2",
        "db.response.returned_rows": 3,
        "db.namespace": "records",
    },
    "process visits": {
        "messaging.system": "kafka",
        "messaging.destination.name": "visits",
        "messaging.kafka.offset": 10,
        "messaging.destination.partition.id": "<n2>",
        "messaging.message.body.size": 4,
    },
    "clinic.Records/List": {
        "rpc.system": "grpc",
        "rpc.service": "clinic.Records",
        "rpc.method": "List",
        "rpc.grpc.status_code": 1,
        "network.peer.port": 5,
        "server.address": "<host>",
    },
    "HGETALL": {
        "db.system.name": "redis",
        "db.operation.name": "HGETALL",
        "db.namespace": "<n1>",
        "db.query.text": "HGETALL ?",
        "db.client.connection.pool.name": "HikariPool-<n1>",
    },
    "PUT /v1/patients/{patientId}/observations/{id}": {
        "http.route": "/v1/patients/{patientId}/observations/{id}",
        "url.template": "/v1/patients/{patientId}/observations/{id}",
        "http.request.body.size": 6,
        "http.request.resend_count": 1,
        "network.protocol.version": "1.1",
        "k8s.node.name": "<host>",
        "k8s.deployment.name": "records-service",
        "k8s.replicaset.name": "records-service-<x10>",
        "cloud.resource_id": "arn:aws:ecs:us-east-1:task/<x32>",
    },
    "chat": {
        "gen_ai.request.model": "model-<n1>-<n8>",
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.request.temperature": 1,
        "feature_flag.key": "new-intake-form",
        "exception.type": "java.util.concurrent.TimeoutException",
    },
    "nightly rollup": {
        "job.run": "<uuid>",
        "job.started": 10,
        "checksum": "<x64>",
        "rows": 11,
        "code.function.name": "com.example.patients.PatientService.load",
        "code.line.number": 3,
    },
}


_METRICS: dict[str, tuple[str, str, dict[str, str | int]]] = {
    "http.server.request.duration": (
        "Duration of HTTP server requests.",
        "s",
        {"http.route": "<route>", "http.request.method": "GET", "http.response.status_code": 3, "server.port": 4},
    ),
    "jvm.memory.used": (
        "Measure of memory used.",
        "By",
        {"jvm.memory.pool.name": "G1 Eden Space", "host.name": "<host>"},
    ),
    "patients.lookups": ("Lookups of patients by outcome.", "{lookup}", {"outcome": "<found|missing>", "shard": 2}),
    "k8s.pod.cpu.usage": ("Total CPU usage.", "{cpu}", {"k8s.pod.name": "<pod>", "k8s.pod.uid": "<uuid>"}),
    "kafka.consumer.lag": (
        "Records behind.",
        "{record}",
        {"topic": "visits", "partition": 2, "client": "consumer-<n1>"},
    ),
    "db.client.connection.count": ("Connections.", "{connection}", {"state": "<idle|used>", "pool": "HikariPool-<n1>"}),
}
"""Description, unit and attributes."""


def _attributes(holder: Any, random: Random, pairs: dict[str, str | int]) -> None:
    _attributes_to(holder.attributes, random, pairs)


def _attributes_to(attributes: Any, random: Random, pairs: dict[str, str | int]) -> None:
    for key, value in pairs.items():
        content = _filled(random, value) if isinstance(value, str) else _number(random, value)
        attributes.add(key=key, value=any_value(content))
