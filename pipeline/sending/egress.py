"""The last look before sending: by the rules of which processors, and what they find in a request.

Whoever redacts gives an `Inspector`, and whoever sends says what a request says (`ExporterSettings.content`); this
joins the two and knows neither.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from config.model import Config, signal_of
from pipeline.batch import Signal
from pipeline.component import ExporterSettings, Inspector, ProcessorSettings, Request

__all__ = ["Findings", "checked", "egress_check", "inspecting", "nothing_found"]

Findings = Mapping[str, int]
"""By rule, how much there is in a request that should not leave."""


def checked(config: Config) -> list[str]:
    """The ids of the exporters with `egress_check`."""
    return [each for each, settings in config.exporters.items() if cast(ExporterSettings, settings).egress_check]


def nothing_found(request: Request) -> Findings:
    """The check of an exporter without `egress_check`."""
    return {}


def egress_check(config: Config, exporter_id: str) -> Callable[[Request], Findings]:
    """What looks at the requests of an exporter, by the rules of all processors that redact before it."""
    settings = cast(ExporterSettings, config.exporters[exporter_id])
    if not settings.egress_check:
        return nothing_found
    before = inspecting(config, exporter_id)
    processors = {each: _settings(config, each) for ids in before.values() for each in ids}
    made = {each: settings.inspector() for each, settings in processors.items()}
    inspectors = {signal: [made[each] for each in ids] for signal, ids in before.items()}
    return lambda request: _findings(settings, inspectors[request.signal], request)


def _settings(config: Config, processor_id: str) -> ProcessorSettings:
    return cast(ProcessorSettings, config.processors[processor_id])


def _findings(settings: ExporterSettings, inspectors: Sequence[Inspector], request: Request) -> Findings:
    if not inspectors:
        return {}
    content, found = settings.content(request), Counter[str]()
    for inspector in inspectors:
        found.update(inspector.findings(content))
    return found


def inspecting(config: Config, exporter_id: str) -> dict[Signal, list[str]]:
    """The ids of the processors on the pipelines that lead to an exporter whose rules it is checked by, by signal."""
    found: dict[Signal, list[str]] = {signal: [] for signal in Signal}
    for signal in Signal:
        for name in _leading_to(config, exporter_id, signal):
            processors = config.service.pipelines[name].processors
            new = (each for each in processors if _settings(config, each).inspects)
            found[signal] += (each for each in new if each not in found[signal])
    return found


def _leading_to(config: Config, output: str, signal: Signal) -> list[str]:
    """The pipelines of a signal whose data comes to an exporter or connector, those before connectors too."""
    names: list[str] = []
    for name, pipeline in config.service.pipelines.items():
        if signal_of(name) is signal and output in pipeline.exporters:
            sources = [each for each in pipeline.receivers if each in config.connectors]
            names += [name, *(before for each in sources for before in _leading_to(config, each, signal))]
    return names
