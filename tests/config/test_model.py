"""The service section."""

import pytest
from pydantic import ValidationError

from config.model import AuditSettings, LogsSettings, MetricsSettings, PipelineSettings, Service, signal_of
from wire.signal import Signal

PIPELINE = {"receivers": ["otlp"], "exporters": ["file"]}


def why(model: type[Service | MetricsSettings | PipelineSettings | AuditSettings], value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(value)
    (error,) = caught.value.errors()
    return str(error["msg"])


def test_defaults() -> None:
    """A service needs pipelines and nothing else."""
    service = Service.model_validate({"pipelines": {"traces": PIPELINE}})
    assert service.pipelines["traces"] == PipelineSettings(receivers=["otlp"], exporters=["file"])
    assert (service.extensions, service.shutdown_timeout) == ([], 30.0)
    assert service.telemetry.metrics.listen == ("localhost", 8888)
    assert (service.telemetry.logs.level, service.telemetry.logs.encoding) == ("info", "console")


def test_signal_of() -> None:
    """The signal stands before the slash."""
    assert [signal_of(each) for each in ("traces", "metrics/a", "logs/a/b")] == [
        Signal.TRACES,
        Signal.METRICS,
        Signal.LOGS,
    ]


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("trace", "there is no signal 'trace'; did you mean 'traces'? Valid: logs, metrics, traces"),
        ("profiles", "there is no signal 'profiles'; valid: logs, metrics, traces"),
        ("logs/", "a name is missing after the /"),
    ],
)
def test_wrong_pipeline_keys(key: str, sentence: str) -> None:
    """A pipeline's key begins with a signal."""
    assert why(Service, {"pipelines": {key: PIPELINE}}) == f"Value error, {sentence}"


def test_unredacted_needs_a_reason() -> None:
    """Redaction is not switched off without a word."""
    reasoned = PipelineSettings.model_validate({**PIPELINE, "redaction": "none", "redaction_reason": "synthetic data"})
    assert reasoned.redaction == "none"
    without = "redaction: none needs a redaction_reason, a sentence for those who audit this pipeline"
    assert (
        why(PipelineSettings, {**PIPELINE, "redaction": "none", "redaction_reason": " "}) == f"Value error, {without}"
    )
    alone = "redaction_reason is for redaction: none; remove it, or add that"
    assert why(PipelineSettings, {**PIPELINE, "redaction_reason": "x"}) == f"Value error, {alone}"


@pytest.mark.parametrize(
    ("written", "listen"),
    [
        ({"host": "::1", "port": 9}, ("::1", 9)),
        ({"address": "example.org:9"}, ("example.org", 9)),
        ({"address": "[::1]:9"}, ("::1", 9)),
        ({"address": ":9"}, ("", 9)),
        ({"readers": [{"pull": {"exporter": {"prometheus": {"host": "0.0.0.0", "port": 9}}}}]}, ("0.0.0.0", 9)),
        ({"readers": [{"pull": {"exporter": {"prometheus": {}}}}]}, ("localhost", 8888)),
        ({"readers": []}, None),
        ({"level": "none"}, None),
        ({"level": "detailed"}, ("localhost", 8888)),
    ],
)
def test_metrics_endpoint(written: dict[str, object], listen: tuple[str, int] | None) -> None:
    """Ours and both of the Collector's forms say where the endpoint is, or that there is none."""
    assert MetricsSettings.model_validate(written).listen == listen


def test_metrics_endpoint_given_twice() -> None:
    """Two forms at once are refused."""
    sentence = "the endpoint is given twice; use host and port, or address, or readers"
    assert why(MetricsSettings, {"port": 1, "address": "localhost:1"}) == f"Value error, {sentence}"


@pytest.mark.parametrize("address", ["localhost", "localhost:", "localhost:99999", "localhost:x", "localhost:²"])
def test_wrong_address(address: str) -> None:
    """An address is a host and a port."""
    sentence = "this is not an address; write host:port, such as localhost:8888"
    assert why(MetricsSettings, {"address": address}) == f"Value error, {sentence}"


def test_log_levels() -> None:
    """The Collector's upper case is understood."""
    assert LogsSettings.model_validate({"level": "WARN"}).level == "warn"


def test_the_audit_ledger() -> None:
    """Off without its section; its key is long enough, and never shown."""
    assert Service.model_validate({"pipelines": {"traces": PIPELINE}}).audit is None
    key = "k" * 32
    service = Service.model_validate({"pipelines": {"traces": PIPELINE}, "audit": {"key": key}})
    assert service.audit is not None
    assert service.audit.key is not None
    assert (service.audit.key.get_secret_value(), service.audit.on_failure) == (key, "refuse")
    assert key not in repr(service)
    short = "the key of the audit ledger needs at least 32 bytes; `openssl rand -hex 32` makes one"
    assert why(AuditSettings, {"key": "k" * 31}) == f"Value error, {short}"
