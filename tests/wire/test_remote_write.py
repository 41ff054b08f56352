"""OTLP metrics as remote-write requests, read back by decoders made from the published message definitions."""

import math
import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
import snappy
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, MetricsData, ResourceMetrics

from tests.wire.remote_write_messages import Labels, WriteRequest, decode, read
from wire.otlp import sanitize
from wire.prometheus_names import Naming, Strategy
from wire.remote_write import Options, Reason, Translation, Translator
from wire.remote_write_labels import decimal_text, value_text
from wire.remote_write_requests import Body, metadata_bodies, series_bodies
from wire.signal import Signal


def attributes(**values: str | float | bool | bytes) -> list[KeyValue]:
    """Attributes whose keys are the names given, with "__" for "."."""
    return [KeyValue(key=key.replace("__", "."), value=any_value(value)) for key, value in values.items()]


def any_value(value: str | float | bool | bytes) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(bytes_value=value) if isinstance(value, bytes) else AnyValue(string_value=value)


def gauge(name: str, *points: dict[str, Any], unit: str = "") -> Metric:
    return Metric(name=name, unit=unit, gauge={"data_points": points})  # type: ignore[arg-type]


def counter(name: str, *points: dict[str, Any], unit: str = "", temporality: int = 2) -> Metric:
    data = {"data_points": points, "is_monotonic": True, "aggregation_temporality": temporality}
    return Metric(name=name, unit=unit, sum=data)  # type: ignore[arg-type]


def histogram(name: str, *points: dict[str, Any], unit: str = "") -> Metric:
    return Metric(name=name, unit=unit, histogram={"data_points": points, "aggregation_temporality": 2})  # type: ignore[arg-type]


def at(milliseconds: int, value: float | None = None, **fields: Any) -> dict[str, Any]:
    """A number point, in OTLP's nanoseconds."""
    point = {"time_unix_nano": milliseconds * 1_000_000, **fields}
    return point if value is None else {**point, "as_double": value}


def payload(*metrics: Metric, resource: Sequence[KeyValue] = (), **scope: Any) -> MetricsData:
    one = ResourceMetrics(scope_metrics=[{"metrics": metrics, "scope": scope}])  # type: ignore[list-item]
    one.resource.attributes.extend(resource)
    return MetricsData(resource_metrics=[one])


def run(
    data: MetricsData, options: Options | None = None, translator: Translator | None = None, *, two: bool = False
) -> Translation:
    translator = translator or Translator(options or Options(), two=two)
    return translator.translate(sanitize(Signal.METRICS, data.SerializeToString())[0])


def bodies(
    translation: Translation, max_samples: int = 2000, max_bytes: int = 3_000_000, *, two: bool = False
) -> list[Body]:
    return series_bodies(translation.runs, max_samples, max_bytes, two=two)


def series_of(data: MetricsData, options: Options | None = None) -> dict[Labels, list[tuple[int, float]]]:
    """What a payload arrives as."""
    translation = run(data, options)
    assert translation.dropped == {}
    return dict(one for body in bodies(translation) for one in decode(body.data))


def arrived(translation: Translation) -> dict[Labels, list[Any]]:
    """The samples of each series, over all requests."""
    found: dict[Labels, list[Any]] = {}
    for body in bodies(translation):
        for labels, samples in decode(body.data):
            found.setdefault(labels, []).extend(samples)
    return found


def named(name: str, **labels: str) -> Labels:
    return tuple(sorted({"__name__": name, **labels}.items()))


def bits(value: float) -> str:
    return struct.pack(">d", value).hex()


def test_counter_and_gauge() -> None:
    """Names get unit and type, times are cut to milliseconds, integers become floats."""
    data = payload(
        counter("http.requests", {"time_unix_nano": 1_732_000_000_123_999_999, "as_int": 7}),
        gauge("cpu.utilization", at(1_732_000_000_124, 0.5, attributes=attributes(cpu__core=1)), unit="1"),
        Metric(
            name="queue.size",
            unit="{items}",
            sum={"data_points": [at(1_732_000_000_125, 3.0)], "aggregation_temporality": 2},  # type: ignore[arg-type]
        ),
    )
    assert series_of(data) == {
        named("http_requests_total"): [(1_732_000_000_123, 7.0)],
        named("cpu_utilization_ratio", cpu_core="1"): [(1_732_000_000_124, 0.5)],
        named("queue_size"): [(1_732_000_000_125, 3.0)],
    }


def test_histogram_shape() -> None:
    """Buckets are cumulative with the shortest decimal bound, +Inf is the count, sum and count stand beside."""
    point: dict[str, Any] = {
        "explicit_bounds": [0.005, 1.0, 10.0, 1e-7 + 20],
        "bucket_counts": [1, 2, 0, 0, 4],
        "count": 7,
        "sum": 9.5,
    }
    data = payload(histogram("latency", at(5, **point, attributes=attributes(a="x", le="mine")), unit="s"))
    bounds = {"0.005": 1.0, "1": 3.0, "10": 3.0, "20.0000001": 3.0, "+Inf": 7.0}
    assert series_of(data) == {
        **{named("latency_seconds_bucket", a="x", le=le): [(5, value)] for le, value in bounds.items()},
        named("latency_seconds_sum", a="x"): [(5, 9.5)],
        named("latency_seconds_count", a="x"): [(5, 7.0)],
    }


@pytest.mark.parametrize(
    "point",
    [
        {"count": 3},
        {"count": 3, "bucket_counts": [3]},
        {"count": 3, "bucket_counts": [3, 0], "explicit_bounds": [math.inf]},
    ],
)
def test_histogram_without_bounds_or_sum(point: dict[str, Any]) -> None:
    """There is always the +Inf bucket, once; a sum that was not recorded is left out."""
    expected = {named("h_bucket", le="+Inf"): [(5, 3.0)], named("h_count"): [(5, 3.0)]}
    assert series_of(payload(histogram("h", at(5, **point)))) == expected


@pytest.mark.parametrize(
    "point",
    [
        {"bucket_counts": [1], "explicit_bounds": [1.0]},
        {"bucket_counts": [1, 1, 1], "explicit_bounds": [1.0, 1.0]},
        {"bucket_counts": [1, 1, 1], "explicit_bounds": [2.0, 1.0]},
        {"bucket_counts": [1, 1], "explicit_bounds": [math.nan]},
    ],
)
def test_malformed_histogram_is_dropped(point: dict[str, Any]) -> None:
    """Buckets that contradict each other are no histogram, and none of its series is sent."""
    translation = run(payload(histogram("h", at(5, **point))))
    assert (translation.runs, translation.points, translation.dropped) == ([], 0, {Reason.MALFORMED_POINT: 1})


def test_summary_shape() -> None:
    """Quantiles, sum and count; two of the same quantile are no summary."""
    quantiles = [{"quantile": 0.5, "value": 2.0}, {"quantile": 0.99, "value": math.inf}]
    good = at(5, quantile_values=quantiles, sum=20.0, count=10)
    metric = Metric(name="s", unit="s", summary={"data_points": [good]})  # type: ignore[arg-type]
    assert series_of(payload(metric)) == {
        named("s_seconds", quantile="0.5"): [(5, 2.0)],
        named("s_seconds", quantile="0.99"): [(5, math.inf)],
        named("s_seconds_sum"): [(5, 20.0)],
        named("s_seconds_count"): [(5, 10.0)],
    }
    metric.summary.data_points[0].quantile_values[1].quantile = 0.5
    assert run(payload(metric)).dropped == {Reason.MALFORMED_POINT: 1}


def test_values_arrive_bit_by_bit() -> None:
    """Every kind of double arrives as it is, but a NaN as the ordinary one, never to be taken for a stale marker."""
    values = [0.0, -0.0, -1.5, 1e308, 5e-324, math.inf, -math.inf]
    signalling = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
    points = [at(1 + place, value) for place, value in enumerate([*values, math.nan, signalling])]
    (samples,) = series_of(payload(gauge("g", *points))).values()
    assert [bits(value) for _, value in samples] == [*map(bits, values), "7ff8000000000001", "7ff8000000000001"]


def test_no_recorded_value_is_stale() -> None:
    """A point without a value marks each of its series stale with the exact bits, the sum and the bounds included."""
    data = payload(
        gauge("g", at(5, flags=1)),
        histogram("h", at(5, flags=1, explicit_bounds=[1.0])),
        Metric(name="s", summary={"data_points": [at(5, flags=1, quantile_values=[{"quantile": 0.5}])]}),  # type: ignore[arg-type]
    )
    series = series_of(data)
    assert {dict(labels)["__name__"] for labels in series} == {
        "g",
        "h_bucket",
        "h_sum",
        "h_count",
        "s",
        "s_sum",
        "s_count",
    }
    assert named("h_bucket", le="1") in series
    assert {bits(value) for samples in series.values() for _, value in samples} == {"7ff0000000000002"}


def test_what_is_dropped_is_counted() -> None:
    """Each data point that cannot be carried is counted under its reason, and the others go on."""
    too_coarse = [at(time, scale=-5) for time in (5, 6)]
    exponential = Metric(name="e", exponential_histogram={"data_points": too_coarse, "aggregation_temporality": 2})  # type: ignore[arg-type]
    data = payload(
        counter("c", at(5, 1.0), at(6, 1.0), temporality=1),
        counter("d", at(5, 1.0), temporality=0),
        exponential,
        gauge("@#$", at(5, 1.0)),
        gauge("g", at(0, 1.0), at(5), at(6, 1.0, attributes=attributes(日本="x")), at(7, 1.0), at(7, 2.0)),
        Metric(name="nothing"),
    )
    translation = run(data)
    assert translation.points == 1
    assert translation.dropped == {
        Reason.DELTA_TEMPORALITY: 2,
        Reason.UNSPECIFIED_TEMPORALITY: 1,
        Reason.SCALE_TOO_COARSE: 2,
        Reason.INVALID_NAME: 1,
        Reason.NO_TIMESTAMP: 1,
        Reason.NO_VALUE: 1,
        Reason.INVALID_LABEL: 1,
        Reason.DUPLICATE: 1,
    }


def test_one_name_has_one_type_in_a_target() -> None:
    """Of two metrics of one target whose names become one, the later is dropped if it is of another type."""
    service = attributes(service__name="api")
    metrics = (gauge("a.b", at(5, 1.0)), counter("a_b", at(6, 1.0)))
    options = Options(Naming(Strategy.UNDERSCORE_ESCAPING_WITHOUT_SUFFIXES))
    translation = run(payload(*metrics, resource=service), options)
    assert (translation.points, translation.dropped) == (1, {Reason.TYPE_CONFLICT: 1})
    elsewhere = payload(metrics[1], resource=attributes(service__name="web"))
    elsewhere.MergeFrom(payload(metrics[0], resource=service))
    assert run(elsewhere, options).dropped == {}


def test_labels_of_every_value_type() -> None:
    """Values that are not text become JSON, bytes become base64, and what is empty is left out."""
    given_ = attributes(
        b=True, i=-5, d=1.0, tiny=1e-7, huge=1.5e300, nan=math.nan, inf=-math.inf, raw=b"\x00\xff", empty=""
    )
    nested = AnyValue(
        kvlist_value=KeyValueList(
            values=[
                KeyValue(
                    key="z",
                    value=AnyValue(
                        array_value=ArrayValue(values=[any_value(1), any_value(2.5), any_value('a"'), AnyValue()])
                    ),
                ),
                KeyValue(key="a", value=any_value(math.nan)),
                KeyValue(key="b", value=any_value(b"\x00")),
            ]
        )
    )
    given_ += [KeyValue(key="nested", value=nested), KeyValue(key="none")]
    ((labels, _),) = series_of(payload(gauge("g", at(5, 1.0, attributes=given_)))).items()
    assert dict(labels) == {
        "__name__": "g",
        "b": "true",
        "i": "-5",
        "d": "1",
        "tiny": "1e-7",
        "huge": "1.5e+300",
        "nan": "NaN",
        "inf": "-Infinity",
        "raw": "AP8=",
        "nested": '{"a":"NaN","b":"AA==","z":[1,2.5,"a\\"",null]}',
    }


def test_colliding_labels_are_joined() -> None:
    """Values of keys that become one label are joined in the order of the keys; the first of a repeated key stands."""
    keys = ["a_b", "a.b", "a-b", "a.b", "__name__", "x"]
    given_ = [KeyValue(key=key, value=any_value(str(place))) for place, key in enumerate(keys)]
    ((labels, _),) = series_of(payload(gauge("g", at(5, 1.0, attributes=given_)))).items()
    assert labels == named("g", a_b="2;1;0", x="5")


def test_labels_are_sorted_by_bytes() -> None:
    """Capitals sort before the name's underscore, so the name is not always first, in a histogram neither."""
    data = payload(histogram("h", at(5, count=1, attributes=attributes(z="1", A="2", m="3", _x="4"))))
    for labels in series_of(data):
        assert list(labels) == sorted(labels, key=lambda label: label[0].encode())
        assert labels[0] == ("A", "2")


def test_target_and_scope() -> None:
    """Job and instance win over a point's own, scope labels are added, target_info tells the rest of the resource."""
    resource = attributes(
        service__namespace="clinic", service__name="api", service__instance__id="i-1", host__name="h", empty=""
    )
    data = payload(
        gauge(
            "g", at(5, 1.0, attributes=attributes(job="mine", region="mine")), at(9, 2.0, attributes=attributes(k="v"))
        ),
        resource=resource,
        name="lib",
        version="1.2",
        attributes=attributes(name="no", k="s"),
    )
    identity = {"job": "clinic/api", "instance": "i-1"}
    scope = {"otel_scope_name": "lib", "otel_scope_version": "1.2", "otel_scope_k": "s"}
    external = {"region": "eu", "job": "external"}
    assert series_of(data, Options(external_labels=external)) == {
        named("g", **identity, **scope, region="mine"): [(5, 1.0)],
        named("g", **identity, **scope, k="v", region="eu"): [(9, 2.0)],
        named("target_info", **identity, host_name="h", region="eu"): [(5, 1.0), (9, 1.0)],
    }
    plain = Options(
        Naming(namespace="ns"), scope_labels=False, target_info=False, promote=lambda key: key == "host.name"
    )
    assert series_of(data, plain) == {
        named("ns_g", **identity, region="mine", host_name="h"): [(5, 1.0)],
        named("ns_g", **identity, k="v", host_name="h"): [(9, 2.0)],
    }


@pytest.mark.parametrize(
    "resource",
    [attributes(service__name="api"), attributes(host__name="h"), attributes(service__namespace="n", host__name="h")],
)
def test_no_target_info_without_something_to_tell(resource: list[KeyValue]) -> None:
    """Without a job or instance it belongs to nobody, and without other attributes it says nothing."""
    names = {dict(labels)["__name__"] for labels in series_of(payload(gauge("g", at(5, 1.0)), resource=resource))}
    assert names == {"g"}


def test_target_info_once_a_target() -> None:
    """Two resources of one job and instance give one target_info: that of the latest point."""
    resource = attributes(service__name="api", host__name="old")
    data = payload(gauge("g", at(5, 1.0)), resource=resource)
    data.MergeFrom(payload(gauge("h", at(7, 1.0)), resource=attributes(service__name="api", host__name="new")))
    data.MergeFrom(payload(gauge("i", at(6, 1.0)), resource=resource))
    infos = {labels: samples for labels, samples in series_of(data).items() if ("__name__", "target_info") in labels}
    assert infos == {named("target_info", job="api", host_name="new"): [(7, 1.0)]}


def test_samples_in_order_none_twice() -> None:
    """Points that come in any order are sent in order; of two at one millisecond the first is sent."""
    points = [at(9, 9.0), at(3, 3.0), {"time_unix_nano": 3_400_000, "as_double": 4.0}, at(5, 5.0)]
    translation = run(payload(gauge("g", *points)))
    assert arrived(translation) == {named("g"): [(3, 3.0), (5, 5.0), (9, 9.0)]}
    assert (translation.points, translation.dropped) == (3, {Reason.DUPLICATE: 1})


def test_order_across_payloads() -> None:
    """What is not later than what was sent before is dropped at the source, by reason, and nothing else is."""
    translator = Translator(Options())
    run(payload(gauge("g", at(10, 1.0)), gauge("k", at(10, 1.0))), translator=translator)
    later = payload(gauge("g", at(9, 1.0), at(10, 1.0), at(11, 1.0)), gauge("n", at(1, 1.0)))
    translation = run(later, translator=translator)
    assert arrived(translation) == {named("g"): [(11, 1.0)], named("n"): [(1, 1.0)]}
    assert translation.dropped == {Reason.OUT_OF_ORDER: 1, Reason.DUPLICATE: 1}


def test_one_series_from_two_places() -> None:
    """Attributes in another order, and another resource of the same target, are one series: in order, not twice."""
    first, second = attributes(a="1", b="2"), attributes(b="2", a="1")
    service = attributes(service__name="api")
    data = payload(gauge("g", at(5, 1.0, attributes=first), at(7, 3.0, attributes=second)), resource=service)
    other = payload(gauge("g", at(6, 2.0, attributes=first), at(7, 4.0, attributes=first)))
    other.resource_metrics[0].resource.attributes.extend([*service, *attributes(service__namespace="")])
    data.MergeFrom(other)
    translation = run(data)
    assert arrived(translation) == {named("g", job="api", a="1", b="2"): [(5, 1.0), (6, 2.0), (7, 3.0)]}
    assert translation.dropped == {Reason.DUPLICATE: 1}


def test_names_of_a_histogram_are_taken() -> None:
    """A metric that would be a series of a histogram of its target is dropped, until that has ended."""
    translator = Translator(Options())
    data = payload(histogram("h", at(5, count=1, sum=1.0)), gauge("h_count", at(6, 1.0)))
    translation = run(data, translator=translator)
    assert (translation.points, translation.dropped) == (1, {Reason.TYPE_CONFLICT: 1})
    assert run(payload(gauge("h_count", at(300_005, 1.0))), translator=translator).points == 0
    assert run(payload(gauge("h_count", at(300_006, 1.0))), translator=translator).points == 1


def test_a_series_is_found_by_its_bytes() -> None:
    """What was seen before is not translated again, and what is remembered is bounded."""
    translator = Translator(Options(), capacity=10)
    points = [at(1, 1.0, attributes=attributes(a=str(number))) for number in range(5)]
    for time in (1, 2, 3):
        run(
            payload(gauge("g", *({**point, "time_unix_nano": time * 10**6} for point in points))), translator=translator
        )
    assert (translator.hits, translator.misses) == (10, 5)
    assert translator.hit_ratio == pytest.approx(2 / 3)
    for number in range(1000):
        run(payload(gauge("g", at(1, 1.0, attributes=attributes(b=str(number))))), translator=translator)
        assert translator.size <= 10


@pytest.mark.parametrize("two", [False, True])
@pytest.mark.parametrize(("max_samples", "max_bytes"), [(3, 10**6), (1, 10**6), (1000, 200), (1000, 1)])
def test_split_keeps_order_and_everything(max_samples: int, max_bytes: int, two: bool) -> None:
    """Requests stay within both limits, but for a lone point, and together hold each series in order."""
    metrics = [gauge(f"g{metric}", *(at(time, float(time)) for time in range(1, 8))) for metric in range(5)]
    translation = run(payload(*metrics), two=two)
    parts = bodies(translation, max_samples, max_bytes, two=two)
    found: dict[Labels, list[Any]] = {}
    before: set[Labels] = set()
    for body in parts:
        decoded = decode(body.data, two=two)
        assert body.samples == body.points == sum(len(samples) for _, samples in decoded) <= max_samples
        assert len(snappy.decompress(body.data)) <= max_bytes or body.samples == 1
        assert body.goes_on == any(labels in before for labels, _ in decoded)
        before |= {labels for labels, _ in decoded}
        for labels, samples in decoded:
            found.setdefault(labels, []).extend(samples)
    assert found == {named(f"g{metric}"): [(time, float(time)) for time in range(1, 8)] for metric in range(5)}
    assert repr(parts[0]) == f"Body({parts[0].points} points, {parts[0].samples} samples, {len(parts[0].data)} bytes)"


def test_a_point_is_in_one_request() -> None:
    """There is never half a histogram in a request, however small requests are to be."""
    points = [at(time, count=3, sum=1.0, bucket_counts=[1, 2], explicit_bounds=[1.0]) for time in (1, 2, 3)]
    parts = bodies(run(payload(histogram("h", *points))), max_samples=3)
    assert [(body.points, body.samples, body.goes_on) for body in parts] == [(1, 4, False), (1, 4, True), (1, 4, True)]


def test_body_is_a_snappy_block() -> None:
    """The block format begins with the length; the framed format would be refused by every receiver."""
    (body,) = bodies(run(payload(gauge("g", at(5, 1.0)))))
    raw = snappy.decompress(body.data)
    assert body.data[0] == len(raw)
    # TimeSeries{Label{"__name__", "g"}, Sample{1.0, 5}}
    assert raw.hex() == "0a1c" + "0a0d" + "0a085f5f6e616d655f5f" + "120167" + "120b" + "09000000000000f03f" + "1005"


def test_repr_hides_contents() -> None:
    """Nothing of a payload shows in what is made of it."""
    metric = gauge("secret", at(5, 1.0, attributes=attributes(secret="secret")))
    metric.description = "secret"
    translation = run(payload(metric, resource=attributes(service__name="secret", secret="secret")))
    shown = [translation, *translation.runs, *translation.families, *bodies(translation)]
    assert "secret" not in repr(shown)


def test_metadata() -> None:
    """Type, help and unit of each metric once, under the name it has in Prometheus."""
    metric = counter("c", at(5, 1.0), unit="By")
    metric.description = "Bytes of it."
    translation = run(payload(metric, histogram("h", at(5, count=1)), gauge("g", at(5, 1.0), unit="1")))
    (body,) = metadata_bodies(translation.families, 10**6)
    request = WriteRequest.FromString(snappy.decompress(body.data))
    assert [(one.type, one.metric_family_name, one.help, one.unit) for one in request.metadata] == [
        (1, "c_bytes_total", "Bytes of it.", "bytes"),
        (3, "h", "", ""),
        (2, "g_ratio", "", ""),
    ]
    assert len(metadata_bodies(translation.families, 1)) == 3


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_decimal_text_reads_back(number: float) -> None:
    """A bound's text has no exponent and is exactly its number."""
    text = decimal_text(number)
    assert "e" not in text
    assert float(text) == number


_TEXTS = st.sampled_from(["", "x", "é;\n", "y" * 300])
_KEYS = st.sampled_from(["a.b", "a_b", "__name__", "le", "quantile", "job", "日本", "", "A", "z", "__x", "1"])
_VALUES = st.one_of(
    st.builds(AnyValue),
    st.builds(AnyValue, string_value=_TEXTS),
    st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1)),
    st.builds(AnyValue, double_value=st.floats()),
    st.builds(AnyValue, bytes_value=st.binary(max_size=3)),
)
_ATTRIBUTES = st.lists(st.builds(KeyValue, key=_KEYS, value=_VALUES), max_size=4)
_POINT = {
    "time_unix_nano": st.sampled_from([0, 1, 10**6, 1_999_999, 10**9, 2**64 - 1]),
    "flags": st.sampled_from([0, 0, 0, 1]),
    "attributes": _ATTRIBUTES,
}
_NUMBER = st.one_of(
    st.fixed_dictionaries({**_POINT, "as_double": st.floats()}),
    st.fixed_dictionaries({**_POINT, "as_int": st.integers(-(2**63), 2**63 - 1)}),
    st.fixed_dictionaries(_POINT),
)
_COUNTS = st.integers(0, 2**64 - 1)
_HISTOGRAM = st.fixed_dictionaries(
    {
        **_POINT,
        "count": _COUNTS,
        "explicit_bounds": st.lists(st.floats(), max_size=2) | st.just([1.0, 2.0]),
        "bucket_counts": st.lists(_COUNTS, max_size=3) | st.just([1, 2, 3]),
    },
    optional={"sum": st.floats()},
)
_BUCKETS = st.fixed_dictionaries(
    {"offset": st.integers(-(2**31), 2**31 - 1), "bucket_counts": st.lists(st.integers(0, 3), max_size=3)}
)
_EXPONENTIAL = st.fixed_dictionaries(
    {**_POINT, "count": st.integers(0, 6), "scale": st.integers(-6, 20), "positive": _BUCKETS, "negative": _BUCKETS},
    optional={"sum": st.floats()},
)
_QUANTILES = st.lists(st.fixed_dictionaries({"quantile": st.sampled_from([0.0, -0.0, 0.5, 1.0]), "value": st.floats()}))
_SUMMARY = st.fixed_dictionaries({**_POINT, "count": _COUNTS, "sum": st.floats(), "quantile_values": _QUANTILES})
_TEMPORALITY = st.integers(0, 2)


def _data(point: st.SearchStrategy[Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"data_points": st.lists(point, max_size=4), **fields})


_METRIC = st.builds(
    lambda name, unit, data: Metric(name=name, unit=unit, **data),
    st.sampled_from(["a.b", "a_b", "a_b_count", "target_info", "@", "9"]),
    st.sampled_from(["", "1", "s"]),
    st.one_of(
        st.fixed_dictionaries({"gauge": _data(_NUMBER)}),
        st.fixed_dictionaries(
            {"sum": _data(_NUMBER, aggregation_temporality=_TEMPORALITY, is_monotonic=st.booleans())}
        ),
        st.fixed_dictionaries({"histogram": _data(_HISTOGRAM, aggregation_temporality=_TEMPORALITY)}),
        st.fixed_dictionaries({"exponential_histogram": _data(_EXPONENTIAL, aggregation_temporality=_TEMPORALITY)}),
        st.fixed_dictionaries({"summary": _data(_SUMMARY)}),
    ),
)
_RESOURCE = st.sampled_from(
    [[], attributes(service__name="api", host="h"), attributes(service__name="api", service__instance__id="i", job="x")]
)
_PAYLOAD = st.builds(
    lambda metrics, resource, scope: payload(*metrics, resource=resource, attributes=scope),
    st.lists(_METRIC, max_size=4),
    _RESOURCE,
    _ATTRIBUTES,
)


def _points(data: MetricsData) -> int:
    shapes: Iterable[Any] = (
        getattr(metric, str(metric.WhichOneof("data")))
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )
    return sum(len(shape.data_points) for shape in shapes)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(_PAYLOAD, max_size=3), st.sampled_from([1, 3, 2000]), st.sampled_from([1, 150, 3_000_000]), st.booleans()
)
def test_any_payload_becomes_good_series(
    payloads: list[MetricsData], max_samples: int, max_bytes: int, two: bool
) -> None:
    """Labels are legal, sorted and unique, times of a series rise through all requests, every point is counted."""
    times = dict[Labels, list[int]]()
    options = Options(external_labels={"region": "eu"}, promote=lambda key: True)
    translator = Translator(options, two=two)
    for data in payloads:
        translation = run(data, translator=translator)
        assert translation.points + sum(translation.dropped.values()) == _points(data)
        for body in bodies(translation, max_samples, max_bytes, two=two):
            for series in read(body.data, two=two):
                all_times = [sample[0] for sample in series.samples] + [one.timestamp for one in series.histograms]
                times.setdefault(series.labels, []).extend(all_times)
    for labels, all_times in times.items():
        assert all(earlier < later for earlier, later in pairwise(all_times))
        names = [name for name, _ in labels]
        assert names == sorted(set(names), key=str.encode)
        assert all(name.isascii() and name.isidentifier() and value for name, value in labels)
        assert Counter(names)["__name__"] == 1
        assert dict(labels)["__name__"].replace(":", "_").isidentifier()


@given(
    st.recursive(
        _VALUES, lambda inner: st.builds(lambda v: AnyValue(array_value=ArrayValue(values=v)), st.lists(inner))
    )
)
def test_value_text_is_total(value: AnyValue) -> None:
    """Every value has a text, and only an empty one has none."""
    empty = value.WhichOneof("value") is None or value.string_value == "" == value.bytes_value.decode("latin-1")
    assert bool(value_text(value)) or empty
