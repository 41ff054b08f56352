"""Settings of the remote-write exporter: the Collector's keys, Prometheus' keys, and what cannot be."""

from typing import Any, cast

import pytest
from pydantic import ValidationError

from exporters import ALIASES, EXPORTERS
from exporters.prometheus_remote_write import PrometheusRemoteWriteSettings
from pipeline.batch import Signal
from processors.delta_to_cumulative import DeltaToCumulativeSettings
from tests.exporters.remote_write_receiver import URL as _URL


def test_defaults() -> None:
    """One request at a time, quick retries without end but in memory, the Collector's sizes, and metrics only."""
    settings = PrometheusRemoteWriteSettings(endpoint=_URL)
    retry = settings.retry_on_failure
    assert (retry.initial_interval, retry.max_interval, retry.max_elapsed_time) == (0.05, 5.0, None)
    assert (settings.sending_queue.num_consumers, settings.max_batch_size_bytes) == (1, 3_000_000)
    assert settings.signals() == {Signal.METRICS}
    partly = PrometheusRemoteWriteSettings(endpoint=_URL, retry_on_failure=cast("Any", {"max_elapsed_time": "1m"}))
    assert partly.retry_on_failure.initial_interval == 0.05


def test_deltas_are_added_up() -> None:
    """Before the queue, unless it is switched off."""
    settings = PrometheusRemoteWriteSettings(endpoint=_URL)
    assert settings.before_queue(Signal.METRICS) == DeltaToCumulativeSettings()
    off = PrometheusRemoteWriteSettings(endpoint=_URL, delta_to_cumulative=None)
    assert off.before_queue(Signal.METRICS) is None


def test_the_collectors_queue() -> None:
    """`remote_write_queue` is `sending_queue`, and editors know both."""
    settings = PrometheusRemoteWriteSettings.model_validate(
        {"endpoint": _URL, "remote_write_queue": {"enabled": True, "queue_size": 10_000, "num_consumers": 1}}
    )
    assert settings.sending_queue.queue_size == 10_000
    assert {"sending_queue", "remote_write_queue"} <= set(
        PrometheusRemoteWriteSettings.model_json_schema()["properties"]
    )


def test_names_in_the_table() -> None:
    """Both of the Collector's spellings name this exporter."""
    assert EXPORTERS[ALIASES["prometheusremotewrite"]] is PrometheusRemoteWriteSettings


_ORDER = (
    "Value error, Prometheus takes the samples of a series in order only, so requests go one after the other; "
    "leave num_consumers out or set it to 1"
)
_ONCE = "Value error, give one of basic_auth, authorization and the header Authorization, not several"


@pytest.mark.parametrize(
    ("settings", "place", "message"),
    [
        ({"remote_write_queue": {"num_consumers": 5}}, "remote_write_queue.num_consumers", _ORDER),
        (
            {"sending_queue": {"enabled": False}},
            "sending_queue.enabled",
            "Value error, the queue cannot be switched off; it keeps what was acknowledged; limit it with queue_size",
        ),
        (
            {"headers": {"user-agent": "x", "Content-Type": "y"}},
            "headers",
            "Value error, the protocol sets content-type, user-agent itself; leave it out",
        ),
        ({"basic_auth": {"username": "u"}, "authorization": {"credentials": "t"}}, "", _ONCE),
        ({"basic_auth": {"username": "u"}, "headers": {"authorization": "t"}}, "", _ONCE),
        (
            {"external_labels": {"__x": "y"}},
            "external_labels",
            "Value error, label names are letters, digits and underscores, no digit first, nor two underscores",
        ),
        (
            {"external_labels": {"x": ""}},
            "external_labels",
            "Value error, a label without a value is no label; give it one or leave it out",
        ),
        (
            {"endpoint": "prometheus:9090"},
            "endpoint",
            "Value error, give the whole address, such as http://prometheus:9090/api/v1/write",
        ),
        (
            {"endpoint": "http://user:secret@localhost/w"},
            "endpoint",
            "Value error, put no user or password into the address; use basic_auth instead",
        ),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], place: str, message: str) -> None:
    """Each is refused where it stands, with the remedy."""
    with pytest.raises(ValidationError) as caught:
        PrometheusRemoteWriteSettings.model_validate({"endpoint": _URL, **settings})
    assert [(".".join(map(str, error["loc"])), error["msg"]) for error in caught.value.errors()] == [(place, message)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {}),
        (
            {"basic_auth": {"username": "clinic", "password": "not-real"}},
            {"Authorization": "Basic Y2xpbmljOm5vdC1yZWFs"},
        ),
        ({"authorization": {"credentials": "not-real"}}, {"Authorization": "Bearer not-real"}),
        ({"authorization": {"type": "Token", "credentials": "x"}}, {"Authorization": "Token x"}),
    ],
)
def test_authorization(settings: dict[str, Any], expected: dict[str, str]) -> None:
    """Prometheus' keys become the header, and do not show."""
    made = PrometheusRemoteWriteSettings.model_validate({"endpoint": _URL, **settings})
    assert made.authorization_header() == expected
    assert "not-real" not in repr(made)
