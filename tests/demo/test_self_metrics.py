from pathlib import Path

from demo.self_metrics import difference, left_out, redactions, scrape
from tests.demo.daemon import listening
from wire.signal import Signal

PAGE = """# TYPE telescrub_redactions_total counter
telescrub_redactions_total{rule="ssn",signal="traces",action="mask"} 7
telescrub_redactions_total{rule="ssn",signal="logs",action="mask"} 2
telescrub_redactions_total{rule="email",signal="logs",action="mask"} 30
telescrub_redactions_total{rule="idle",signal="logs",action="mask"} 5
# TYPE otelcol_processor_incoming_items unknown
otelcol_processor_incoming_items{processor="redact_phi",otel_signal="metrics"} 100
otelcol_processor_incoming_items{processor="drop_labels",otel_signal="metrics"} 100
# TYPE otelcol_processor_outgoing_items unknown
otelcol_processor_outgoing_items{processor="redact_phi",otel_signal="metrics"} 100
otelcol_processor_outgoing_items{processor="drop_labels",otel_signal="metrics"} 40
"""


async def test_the_growth_is_shown_by_rule(tmp_path: Path) -> None:
    """Most redactions first; rules that did nothing meanwhile are left out."""
    async with listening(tmp_path, str) as daemon:
        daemon.metrics = ['telescrub_redactions_total{rule="idle",signal="logs",action="mask"} 5\n', PAGE]
        before, after = await scrape(f"{daemon.url}/metrics"), await scrape(f"{daemon.url}/metrics")
    assert before is not None
    assert after is not None
    grown = difference(before, after)
    assert list(redactions(grown).items()) == [
        (("email", "mask"), {Signal.TRACES: 0, Signal.METRICS: 0, Signal.LOGS: 30}),
        (("ssn", "mask"), {Signal.TRACES: 7, Signal.METRICS: 0, Signal.LOGS: 2}),
    ]
    assert left_out(grown) == {Signal.TRACES: 0, Signal.METRICS: 60, Signal.LOGS: 0}


async def test_no_page_is_no_error(tmp_path: Path) -> None:
    """Neither an error status nor nobody listening."""
    async with listening(tmp_path, str) as daemon:
        assert await scrape(f"{daemon.url}/metrics") is None
    assert await scrape(f"{daemon.url}/metrics") is None
