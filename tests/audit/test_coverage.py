"""The coverage matrix: every identifier in every place of every signal, with what covers it, and gaps as gaps."""

from pathlib import Path

import pytest

from audit import rows
from audit.coverage import Cell, coverage, spots
from audit.identifiers import IDENTIFIERS
from audit.rows import Redactions, RuleOnRecord, Source
from audit.rules import on_record
from audit.summary import summarize
from audit.verify import verify
from processors.redact_phi import RedactPhiSettings
from processors.redaction.place_table import TREATMENT
from tests.audit.ledgers import EMAIL, KEY, SSN, Clock, config, opened
from tests.oracle.disguises import DISGUISES
from tests.oracle.identifiers import IDENTIFIERS as PLANTED
from tests.oracle.places import PLACES

NAMES = RuleOnRecord("names", 1, "Names under keys", "45 CFR 164.514(b)(2)(i)(A)", "mask", 2, "keys")
TRIED = RuleOnRecord("tried", 1, "A rule on trial", "45 CFR 164.514(b)(2)(i)(L), (M)", "observe", 2)


@pytest.fixture
def cells(tmp_path: Path) -> dict[tuple[str, str], Cell]:
    """Of a daemon that redacts traces and logs, by identifier and place."""
    writer = opened(tmp_path, Clock())
    writer.append([config([SSN, EMAIL, NAMES, TRIED])])
    for place, action in (("Span.attributes", "mask"), ("Span.name", "observe"), ("Span.attributes", "drop")):
        source = Source("traces", "redact_phi", "traces", "ssn", action, place, "", 2, "d" * 64)
        writer.append([rows.redaction(source, Redactions(3, 2, "b" * 64))])
    writer.close()
    summary = summarize([tmp_path], None, None, verify([tmp_path], KEY))
    return {(cell.identifier.id, str(cell.spot)): cell for cell in coverage(summary)}


@pytest.mark.parametrize(
    ("identifier", "spot", "state", "covering"),
    [
        ("G", "traces Span.attributes", "hit", ("ssn",)),
        ("G", "traces Span.name", "covered", ("ssn",)),
        ("G", "logs LogRecord.body", "covered", ("ssn",)),
        ("A", "traces Span.attributes", "covered", ("names",)),
        ("A", "traces Span.name", "keys only", ("names",)),
        ("L", "traces Span.name", "observed", ("tried",)),
        ("F", "traces Span.name", "gap", ()),
        ("CPF", "traces Span.name", "gap", ()),
        ("G", "metrics Metric.name", "no pipeline", ()),
    ],
)
def test_states(
    cells: dict[tuple[str, str], Cell], identifier: str, spot: str, state: str, covering: tuple[str, ...]
) -> None:
    """Each field says whether something acted there, would act, or nothing does."""
    cell = cells[identifier, spot]
    assert (cell.state, cell.rules) == (state, covering)


def test_hits_add_up(cells: dict[tuple[str, str], Cell]) -> None:
    """Over all actions that hide something."""
    hits = cells["G", "traces Span.attributes"].hits
    assert (hits.count, hits.last) == (6, "2026-03-02T06:05:00.000000Z")


def test_a_ledger_of_nothing(tmp_path: Path) -> None:
    """Then no signal has a pipeline."""
    opened(tmp_path, Clock()).close()
    summary = summarize([tmp_path], None, None, verify([tmp_path], KEY))
    summary.in_force.clear()
    assert {cell.state for cell in coverage(summary)} == {"no pipeline"}


def test_every_place_is_one_of_the_oracle() -> None:
    """The matrix has the places in which the oracle plants, and all of them."""
    assert {str(spot) for spot in spots()} == {place.partition(":")[0] for place in PLACES}
    assert all(spot.place in TREATMENT for spot in spots())


def test_every_case_is_one_of_the_oracle() -> None:
    """What a report calls a test is planted; and whatever is planted is a test of some identifier."""
    cases = {case for identifier in IDENTIFIERS for case in identifier.cases}
    disguises = {name.replace(" ", "_") for name in DISGUISES}
    assert cases <= PLANTED.keys() | disguises
    assert cases >= PLANTED.keys()


def test_the_packs_leave_no_gap(tmp_path: Path) -> None:
    """With the rules that are on by default every identifier is found in text in every place."""

    writer = opened(tmp_path, Clock())
    rules = [on_record(rule) for rule in RedactPhiSettings().effective_rules()]
    writer.append([rows.config("redact_phi", ["traces", "metrics", "logs"], "d" * 64, rules)])
    writer.close()
    summary = summarize([tmp_path], None, None, verify([tmp_path], KEY))
    assert {cell.state for cell in coverage(summary)} == {"covered"}
