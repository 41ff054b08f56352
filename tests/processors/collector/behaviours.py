"""What the Collector's `redaction` processor does, as inputs and outputs, numbered by the themes of its own tests.

The unit tests hold ours against the outputs written here; an end-to-end test holds the real Collector against ours.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.batch import Batch
from processors.otlp_objects import any_value
from tests.payloads import logs, metrics, pairs, traces

__all__ = ["BEHAVIOURS", "Behaviour"]

CARD = "4111111111111111"
VISA = "4[0-9]{12}(?:[0-9]{3})?"
MASTERCARD = "(5[1-5][0-9]{3})"
KEY = "a" * 64
Plain = Mapping[str, object]


@dataclass(frozen=True)
class Behaviour:
    """One input and what comes out of its one item: its attributes, its body, its name."""

    title: str
    settings: Plain
    given: Batch
    attributes: Plain = field(default_factory=dict)
    body: object = None
    name: str = ""


def span(attributes: Plain, name: str = "", kind: Any = Span.SPAN_KIND_CLIENT, times: int = 1) -> Batch:
    made = Span(name=name, kind=kind, trace_id=b"\x01" * 16, span_id=b"\x02" * 8, attributes=pairs(attributes))
    return traces([made] * times)


def log(attributes: Plain, body: object) -> Batch:
    return logs([LogRecord(attributes=pairs(attributes), body=any_value(body))])


def point(kind: str, attributes: Plain) -> Batch:
    metric = Metric(name=kind)
    getattr(metric, kind).data_points.add(time_unix_nano=1, attributes=pairs(attributes))
    if kind not in ("gauge", "summary"):
        getattr(metric, kind).aggregation_temporality = 2
    return metrics([metric])


def _all() -> "list[Behaviour]":
    found: list[Behaviour] = []

    def add(title: str, settings: Plain, given: Batch, attributes: Plain, body: object = None, name: str = "") -> None:
        found.append(Behaviour(title, settings, given, attributes, body, name))

    mixed = {"id": 5, "group": "temporary", "credit_card": CARD}
    listed = {"allowed_keys": ["id", "group"]}
    kept = {"id": 5, "group": "temporary"}
    add("01 unknown keys of a span are removed", listed, span(mixed), kept)
    add("01 unknown keys of a log record are removed", listed, log(mixed, "x"), kept, "x")
    add("01 unknown keys of a body are removed", listed, log({}, mixed), {}, kept)
    for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary"):
        add(f"01 unknown keys of a {kind} point are removed", listed, point(kind, mixed), kept)
    add("02 all keys may be allowed", {"allow_all_keys": True}, span(mixed), mixed)
    add("02 nothing is allowed by nothing", {}, span(mixed), {})
    values = {"mystery": f"placeholder {CARD}", "mail": f"user{CARD}@mycompany.com"}
    blocking = {"allow_all_keys": True, "blocked_values": [VISA], "allowed_values": [".+@mycompany.com"]}
    masked = {"mystery": "placeholder ****", "mail": values["mail"]}
    add("03 values are masked though all keys are allowed", blocking, span(values), masked)
    full: dict[str, object] = {
        "allowed_keys": ["id", "name", "group", "mail"],
        "ignored_keys": ["safe"],
        "ignored_key_patterns": ["_trusted$"],
        "blocked_values": [VISA],
        "allowed_values": ["@mycompany.com"],
    }
    given = {
        "id": 5,
        "name": f"placeholder {CARD}",
        "group": CARD,
        "mail": values["mail"],
        "safe": CARD,
        "very_trusted": CARD,
        "b": "x",
        "a": "y",
    }
    after = {**given, "name": "placeholder ****", "group": "****"}
    del after["a"], after["b"]
    counts = {
        "redaction.redacted.count": 2,
        "redaction.masked.count": 2,
        "redaction.allowed.count": 1,
        "redaction.ignored.count": 2,
    }
    names = {
        "redaction.redacted.keys": "a,b",
        "redaction.masked.keys": "group,name",
        "redaction.allowed.keys": "mail",
    }
    add("04 the summary debug names keys", {**full, "summary": "debug"}, span(given), {**after, **counts, **names})
    in_body = {key.replace("redaction.", "redaction.body."): value for key, value in {**counts, **names}.items()}
    add("04 the summary of a body", {**full, "summary": "debug"}, log({}, given), in_body, after)
    add("05 the summary info counts", {**full, "summary": "info"}, span(given), {**after, **counts})
    add("06 the summary silent says nothing", {**full, "summary": "silent"}, span(given), after)
    add("07 nor does none", full, span(given), after)
    two = {"allow_all_keys": True, "blocked_values": [VISA, MASTERCARD], "summary": "debug"}
    add(
        "08 two expressions in one value",
        two,
        span({"name": f"placeholder {CARD} 52000"}),
        {"name": "placeholder **** ****", "redaction.masked.keys": "name", "redaction.masked.count": 1},
    )
    before = {"redaction.masked.keys": "dropped_by_first,name", "redaction.masked.count": 2}
    add(
        "09 what another processor summed up is added to",
        {**two, "allow_all_keys": False, "allowed_keys": ["group"]},
        span({"group": CARD, **before}),
        {"group": "****", "redaction.masked.keys": "dropped_by_first,group,name", "redaction.masked.count": 3},
    )
    add(
        "10 a number is not looked at",
        {"allow_all_keys": True, "blocked_values": [VISA]},
        span({"card": int(CARD)}),
        {"card": int(CARD)},
    )
    everything = {"allow_all_keys": True, "blocked_values": [VISA], "redact_all_types": True}
    add("11 but of all types it is", everything, span({"card": int(CARD), "n": 5}), {"card": "****", "n": 5})
    add("13 a body that is text", {"blocked_values": [VISA]}, log({}, f"placeholder {CARD}"), {}, "placeholder ****")
    nested = {"id": {"id": CARD, "not_allowed_key": "temp", "safe": CARD}, "group": [CARD, "x"]}
    add(
        "13 a body with maps and lists",
        {**full, "summary": "debug"},
        log({}, nested),
        {
            "redaction.body.redacted.keys": "id.not_allowed_key",
            "redaction.body.redacted.count": 1,
            "redaction.body.masked.keys": "group.[0],id.id",
            "redaction.body.masked.count": 2,
            "redaction.body.ignored.count": 1,
        },
        {"id": {"id": "****", "safe": CARD}, "group": ["****", "x"]},
    )
    hashes = {
        "md5": hashlib.md5(CARD.encode()).hexdigest(),
        "sha1": hashlib.sha1(CARD.encode()).hexdigest(),
        "SHA3": hashlib.sha3_256(CARD.encode()).hexdigest(),
        "hmac-sha256": hmac.digest(KEY.encode(), CARD.encode(), "sha256").hex(),
        "hmac-sha512": hmac.digest(KEY.encode(), CARD.encode(), "sha512").hex(),
    }
    for function, digest in hashes.items():
        hashing = {"allow_all_keys": True, "blocked_values": [VISA], "hash_function": function, "hmac_key": KEY}
        add(f"14 {function} of what matched", hashing, span({"a": f"x {CARD} y"}), {"a": f"x {digest} y"})
    overlapping = ["[0-9]{4}-[0-9]{4}", "4111-[0-9]{4}-[0-9]{4}"]
    for patterns, left in ((overlapping, "****-0003"), (overlapping[::-1], "****")):
        ordered = {"allow_all_keys": True, "blocked_values": patterns}
        add(f"15 expressions act in order {left}", ordered, span({"a": "4111-0002-0003"}), {"a": left})
        add(f"15 in a body, too {left}", ordered, log({}, "4111-0002-0003"), {}, left)
    url = {"allow_all_keys": True, "url_sanitizer": {"enabled": True, "attributes": ["http.url"]}}
    paths = {"http.url": "/api/users/12345?x=1", "other": "/api/users/12345"}
    add("16 URLs only of listed attributes", url, span(paths), {**paths, "http.url": "/api/users/*"})
    add(
        "16 URLs not while it is off",
        {**url, "url_sanitizer": {"enabled": False, "attributes": ["http.url"]}},
        span(paths),
        paths,
    )
    add(
        "16 URLs with blocked values",
        {**url, "blocked_values": [VISA], "summary": "info"},
        span({"http.url": "/products/1/org/3", "card": CARD}),
        {"http.url": "/products/*/org/*", "card": "****", "redaction.masked.count": 2},
    )
    add("16 URLs in a body", url, log({}, "/users/2"), {}, "/users/*")
    add(
        "16 URLs in a body's map",
        url,
        log({}, {"message": "/users/2", "n": "x"}),
        {},
        {"message": "/users/*", "n": "x"},
    )
    for raw, clean in (
        ("/api/users/123e4567-e89b-12d3-a456-426614174000", "/api/users/*"),
        ("/api/users/123/posts/456", "/api/users/*/posts/*"),
        ("/api/users", "/api/users"),
        ("/api/users?id=123&name=john", "/api/users"),
        ("/v1/products/22j", "/v1/products/*"),
        ("", ""),
    ):
        add(f"17 {raw}", url, span({"http.url": raw}), {"http.url": clean})
    add(
        "17 no listed attributes",
        {**url, "url_sanitizer": {"enabled": True}},
        span({"http.url": "/api/users/123"}),
        {"http.url": "/api/users/123"},
    )
    engine = {"enabled": True, "attributes": ["db.statement"]}
    every = ("sql", "redis", "valkey", "memcached", "mongo")
    database = {"allow_all_keys": True, "db_sanitizer": dict.fromkeys(every, engine)}
    for system, raw, clean in (
        ("mysql", "SELECT * FROM users WHERE id = 123", "SELECT * FROM users WHERE id = ?"),
        ("mariadb", "UPDATE accounts SET balance = 10 WHERE id = 7", "UPDATE accounts SET balance = ? WHERE id = ?"),
        ("redis", "SET user:123 john", "SET user:123 ?"),
        ("redis", "GET user:123", "GET user:123"),
        ("valkey", "SET key value", "SET key ?"),
        ("memcached", "set mykey 0 60 5\r\nsecret\r\n", "set mykey 0 60 5"),
        ("mongodb", '{"find": "users", "filter": {"age": 30}}', '{"find":"?","filter":{"age":"?"}}'),
        ("exotic", "SET user:123 john", "SET user:123 john"),
    ):
        for key in ("db.system", "db.system.name"):
            add(
                f"18 {system} by {key} {raw[:4]}",
                database,
                span({key: system, "db.statement": raw}),
                {key: system, "db.statement": clean},
            )
    statement = {"db.statement": "SET user:123 john"}
    add("18 no system", database, span(statement), statement)
    add(
        "18 no system on a log record",
        {"allow_all_keys": True, "db_sanitizer": {"redis": engine}},
        log(statement, ""),
        {"db.statement": "SET user:123 ?"},
        "",
    )
    sum_of = {"db.system": "mysql", "db.statement": "SELECT 1 FROM t WHERE a = 'x'"}
    add("18 metrics", database, point("sum", sum_of), {**sum_of, "db.statement": "SELECT ? FROM t WHERE a = ?"})
    sql = {"enabled": True}
    add(
        "18 SQL in a body",
        {"db_sanitizer": {"sql": sql}},
        log({}, "SELECT password FROM users WHERE id = 42"),
        {},
        "SELECT password FROM users WHERE id = ?",
    )
    for on, left in ((True, "GET /orders/*"), (False, "GET /orders/123")):
        named = {"allow_all_keys": True, "url_sanitizer": {"enabled": True, "sanitize_span_name": on}}
        add(f"19 span names by URL {on}", named, span({}, "GET /orders/123"), {}, name=left)
    for on, left in ((True, "SELECT a FROM b WHERE id = ?"), (False, "SELECT a FROM b WHERE id = 7")):
        named = {"allow_all_keys": True, "db_sanitizer": {"sql": sql, "sanitize_span_name": on}}
        tagged = {"db.system": "mysql"}
        add(f"19 span names by statement {on}", named, span(tagged, "SELECT a FROM b WHERE id = 7"), tagged, name=left)
    both = {"allow_all_keys": True, "url_sanitizer": {"enabled": True}, "db_sanitizer": {"sql": sql}}
    add("19 both, with a path", both, span({}, "GET /orders/123?sql=SELECT+1"), {}, name="GET /orders/*")
    add("19 not of internal spans", both, span({}, "/users/123", Span.SPAN_KIND_INTERNAL), {}, name="/users/123")
    add(
        "19 service names stay",
        both,
        span({}, "payments-dev-sql-adapter-queue /api/process/123"),
        {},
        name="payments-dev-sql-adapter-queue /api/process/*",
    )
    keys = {"allow_all_keys": True, "blocked_key_patterns": [".*token.*", "api_key"], "summary": "debug"}
    add(
        "20 blocked key patterns mask whole values",
        keys,
        span({"my_token": "abc def", "api_key": 5, "name": "token"}),
        {
            "my_token": "****",
            "api_key": "****",
            "name": "token",
            "redaction.masked.keys": "api_key,my_token",
            "redaction.masked.count": 2,
        },
    )
    add(
        "20 in a body",
        {**keys, "summary": ""},
        log({}, {"a": {"my_token": "abc"}, "b": "x"}),
        {},
        {"a": {"my_token": "****"}, "b": "x"},
    )
    return found


BEHAVIOURS = _all()
"""Titles begin with the number of the behaviour; 12, span events, is a place of its own in the unit tests."""
