"""Whether the parts of a configuration fit together: pipelines name what exists and carry what it supports."""

from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from config.catalogue import KINDS, Kind
from config.errors import Problem
from config.extension_uses import DEFAULT_STORAGE, storages, storing_nothing, unable
from config.model import signal_of
from config.nodes import Map, Node, Scalar, problem_at
from config.uses import Defined, Use, definition, items, kinds, undefined
from wire.signal import Signal

__all__ = ["check_wiring", "unused"]

_ROLES: tuple[Kind, ...] = ("receivers", "processors", "exporters")


def check_wiring(service: Node, defined: Defined) -> Iterator[Problem]:
    """Everything wrong with what the service section refers to."""
    uses = list(_uses(service))
    for use in uses:
        if definition(use, defined) is None:
            yield use.problem(undefined(use, defined))
    yield from _repeated(uses)
    yield from _unsupported(uses, defined)
    yield from _one_ended(uses, defined)
    yield from _circular(uses, defined)
    yield from _not_last(uses, defined)
    yield from _merged_in_two_ways(uses, defined)
    yield from _ambiguous(defined)
    yield from unable(service, defined)
    yield from storing_nothing(defined)


def unused(service: Node, defined: Defined) -> Iterator[Problem]:
    """Components that no pipeline uses and extensions that are not switched on: worth a warning."""
    used = {(kind, use.id) for use in (*_uses(service), *storages(defined)) for kind in kinds(use)}
    used.add(("extensions", DEFAULT_STORAGE))
    for kind in KINDS:
        where = "service::extensions does not name it" if kind == "extensions" else "no pipeline uses it"
        for component_id, (node, _) in defined[kind].items():
            if (kind, component_id) not in used:
                yield problem_at(node, (kind, component_id), f"this is defined, but {where}", at_key=True)


def _uses(service: Node) -> Iterator[Use]:
    """Every reference, also in a service section that has other problems."""
    for path, node in items(service, "extensions"):
        yield Use("extensions", node.text, node, ("service", *path))
    yield from _anchors(service)
    pipelines = service.entries.get("pipelines") if isinstance(service, Map) else None
    for name, pipeline in pipelines.entries.items() if isinstance(pipelines, Map) else ():
        for kind in _ROLES:
            for path, node in items(pipeline, kind):
                yield Use(kind, node.text, node, ("service", "pipelines", name, *path), _signal(name), name)


def _anchors(service: Node) -> Iterator[Use]:
    """The exporter of the ledger's anchors."""
    node: Node | None = service
    for key in ("audit", "anchors", "exporter"):
        node = node.entries.get(key) if isinstance(node, Map) else None
    if isinstance(node, Scalar) and node.value is not None and not node.broken:
        path = ("service", "audit", "anchors", "exporter")
        yield Use("exporters", node.text, node, path, Signal.LOGS)


def _signal(pipeline: str) -> Signal | None:
    try:
        return signal_of(pipeline)
    except ValueError:
        return None


def _repeated(uses: list[Use]) -> Iterator[Problem]:
    seen: set[tuple[str | None, Kind, str]] = set()
    for use in uses:
        if (use.pipeline, use.kind, use.id) in seen:
            yield use.problem(f"the {use.noun} stands in this list twice; remove one")
        seen.add((use.pipeline, use.kind, use.id))


def _unsupported(uses: list[Use], defined: Defined) -> Iterator[Problem]:
    for use in uses:
        settings = (definition(use, defined) or (None, None))[1]
        signals: Callable[[], frozenset[Signal]] | None = getattr(settings, "signals", None)
        if use.signal is None or signals is None or use.signal in signals():
            continue
        able = " and ".join(sorted(signals())) or "nothing"
        yield use.problem(f"the {use.noun} handles {able}, and this pipeline carries {use.signal}")


def _ends(uses: list[Use], defined: Defined) -> list[Use]:
    """Where pipelines refer to connectors."""
    return [use for use in uses if "connectors" in kinds(use) and use.id in defined["connectors"]]


def _one_ended(uses: list[Use], defined: Defined) -> Iterator[Problem]:
    """Connectors that only take in or only give out."""
    ends = _ends(uses, defined)
    kinds = {use.id: {other.kind for other in ends if other.id == use.id} for use in ends}
    for use in ends:
        if len(kinds[use.id]) == 1:
            other = "receivers" if use.kind == "exporters" else "exporters"
            sentence = f"the connector '{use.node.shown}' must also stand among the {other} of another pipeline"
            yield use.problem(sentence)


def _circular(uses: list[Use], defined: Defined) -> Iterator[Problem]:
    """Connectors through which a pipeline would get its own data again."""
    ends = _ends(uses, defined)
    taking = [use for use in ends if use.kind == "receivers"]
    before: dict[str, set[str]] = {}
    for use in taking:
        giving = {other.pipeline for other in ends if other.id == use.id and other.kind == "exporters"}
        before.setdefault(str(use.pipeline), set()).update(map(str, giving))
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        use = next(use for use in taking if use.pipeline in circle)
        yield use.problem(f"data would go round in circles: {' → '.join(circle)}; take a connector out")


def _ambiguous(defined: Defined) -> Iterator[Problem]:
    """Ids that a pipeline's list could mean in two ways."""
    for component_id, (node, _) in defined["connectors"].items():
        for kind in _ROLES:
            if component_id in defined[kind] and kind != "processors":
                sentence = f"this id is also defined under {kind}; rename one of them, such as {component_id}/2"
                yield problem_at(node, ("connectors", component_id), sentence, at_key=True)


def _merge(use: Use, defined: Defined) -> object | None:
    """What a processor such as `batch` says about merging; None for every other one."""
    settings = (definition(use, defined) or (None, None))[1]
    merge: Callable[[], object | None] | None = getattr(settings, "merge", None)
    return None if merge is None else merge()


def _not_last(uses: list[Use], defined: Defined) -> Iterator[Problem]:
    """Processors that set how exporters merge, with others after them."""
    processors = [use for use in uses if use.kind == "processors"]
    for use, following in pairwise(processors):
        if following.pipeline == use.pipeline and _merge(use, defined) is not None:
            yield use.problem(f"the {use.noun} must stand last: it sets how the exporters after it merge what waits")


def _merged_in_two_ways(uses: list[Use], defined: Defined) -> Iterator[Problem]:
    """Exporters whose queue would have to merge one signal in two ways."""
    ways = {use.pipeline: merge for use in uses if use.kind == "processors" and (merge := _merge(use, defined))}
    first: dict[tuple[str, Signal | None], object | None] = {}
    for use in uses:
        if use.kind != "exporters" or use.pipeline is None or use.id in defined["connectors"]:
            continue
        way = ways.get(use.pipeline)
        if first.setdefault((use.id, use.signal), way) != way:
            remedy = f"give them the same batch processor, or an exporter each, such as {use.id}/2"
            yield use.problem(f"the {use.noun} gets {use.signal} from pipelines that batch differently; {remedy}")
