"""Whether every way from a receiver to an exporter crosses a processor that redacts.

A pipeline may do without if it says so itself, with a reason (`redaction: none`, `redaction_reason`).
"""

from collections.abc import Iterator, Mapping, Sequence

from config.errors import Problem
from config.model import PipelineSettings, Service
from config.nodes import List, Map, Node, problem_at
from config.settings import Settings
from config.wiring import Defined

__all__ = ["redactors", "unredacted"]


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
    if any(_redacts(each, defined) for each in pipeline.processors):
        return False
    return any(_comes_unredacted(source, service, defined) for source in pipeline.receivers)


def _comes_unredacted(source: str, service: Service, defined: Defined) -> bool:
    if source not in defined["connectors"]:
        return True
    feeding = [name for name, other in service.pipelines.items() if _feeds(other, source)]
    return any(_gives_unredacted(name, service, defined) for name in feeding)


def _feeds(pipeline: PipelineSettings, connector: str) -> bool:
    return connector in pipeline.exporters


def _redacts(processor: str, defined: Defined) -> bool:
    """A processor whose own settings are wrong counts: there is a problem for those already."""
    node_and_settings = defined["processors"].get(processor)
    return node_and_settings is None or getattr(node_and_settings[1] or _Unknown, "redacts", False)


class _Unknown:
    redacts = True
