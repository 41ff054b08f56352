"""Self-metrics of parts that come and go."""

from pipeline.self_metrics import summary
from pipeline.telemetry import Status, Telemetry


def shown(telemetry: Telemetry) -> dict[str, float]:
    """What the queues' sizes are said to be, by exporter."""
    samples = summary(telemetry).get("otelcol_exporter_queue_size", [])
    return {sample["labels"]["exporter"]: sample["value"] for sample in samples}


def offered() -> Telemetry:
    telemetry = Telemetry()
    telemetry.queue("loki", lambda: 1, lambda: 10)
    telemetry.queue("file", lambda: 2, lambda: 10)
    telemetry.status("loki", lambda: Status("ok"))
    telemetry.report("cardinality", "limit", "metrics", lambda: 1)
    telemetry.report("cardinality", "limit", "metrics/2", lambda: 2)
    return telemetry


def test_a_part_that_is_gone() -> None:
    """Neither its gauges nor its reports are shown; of a processor only those of one pipeline."""
    telemetry = offered()
    telemetry.forget("loki")
    telemetry.forget("limit", "metrics/2")
    assert shown(telemetry) == {"file": 2}
    assert telemetry.reports["health"] == {}
    assert list(telemetry.reports["cardinality"]) == [("limit", "metrics")]


def test_an_exporter_that_is_gone() -> None:
    """Its gauges and its health are shown no longer, another part's report of the same id is."""
    telemetry = offered()
    telemetry.report("other", "loki", "", lambda: 3)
    telemetry.forget_exporter("loki")
    assert (shown(telemetry), telemetry.reports["health"]) == ({"file": 2}, {})
    assert list(telemetry.reports["other"]) == [("loki", "")]


def test_a_report_that_comes_while_they_are_read() -> None:
    """It is shown the next time."""
    telemetry = Telemetry()

    def read() -> list[object]:
        telemetry.report("dead_letters", "file", "", list)
        return []

    telemetry.report("dead_letters", "loki", "", read)
    assert "telescrub_dead_letter_items" not in summary(telemetry)
    assert len(telemetry.reports["dead_letters"]) == 2


def test_some_reports_alone() -> None:
    """A part that keeps its gauges may lose a report."""
    telemetry = offered()
    telemetry.forget("loki", sorts=["health"])
    assert (shown(telemetry), telemetry.reports["health"]) == ({"loki": 1, "file": 2}, {})


def test_a_reload_that_fails() -> None:
    """What new parts had offered is taken back, and what they had replaced is there again."""
    telemetry = offered()
    before = telemetry.readers()
    telemetry.queue("loki", lambda: 7, lambda: 10)
    telemetry.queue("debug", lambda: 7, lambda: 10)
    telemetry.report("new", "limit", "", lambda: 7)
    telemetry.restore(before)
    assert shown(telemetry) == {"loki": 1, "file": 2}
    assert list(telemetry.reports) == ["health", "cardinality"]


def test_reloads() -> None:
    """How often, and whether the last one was taken."""
    telemetry = Telemetry()
    read = telemetry.registry.get_sample_value
    assert read("telescrub_config_last_reload_successful") == 1
    began = read("telescrub_config_last_reload_success_timestamp_seconds")
    telemetry.reloaded(successful=False)
    assert read("telescrub_config_last_reload_successful") == 0
    assert read("telescrub_config_last_reload_success_timestamp_seconds") == began
    telemetry.reloaded(successful=True)
    assert read("telescrub_config_last_reload_successful") == 1
    assert (
        read("telescrub_reloads_total", {"outcome": "done"}),
        read("telescrub_reloads_total", {"outcome": "failed"}),
    ) == (1, 1)
