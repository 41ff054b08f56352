"""What rules would do to a sample, as JSON for programs."""

from collections.abc import Sequence
from typing import Any

import orjson

from rehearsal.difference import Difference
from rehearsal.lines import Piece
from rehearsal.rules import Outcome
from rehearsal.view import Row, View, totals, views

__all__ = ["difference_as_json", "outcomes_as_json"]


def outcomes_as_json(processor: str, outcomes: Sequence[Outcome]) -> bytes:
    """One object: the processor's id, every item with its lines and the rules that acted, totals by rule."""
    return _json(
        {
            "processor": processor,
            "items": [_item(view) for view in views(outcomes)],
            "rules": [total._asdict() for total in totals(outcomes)],
        }
    )


def difference_as_json(difference: Difference) -> bytes:
    """One object: what would be newly exposed, newly redacted, and what else would come out differently."""
    return _json({name: [each._asdict() for each in changes] for name, changes in difference._asdict().items()})


def _json(tree: Any) -> bytes:
    return orjson.dumps(tree, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _item(view: View) -> dict[str, Any]:
    lines = [_line(row) for row in view.rows]
    rules = [
        {"id": act.rule, "title": act.title, "action": act.action, "place": act.place, "count": act.count}
        for act in view.acts
    ]
    return {"item": view.name, "dropped": view.dropped, "reasons": view.reasons, "lines": lines, "rules": rules}


def _line(row: Row) -> dict[str, Any]:
    return {
        "place": row.place,
        "key": row.key,
        "original": _joined(row.original),
        "result": _joined(row.result),
        "changed": row.changed,
    }


def _joined(pieces: list[Piece] | None) -> str | None:
    return None if pieces is None else "".join(text for text, _ in pieces)
