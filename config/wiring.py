"""Whether the parts of a configuration fit together: pipelines name what exists and carry what it supports."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from config.catalogue import KINDS, Kind
from config.errors import Problem
from config.model import signal_of
from config.nodes import List, Map, Node, Scalar, Steps, problem_at
from config.sentences import nearest
from config.settings import Settings
from wire.signal import Signal

__all__ = ["Defined", "check_wiring", "unused"]

_DEFAULT_STORAGE, _NO_STORAGE = "file_storage", "none"
_ROLES: tuple[Kind, ...] = ("receivers", "processors", "exporters")
Defined = Mapping[Kind, Mapping[str, tuple[Node, Settings | None]]]
"""Of each kind every component id in the file: its node, and its settings if they are valid."""


@dataclass(frozen=True, slots=True)
class _Use:
    """One id in the service section; `signal` and `pipeline` are None for extensions, `pipeline` alone for the exporter
    of the ledger's anchors.
    """

    kind: Kind
    id: str
    node: Scalar
    path: Steps
    signal: Signal | None = None
    pipeline: str | None = None

    def problem(self, sentence: str) -> Problem:
        return problem_at(self.node, self.path, sentence)

    @property
    def noun(self) -> str:
        return f"{self.kind.removesuffix('s')} '{self.node.shown}'"


def check_wiring(service: Node, defined: Defined) -> Iterator[Problem]:
    """Everything wrong with what the service section refers to."""
    uses = list(_uses(service))
    for use in uses:
        if _definition(use, defined) is None:
            yield use.problem(_undefined(use, defined))
    yield from _repeated(uses)
    yield from _unsupported(uses, defined)
    yield from _one_ended(uses, defined)
    yield from _circular(uses, defined)
    yield from _not_last(uses, defined)
    yield from _merged_in_two_ways(uses, defined)
    yield from _ambiguous(defined)
    yield from _unable(service, defined)
    yield from _storing_nothing(defined)


def unused(service: Node, defined: Defined) -> Iterator[Problem]:
    """Components that no pipeline uses and extensions that are not switched on: worth a warning."""
    used = {(kind, use.id) for use in (*_uses(service), *_storages(defined)) for kind in _kinds(use)}
    used.add(("extensions", _DEFAULT_STORAGE))
    for kind in KINDS:
        where = "service::extensions does not name it" if kind == "extensions" else "no pipeline uses it"
        for component_id, (node, _) in defined[kind].items():
            if (kind, component_id) not in used:
                yield problem_at(node, (kind, component_id), f"this is defined, but {where}", at_key=True)


def _uses(service: Node) -> Iterator[_Use]:
    """Every reference, also in a service section that has other problems."""
    for path, node in _items(service, "extensions"):
        yield _Use("extensions", node.text, node, ("service", *path))
    yield from _anchors(service)
    pipelines = service.entries.get("pipelines") if isinstance(service, Map) else None
    for name, pipeline in pipelines.entries.items() if isinstance(pipelines, Map) else ():
        for kind in _ROLES:
            for path, node in _items(pipeline, kind):
                yield _Use(kind, node.text, node, ("service", "pipelines", name, *path), _signal(name), name)


def _anchors(service: Node) -> Iterator[_Use]:
    """The exporter of the ledger's anchors."""
    node: Node | None = service
    for key in ("audit", "anchors", "exporter"):
        node = node.entries.get(key) if isinstance(node, Map) else None
    if isinstance(node, Scalar) and node.value is not None and not node.broken:
        path = ("service", "audit", "anchors", "exporter")
        yield _Use("exporters", node.text, node, path, Signal.LOGS)


def _items(node: Node, key: str) -> Iterator[tuple[Steps, Scalar]]:
    """The ids in the list under a key of a map, with the steps to them; what is no list of ids is told elsewhere."""
    items = node.entries.get(key) if isinstance(node, Map) else None
    for index, item in enumerate(items.items if isinstance(items, List) else ()):
        if isinstance(item, Scalar) and item.value is not None and not item.broken:
            yield (key, index), item


def _signal(pipeline: str) -> Signal | None:
    try:
        return signal_of(pipeline)
    except ValueError:
        return None


def _kinds(use: _Use) -> tuple[Kind, ...]:
    within_pipeline = use.pipeline is not None and use.kind in ("receivers", "exporters")
    return (use.kind, "connectors") if within_pipeline else (use.kind,)


def _definition(use: _Use, defined: Defined) -> tuple[Node, Settings | None] | None:
    return next((defined[kind][use.id] for kind in _kinds(use) if use.id in defined[kind]), None)


def _undefined(use: _Use, defined: Defined) -> str:
    ids = sorted(each for kind in _kinds(use) for each in defined[kind])
    near = "" if use.node.referenced else nearest(use.id, ids)
    known = f"defined: {', '.join(ids)}" if ids else "none is defined"
    return (
        f"the {use.noun} is not defined under {' or '.join(_kinds(use))}; {near}{known.capitalize() if near else known}"
    )


def _repeated(uses: list[_Use]) -> Iterator[Problem]:
    seen: set[tuple[str | None, Kind, str]] = set()
    for use in uses:
        if (use.pipeline, use.kind, use.id) in seen:
            yield use.problem(f"the {use.noun} stands in this list twice; remove one")
        seen.add((use.pipeline, use.kind, use.id))


def _unsupported(uses: list[_Use], defined: Defined) -> Iterator[Problem]:
    for use in uses:
        settings = (_definition(use, defined) or (None, None))[1]
        signals: Callable[[], frozenset[Signal]] | None = getattr(settings, "signals", None)
        if use.signal is None or signals is None or use.signal in signals():
            continue
        able = " and ".join(sorted(signals())) or "nothing"
        yield use.problem(f"the {use.noun} handles {able}, and this pipeline carries {use.signal}")


def _ends(uses: list[_Use], defined: Defined) -> list[_Use]:
    """Where pipelines refer to connectors."""
    return [use for use in uses if "connectors" in _kinds(use) and use.id in defined["connectors"]]


def _one_ended(uses: list[_Use], defined: Defined) -> Iterator[Problem]:
    """Connectors that only take in or only give out."""
    ends = _ends(uses, defined)
    kinds = {use.id: {other.kind for other in ends if other.id == use.id} for use in ends}
    for use in ends:
        if len(kinds[use.id]) == 1:
            other = "receivers" if use.kind == "exporters" else "exporters"
            sentence = f"the connector '{use.node.shown}' must also stand among the {other} of another pipeline"
            yield use.problem(sentence)


def _circular(uses: list[_Use], defined: Defined) -> Iterator[Problem]:
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


def _unable(service: Node, defined: Defined) -> Iterator[Problem]:
    """Each `auth::authenticator`, and each of `middlewares`, that names what is not there, does not run, or cannot do
    what is asked of it.
    """
    running = {node.text for _, node in _items(service, "extensions")}
    for use, ability in (*_authenticators(service, defined), *_middlewares(defined)):
        if use.id not in defined["extensions"]:
            yield use.problem(_undefined(use, defined))
        elif use.id not in running:
            yield use.problem(f"the {use.noun} is defined, but service::extensions does not name it; add it there")
        elif not _is_able(use.id, ability, defined):
            able = sorted(each for each in defined["extensions"] if _is_able(each, ability, defined))
            known = f"those defined that can: {', '.join(able)}" if able else "none that can is defined"
            yield use.problem(f"the {use.noun} {_ABILITIES[ability]}; {known}")


def _storing_nothing(defined: Defined) -> Iterator[Problem]:
    """Each `sending_queue::storage` that names what is not there, or stores nothing."""
    for use in _storages(defined):
        if use.id not in defined["extensions"] and use.id != _DEFAULT_STORAGE:
            yield use.problem(f"{_undefined(use, defined)}; `{_NO_STORAGE}` is a queue in memory")
        elif use.id in defined["extensions"] and not _is_able(use.id, "stores", defined):
            able = sorted(each for each in defined["extensions"] if _is_able(each, "stores", defined))
            yield use.problem(
                f"the {use.noun} does not store queues; {', '.join(able or [_DEFAULT_STORAGE])} does, "
                f"and `{_NO_STORAGE}` is a queue in memory"
            )


def _storages(defined: Defined) -> Iterator[_Use]:
    """Wherever an exporter's queue names what keeps it."""
    for exporter_id, (node, _) in defined["exporters"].items():
        for section in ("sending_queue", "remote_write_queue"):
            queue = node.entries.get(section) if isinstance(node, Map) else None
            named = queue.entries.get("storage") if isinstance(queue, Map) else None
            if isinstance(named, Scalar) and named.value is not None and not named.broken and named.text != _NO_STORAGE:
                yield _Use("extensions", named.text, named, ("exporters", exporter_id, section, "storage"))


_ABILITIES = {
    "authenticates": "does not know clients, which is asked of it here",
    "gives_headers": "has no credentials for exporters, which are asked of it here",
    "guards": "cannot turn requests away, which is asked of it here",
}
"""What the settings of an extension say that it can do, and the sentence where it cannot."""


def _authenticators(service: Node, defined: Defined) -> Iterator[tuple[_Use, str]]:
    """Wherever `auth::authenticator` stands, and which ability is asked for there."""
    for kind in ("receivers", "exporters", "extensions"):
        for component_id, (node, _) in defined[kind].items():
            for path, scalar in _named_by_auth(node, (kind, component_id)):
                ability = "gives_headers" if kind == "exporters" else "authenticates"
                yield _Use("extensions", scalar.text, scalar, path), ability
    for path, scalar in _named_by_auth(service, ("service",)):
        yield _Use("extensions", scalar.text, scalar, path), "authenticates"


def _middlewares(defined: Defined) -> Iterator[tuple[_Use, str]]:
    """Wherever a receiver names extensions that may turn requests away."""
    for receiver_id, (node, _) in defined["receivers"].items():
        for path, scalar in _named_as_middleware(node, ("receivers", receiver_id)):
            yield _Use("extensions", scalar.text, scalar, path), "guards"


def _named_as_middleware(node: Node, path: Steps) -> Iterator[tuple[Steps, Scalar]]:
    for key, child in node.entries.items() if isinstance(node, Map) else ():
        for index, item in enumerate(child.items if key == "middlewares" and isinstance(child, List) else ()):
            named = item.entries.get("id") if isinstance(item, Map) else None
            if isinstance(named, Scalar) and named.value is not None and not named.broken:
                yield (*path, key, index, "id"), named
        yield from _named_as_middleware(child, (*path, key))


def _named_by_auth(node: Node, path: Steps) -> Iterator[tuple[Steps, Scalar]]:
    if isinstance(node, List):
        for index, item in enumerate(node.items):
            yield from _named_by_auth(item, (*path, index))
    for key, child in node.entries.items() if isinstance(node, Map) else ():
        named = child.entries.get("authenticator") if key == "auth" and isinstance(child, Map) else None
        if isinstance(named, Scalar) and named.value is not None and not named.broken:
            yield (*path, key, "authenticator"), named
        else:
            yield from _named_by_auth(child, (*path, key))


def _is_able(extension_id: str, ability: str, defined: Defined) -> bool:
    """Settings with problems of their own are given the benefit of the doubt."""
    settings = defined["extensions"][extension_id][1]
    return settings is None or getattr(settings, ability, False)


def _merge(use: _Use, defined: Defined) -> object | None:
    """What a processor such as `batch` says about merging; None for every other one."""
    settings = (_definition(use, defined) or (None, None))[1]
    merge: Callable[[], object | None] | None = getattr(settings, "merge", None)
    return None if merge is None else merge()


def _not_last(uses: list[_Use], defined: Defined) -> Iterator[Problem]:
    """Processors that set how exporters merge, with others after them."""
    processors = [use for use in uses if use.kind == "processors"]
    for use, following in pairwise(processors):
        if following.pipeline == use.pipeline and _merge(use, defined) is not None:
            yield use.problem(f"the {use.noun} must stand last: it sets how the exporters after it merge what waits")


def _merged_in_two_ways(uses: list[_Use], defined: Defined) -> Iterator[Problem]:
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
