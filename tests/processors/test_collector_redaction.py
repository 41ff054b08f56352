"""`redaction`: does what the Collector's does, and where that leaks, does not."""

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import ValidationError
from structlog.testing import capture_logs

from pipeline.batch import Batch, Signal
from pipeline.component import Context
from processors.collector_redaction import CollectorRedaction, CollectorRedactionSettings
from processors.otlp_objects import any_value, points, scopes
from tests.payloads import (
    context,
    decoded_logs,
    decoded_metrics,
    decoded_spans,
    dropped,
    logs,
    metrics,
    pairs,
    traces,
    value_of,
)
from tests.processors.collector.behaviours import BEHAVIOURS, CARD, VISA, Behaviour, log, span
from tests.processors.redaction.planting import PLACES, Place, planted

BLOCKING: dict[str, object] = {"allow_all_keys": True, "blocked_values": [VISA]}


def made(**written: object) -> tuple[CollectorRedaction, Context]:
    """A processor with these settings and counters of its own."""
    own = context("redaction")
    return CollectorRedactionSettings.model_validate(written).build(own), own


def shown(batch: Batch | None) -> tuple[dict[str, object], object, str]:
    """Attributes, body and name of the one item of a batch; a data point's name is its metric's."""
    assert batch is not None
    ((_, _, (item,)),) = scopes(batch.signal, batch.decode())
    (holder,) = points(item) if batch.signal is Signal.METRICS else (item,)
    body = value_of(item.body) if batch.signal is Signal.LOGS else None
    attributes = {entry.key: value_of(entry.value) for entry in holder.attributes}
    return attributes, body, item.name if batch.signal is Signal.TRACES else ""


def attributes_after(attributes: dict[str, object], **written: object) -> dict[str, object]:
    return shown(made(**written)[0].process(span(attributes)))[0]


def body_after(body: object, **written: object) -> object:
    return shown(made(**written)[0].process(log({}, body)))[1]


def redacted(own: Context, rule: str, signal: Signal, action: str = "mask") -> float:
    labels = {"rule": rule, "signal": signal.value, "action": action}
    return own.telemetry.registry.get_sample_value("telescrub_redactions_total", labels) or 0


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.title)
def test_the_behaviours_of_the_collector(behaviour: Behaviour) -> None:
    """Each of those its own tests check; an end-to-end test checks that the real one does the same."""
    processor, _ = made(**behaviour.settings)
    result = processor.process(behaviour.given)
    assert shown(result) == (dict(behaviour.attributes), behaviour.body, behaviour.name)


def test_behaviour_09_processing_twice() -> None:
    """Keys are merged and counts added up when data pass two processors."""
    first, _ = made(**BLOCKING, summary="debug")
    second, _ = made(allow_all_keys=True, blocked_values=["x"], summary="debug")
    once = first.process(span({"a": CARD}))
    assert once is not None
    twice = shown(second.process(span({**shown(once)[0], "b": "x"})))[0]
    assert (twice["redaction.masked.keys"], twice["redaction.masked.count"]) == ("a,b", 2)


def test_behaviour_12_span_events() -> None:
    """The attributes of span events are masked and removed as others."""
    event = Span.Event(name="e", attributes=pairs({"id": CARD, "other": 1}))
    processor, _ = made(allowed_keys=["id"], blocked_values=[VISA])
    (result,) = decoded_spans(processor.process(traces([Span(events=[event])])))
    assert [(each.key, each.value.string_value) for each in result.events[0].attributes] == [("id", "****")]


def test_behaviour_01_resource_and_scope() -> None:
    """Their attributes are as those of items."""
    batch = traces([Span()], {"id": 1, "other": 2})
    message: Any = batch.decode()
    message.resource_spans[0].scope_spans[0].scope.attributes.extend(pairs({"id": 1, "other": 2}))
    result: Any = made(allowed_keys=["id"])[0].process(Batch.encode(Signal.TRACES, message))
    envelope = result.decode().resource_spans[0]
    for holder in (envelope.resource, envelope.scope_spans[0].scope):
        assert [entry.key for entry in holder.attributes] == ["id"]


# What the Collector lets through.

ALL_PLACES = [(signal, place) for signal in Signal for place in PLACES[signal]]


def place_id(value: Signal | Place) -> str:
    return value.value if isinstance(value, Signal) else ".".join(field.name for field in value)


def disguises() -> dict[str, str]:
    """A card number in many coats."""
    inner = json.dumps({"card": CARD})
    return {
        "percent": CARD.replace("4", "%34"),
        "percent twice": "x=" + CARD.replace("4", "%2534"),
        "u escapes": "".join(f"\\u00{ord(digit):x}" for digit in CARD),
        "entities": "".join(f"&#{ord(digit)};" for digit in CARD),
        "full width": "".join(chr(ord(digit) + 0xFEE0) for digit in CARD),
        "Arabic": "".join(chr(0x660 + int(digit)) for digit in CARD),
        "zero width": "\u200b".join(CARD),
        "base64": base64.b64encode(f"card {CARD}".encode()).decode(),
        "base64url JSON": base64.urlsafe_b64encode(inner.encode()).decode(),
        "JSON": inner,
        "JSON in JSON in JSON": json.dumps({"a": json.dumps({"b": inner})}),
        "JSON with escapes": '{"card": "\\u0034' + CARD[1:] + '"}',
        "a URL in a URL": "https://example.org/?next="
        + quote(f"https://example.org/?card={quote(CARD[0], '')}{CARD[1:]}"),
        "hexadecimal": f"card {CARD}".encode().hex(),
        "a JWT": "eyJhbGciOiJIUzI1NiJ9." + base64.urlsafe_b64encode(inner.encode()).decode().rstrip("=") + ".c2ln",
    }


@pytest.mark.parametrize(("signal", "place"), ALL_PLACES, ids=place_id)
def test_otelcol_fails_places(signal: Signal, place: Place) -> None:
    """A blocked value goes from every text-bearing field: names, messages, links, exemplars, keys, bytes, metadata …"""
    result = made(**BLOCKING)[0].process(planted(signal, [place], f"x {CARD} y".encode()))
    assert result is not None
    assert CARD.encode() not in result.payload
    assert b"x **** y" in result.payload or place[-1].name == "value"


@pytest.mark.parametrize("disguise", disguises())
def test_otelcol_fails_disguises(disguise: str) -> None:
    """In attributes, in names and in log bodies; what else is there stays."""
    text = disguises()[disguise]
    processor, own = made(**BLOCKING)
    attributes, _, name = shown(processor.process(span({"a": text, "n": 5}, f"before {text}")))
    assert "****" in str(attributes["a"])
    assert attributes["n"] == 5
    assert name.startswith("before ")
    assert "****" in name
    assert redacted(own, "blocked_value_1", Signal.TRACES) == 2
    assert "****" in str(body_after(f"before {text}", **BLOCKING))


def test_otelcol_fails_nested_values() -> None:
    """Maps and lists in attributes are looked into, whatever `redact_all_types` says, and stay maps and lists."""
    given = {"m": {"card": CARD, "list": [f"x {CARD}", 5], "token": "t"}, "n": 5}
    after = {"m": {"card": "****", "list": ["x ****", 5], "token": "****"}, "n": 5}
    assert attributes_after(given, **BLOCKING, blocked_key_patterns=["token"]) == after
    assert attributes_after({"m": {"card": int(CARD)}}, **BLOCKING, redact_all_types=True) == {"m": {"card": "****"}}


def test_otelcol_fails_bytes() -> None:
    """Bytes that are text are redacted; bytes in which there is text, UTF-16 or packed, go as a whole."""
    processor, _ = made(**BLOCKING)
    for content, left in (
        (f"x {CARD}".encode(), b"x ****"),
        (f"x {CARD}".encode("utf-16-le"), b"****"),
        (gzip.compress(CARD.encode() * 2), b"****"),
        (b"\xff" + CARD.encode(), b"****"),
        (b"\x00\xff\x80", b"\x00\xff\x80"),
    ):
        attribute = KeyValue(key="b", value=AnyValue(bytes_value=content))
        assert shown(processor.process(traces([Span(attributes=[attribute])])))[0] == {"b": left}


def test_otelcol_fails_keys_of_json() -> None:
    """Key rules hold in a body that is JSON as text, as in a map; in attributes the blocked ones do."""
    text = '{"id": 5, "other": {"x": 1}, "token": "t", "in": "{\\"api_token\\": [1]}"}'
    rules: dict[str, object] = {"blocked_key_patterns": ["token$"]}
    masked = '{"id": 5, "other": {"x": 1}, "token": "****", "in": "{\\"api_token\\": \\"****\\"}"}'.replace("[1]", "")
    assert attributes_after({"a": text}, allow_all_keys=True, **rules) == {"a": masked.replace('\\": \\"', '\\": \\"')}
    assert body_after(text, allowed_keys=["id", "token"], **rules) == '{"id": 5, "token": "****"}'
    assert body_after("[" * 40 + text + "]" * 40, allowed_keys=["id"], **rules) == "****"


def test_otelcol_fails_disguised_json_with_blocked_keys() -> None:
    """As form value, in entities, in base64."""
    text = '{"token": "abcdefgh"}'
    rules: dict[str, object] = {"allow_all_keys": True, "blocked_key_patterns": ["token"]}
    for disguised in (quote(text), text.replace('"', "&quot;"), base64.b64encode(text.encode()).decode()):
        assert attributes_after({"a": disguised}, **rules) == {"a": "****"}


def test_otelcol_fails_keys_as_data() -> None:
    """A blocked value in a key goes, and does not come back in the summary; of two equal keys the later goes."""
    given: dict[str, object] = {f"user {CARD}": 1, f"user {CARD[:-1]}2": 2, "user": 3}
    assert attributes_after(given, **BLOCKING) == {"user ****": 1, "user": 3}
    removing = {"allowed_keys": ["user"], "blocked_values": [VISA], "summary": "debug"}
    after = attributes_after({f"k{CARD}": 1, "user": 3}, **removing)
    assert after == {"user": 3, "redaction.redacted.keys": "k****", "redaction.redacted.count": 1}


def test_otelcol_fails_links_and_exemplars() -> None:
    """The list of allowed keys holds for the attributes of links and exemplars, too."""
    processor, _ = made(allowed_keys=["id"])
    (result,) = decoded_spans(processor.process(traces([Span(links=[Span.Link(attributes=pairs({"id": 1, "x": 2}))])])))
    assert [entry.key for entry in result.links[0].attributes] == ["id"]
    metric = Metric(name="m")
    metric.gauge.data_points.add().exemplars.add(filtered_attributes=pairs({"id": 1, "x": 2}))
    (left,) = decoded_metrics(processor.process(metrics([metric])))
    assert [entry.key for entry in left.gauge.data_points[0].exemplars[0].filtered_attributes] == ["id"]


def test_otelcol_fails_statements() -> None:
    """Systems it does not know, attribute lists it ignores, commands it does not know, JSON that is cut, names by a
    removed attribute.
    """
    engine = {"enabled": True, "attributes": ["q"]}
    rules: dict[str, object] = {"db_sanitizer": dict.fromkeys(("sql", "redis", "mongo", "opensearch", "es"), engine)}
    for system, statement, left in (
        ("oracle.db", "SELECT a FROM b WHERE c = 'x'", "SELECT a FROM b WHERE c = ?"),
        ("microsoft.sql_server", "SELECT a FROM b WHERE c = N'x'", "SELECT a FROM b WHERE c = ?"),
        ("elasticsearch", '{"match": {"name": "x"}}', '{"match":{"name":"?"}}'),
        ("opensearch", '{"match": {"name": ["x"]}}', '{"match":{"name":["?"]}}'),
        ("mongodb", '{"find": "users", "filter": {"name": "Zor', "?"),
        ("redis", "FT.SEARCH people Zorbla", "FT.SEARCH ?"),
        ("redis", "HSET user:1 name Zorbla city Quux", "HSET user:1 name ? city ?"),
        ("redis", 'MSET a "Zorbla Q" b 2', "MSET a ? b ?"),
        ("redis", "AUTH someone secret", "AUTH ?"),
    ):
        after = attributes_after({"db.system": system, "q": statement}, allow_all_keys=True, **rules)
        assert after == {"db.system": system, "q": left}
    processor, _ = made(db_sanitizer={"sql": {"enabled": True}})
    assert shown(processor.process(span({"db.system": "mysql"}, "SELECT 1 WHERE a = 'x'")))[2] == "SELECT ? WHERE a = ?"


def test_otelcol_fails_prose_and_names_of_ids_alone() -> None:
    """URLs in prose are sanitized and the prose stays; a name that is only an id in a path is sanitized."""
    url: dict[str, object] = {"allow_all_keys": True, "url_sanitizer": {"enabled": True}}
    body = "user 12 asked for /patients/12345?x=1, took 5 ms"
    assert body_after(body, **url) == "user 12 asked for /patients/* took 5 ms"
    assert shown(made(**url)[0].process(span({}, "/12345")))[2] == "/*"


def test_series_that_become_one_are_added_up() -> None:
    """Points whose attributes are masked or removed never come out twice for one series and time."""
    metric = Metric(name="requests")
    metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    labels: list[dict[str, object]] = [{"id": 1, "user": "a"}, {"id": 1, "user": "b"}, {"id": 2}]
    for number, attributes in enumerate(labels, 1):
        metric.sum.data_points.add(as_int=number, time_unix_nano=7, attributes=pairs(attributes))
    (left,) = decoded_metrics(made(allowed_keys=["id"])[0].process(metrics([metric])))
    assert [(point.attributes[0].value.int_value, point.as_int) for point in left.sum.data_points] == [(1, 3), (2, 3)]
    for card, point in enumerate(metric.sum.data_points, int(CARD)):
        point.attributes[0].value.string_value = str(card)
    del metric.sum.data_points[2], metric.sum.data_points[1].attributes[1]
    del metric.sum.data_points[0].attributes[1]
    (left,) = decoded_metrics(made(**BLOCKING)[0].process(metrics([metric])))
    assert [point.as_int for point in left.sum.data_points] == [3]


def test_equal_points_that_were_sent_twice() -> None:
    """Of points that collapse and were one before, one is dropped and counted."""
    metric = Metric(name="g")
    for user in ("a", "a", "b"):
        metric.gauge.data_points.add(as_int=1, time_unix_nano=7, attributes=pairs({"user": user}))
    processor, own = made()
    (left,) = decoded_metrics(processor.process(metrics([metric])))
    assert len(left.gauge.data_points) == 1
    assert dropped(own, Signal.METRICS, "duplicate") == 1


# What else must hold.


def test_rules_are_counted_and_named() -> None:
    """Ledger and metrics get words of the configuration, one for each expression."""
    written: dict[str, object] = {
        "allowed_keys": ["a", "key", "http.url", "q"],
        "blocked_key_patterns": ["never", "key"],
        "blocked_values": ["never", VISA],
        "url_sanitizer": {"enabled": True, "attributes": ["http.url"]},
        "db_sanitizer": {"sql": {"enabled": True, "attributes": ["q"]}, "allow_fallback_without_system": True},
        "hash_function": "hmac-sha256",
        "hmac_key": "k" * 32,
    }
    processor, own = made(**written)
    given = {"a": CARD, "key": "x", "http.url": "/users/12", "q": "SELECT 5", "gone": 1}
    processor.process(span(given))
    counted = [
        (rule, redacted(own, rule, Signal.TRACES, action))
        for rule, action in (
            ("not_allowed_key", "drop"),
            ("blocked_key_pattern_2", "pseudonymize"),
            ("blocked_value_2", "pseudonymize"),
            ("url_sanitizer", "mask"),
            ("db_sanitizer", "mask"),
        )
    ]
    assert [count for _, count in counted] == [1, 1, 1, 1, 1]
    ids = [rule.id for rule in CollectorRedactionSettings.model_validate(written).effective_rules()]
    assert ids == [
        "not_allowed_key",
        "blocked_key_pattern_1",
        "blocked_key_pattern_2",
        "blocked_value_1",
        "blocked_value_2",
        "url_sanitizer",
        "db_sanitizer",
    ]
    assert "k" * 32 not in repr(CollectorRedactionSettings.model_validate(written).effective_rules())


def test_what_cannot_be_looked_at_goes() -> None:
    """Escaped too often, too large where something may be disguised, nested too deeply."""
    often = CARD
    for _ in range(8):
        often = quote(often.replace("4", "%34", 1))
    assert attributes_after({"a": often}, **BLOCKING) == {"a": "****"}
    assert attributes_after({"a": "%20" + "x" * 2**20}, **BLOCKING) == {"a": "****"}
    assert attributes_after({"a": "x" * 2**21}, **BLOCKING) == {"a": "x" * 2**21}


class Failing:
    """An expression that fails on one text."""

    def first(self, text: bytes) -> int | None:
        if text == b"boom":
            raise RuntimeError("536-90-4399")
        return None


def test_a_failing_item_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others pass; outside of items the batch goes; both are counted, and nothing of the data is logged."""
    for batch, left, lost in (
        (traces([Span(name="boom"), Span(name="fine")]), ["fine"], 1),
        (traces([Span(name="fine")], {"a": "boom"}), [], 1),
        (traces([Span(name="boom")]), [], 1),
    ):
        processor, own = made(allow_all_keys=True, allowed_values=["x"], summary="info")
        monkeypatch.setattr(processor._means.allowed_values, "first", Failing().first)
        with capture_logs() as logged:
            result = processor.process(batch)
        assert [each.name for each in decoded_spans(result)] == left
        assert dropped(own, Signal.TRACES, "redaction_failed") == lost
        assert "536-90" not in str(logged)


def test_clean_batches_pass_as_they_are() -> None:
    """The same object, of every signal, whether a glance can tell or not."""
    attributes = {"a": "x", "n": 5, "j": '{"a": "b"}', "m": {"x": [1.5]}, "u": "/x?a=%20"}
    for batch in (span(attributes, "GET /a"), log(attributes, "text 5")):
        for patterns in ([VISA], ["^é.$"], [r"\bcard\b"]):
            processor, _ = made(allow_all_keys=True, blocked_values=patterns, blocked_key_patterns=["token"])
            assert processor.process(batch) is batch


@pytest.mark.parametrize(
    ("written", "sentences"),
    [
        (
            {"hash_function": "hmac-sha512", "hmac_key": "k" * 40},
            [
                "hash_function hmac-sha512 needs an hmac_key of 64 bytes or more and hmac_key has 40 bytes; "
                "make one with: openssl rand -hex 64"
            ],
        ),
        (
            {"hash_function": "hmac-sha256"},
            [
                "hash_function hmac-sha256 needs an hmac_key of 32 bytes or more and there is no hmac_key; "
                "make one with: openssl rand -hex 32"
            ],
        ),
        (
            {"blocked_values": ["a", "x*", "(?=a)"]},
            [
                "the pattern engine does not take this expression: it can match an empty text, and a mask would stand "
                "between any two characters; write + for *",
                "the pattern engine does not take this expression: RE2 has no look-around, nor is there any here; "
                "match what stands around, too",
            ],
        ),
    ],
)
def test_impossible_settings(written: dict[str, object], sentences: list[str]) -> None:
    """What is wrong and what to write; never the key."""
    with pytest.raises(ValidationError) as caught:
        CollectorRedactionSettings.model_validate(written)
    assert [error["msg"].removeprefix("Value error, ") for error in caught.value.errors()] == sentences
    assert "kkkk" not in str(caught.value)


def test_a_warning_of_hashes_without_a_key() -> None:
    """Whoever can list the values can turn them back."""
    with capture_logs() as logged:
        made(hash_function="md5")
        made(hash_function="hmac-sha256", hmac_key="k" * 32)
    assert [(each["log_level"], each["hash_function"]) for each in logged] == [("warning", "md5")]


def test_equal_values_have_equal_hashes_however_disguised() -> None:
    """The hash is of the value in plain."""
    digest = hashlib.sha1(CARD.encode()).hexdigest()
    for text in (CARD, CARD.replace("4", "%34"), "\u200b".join(CARD)):
        assert attributes_after({"a": text}, **BLOCKING, hash_function="sha1") == {"a": digest}


TEXTS = st.text(st.sampled_from('41 5%\\u\u200b{}":,[]=&;az\u00e9'), max_size=40)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=4))
def test_nothing_blocked_is_left_and_ids_stay(parts: Sequence[tuple[str, str, str]]) -> None:
    """Between any texts the card goes; ids and times of items are as they were."""
    processor, _ = made(**BLOCKING)
    texts = [before + "x" + CARD + "x" + after for before, _, after in parts]
    spans = [
        Span(name=text, span_id=b"12345678", start_time_unix_nano=9, attributes=pairs({"k": text})) for text in texts
    ]
    result = processor.process(traces(spans))
    assert result is not None
    assert CARD.encode() not in result.payload
    left: list[Any] = decoded_spans(result)
    assert [(each.span_id, each.start_time_unix_nano) for each in left] == [(b"12345678", 9)] * len(spans)


def test_a_log_record_of_every_type_of_body() -> None:
    """Numbers, bytes and lists as body, as the Collector."""
    for body, left in ((int(CARD), "****"), ([CARD, 5], ["****", 5]), (5, 5), (True, True), (1.5, 1.5)):
        assert body_after(body, **BLOCKING) == left
    (record,) = decoded_logs(made(**BLOCKING)[0].process(logs([LogRecord(body=any_value(CARD), event_name=CARD)])))
    assert (record.body.string_value, record.event_name) == ("****", "****")


def test_an_empty_batch_stays() -> None:
    """An empty batch is passed on."""
    empty = Batch(Signal.TRACES, b"", 0)
    assert made(**BLOCKING)[0].process(empty) is empty
