"""What refers to components, as a node of the file: each use of an id, and what the id means there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from config.catalogue import Kind
from config.errors import Problem
from config.nodes import List, Map, Node, Scalar, Steps, problem_at
from config.sentences import nearest
from config.settings import Settings
from wire.signal import Signal

__all__ = ["Defined", "Use", "definition", "items", "kinds", "undefined"]

Defined = Mapping[Kind, Mapping[str, tuple[Node, Settings | None]]]
"""Of each kind every component id in the file: its node, and its settings if they are valid."""


@dataclass(frozen=True, slots=True)
class Use:
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


def items(node: Node, key: str) -> Iterator[tuple[Steps, Scalar]]:
    """The ids in the list under a key of a map, with the steps to them; what is no list of ids is told elsewhere."""
    items = node.entries.get(key) if isinstance(node, Map) else None
    for index, item in enumerate(items.items if isinstance(items, List) else ()):
        if isinstance(item, Scalar) and item.value is not None and not item.broken:
            yield (key, index), item


def kinds(use: Use) -> tuple[Kind, ...]:
    within_pipeline = use.pipeline is not None and use.kind in ("receivers", "exporters")
    return (use.kind, "connectors") if within_pipeline else (use.kind,)


def definition(use: Use, defined: Defined) -> tuple[Node, Settings | None] | None:
    return next((defined[kind][use.id] for kind in kinds(use) if use.id in defined[kind]), None)


def undefined(use: Use, defined: Defined) -> str:
    ids = sorted(each for kind in kinds(use) for each in defined[kind])
    near = "" if use.node.referenced else nearest(use.id, ids)
    known = f"defined: {', '.join(ids)}" if ids else "none is defined"
    return (
        f"the {use.noun} is not defined under {' or '.join(kinds(use))}; {near}{known.capitalize() if near else known}"
    )
