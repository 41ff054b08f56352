"""Whether every way from a receiver to an exporter crosses a processor that redacts.

A pipeline may do without if it says so itself, with a reason (`redaction: none`, `redaction_reason`).
"""

from collections.abc import Iterator, Mapping, Sequence

from config.errors import Problem
from config.model import PipelineSettings, Service
from config.nodes import List, Map, Node, problem_at
from config.settings import Settings
from config.uses import Defined

__all__ = ["redactors", "unchecked", "unredacted"]


def redactors(processors: Mapping[str, type[Settings]]) -> list[str]:
    """The types of processors that redact: their settings say `redacts = True`."""
    return sorted(name for name, model in processors.items() if getattr(model, "redacts", False))


def unredacted(service: Service, node: Node, defined: Defined, remedies: Sequence[str]) -> Iterator[Problem]:
    """A problem for each exporter that would get data nobody has redacted. `node` is the service section's.

    `remedies` are the types of processors that redact; where there are none, nothing is asked for.
    """
    if not remedies:
        return
    for name, pipeline in service.pipelines.items():
        if pipeline.redaction == "none" or not _gives_unredacted(name, service, defined):
            continue
        for index, exporter in enumerate(pipeline.exporters):
            if exporter not in defined["connectors"]:
                yield _problem(node, name, index, remedies)


def unchecked(service: Service, defined: Defined) -> Iterator[Problem]:
    """A problem for each exporter whose `egress_check` would have no rules: none of its pipelines redacts."""
    for exporter, (node, settings) in defined["exporters"].items():
        used = any(_feeds(each, exporter) for each in service.pipelines.values())
        if used and getattr(settings, "egress_check", False) and not _comes_inspectable(exporter, service, defined):
            switch = node.entries["egress_check"] if isinstance(node, Map) else node
            sentence = "no processor before this exporter has rules to check by; add redact_phi, or leave this out"
            yield problem_at(switch, ("exporters", exporter, "egress_check"), sentence)


def _comes_inspectable(output: str, service: Service, defined: Defined) -> bool:
    """Whether some of what comes to an exporter or a connector crosses a processor whose rules it can be checked by."""
    connectors = defined["connectors"]
    return any(
        any(_is(each, "inspects", defined) for each in pipeline.processors)
        or any(_comes_inspectable(each, service, defined) for each in pipeline.receivers if each in connectors)
        for pipeline in service.pipelines.values()
        if _feeds(pipeline, output)
    )


def _problem(node: Node, name: str, index: int, remedies: Sequence[str]) -> Problem:
    sentence = (
        f"no processor redacts what goes to this exporter; add {' or '.join(remedies)} to the processors of {name}, "
        "or say `redaction: none` there, with a `redaction_reason`"
    )
    for step in ("pipelines", name, "exporters"):
        node = node.entries[step] if isinstance(node, Map) else node
    item = node.items[index] if isinstance(node, List) else node
    return problem_at(item, ("service", "pipelines", name, "exporters", index), sentence)


def _gives_unredacted(name: str, service: Service, defined: Defined) -> bool:
    """Whether something comes out of a pipeline's processors that none on its way has redacted."""
    pipeline = service.pipelines[name]
    if any(_is(each, "redacts", defined) for each in pipeline.processors):
        return False
    return any(_comes_unredacted(source, service, defined) for source in pipeline.receivers)


def _comes_unredacted(source: str, service: Service, defined: Defined) -> bool:
    if source not in defined["connectors"]:
        return True
    feeding = [name for name, other in service.pipelines.items() if _feeds(other, source)]
    return any(_gives_unredacted(name, service, defined) for name in feeding)


def _feeds(pipeline: PipelineSettings, connector: str) -> bool:
    return connector in pipeline.exporters


def _is(processor: str, what: str, defined: Defined) -> bool:
    """A processor whose own settings are wrong counts: there is a problem for those already."""
    node_and_settings = defined["processors"].get(processor)
    return node_and_settings is None or getattr(node_and_settings[1] or _Unknown, what, False)


class _Unknown:
    redacts = inspects = True
