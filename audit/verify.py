"""Checks a ledger: every byte of every row is covered by the chain, the end by `ledger.head` and by anchors."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from audit.chain import GENESIS, Anchor, Chain, Line, parse
from audit.files import ledger_files, lines
from audit.head import HEAD_NAME, read_head

__all__ = ["Gap", "Problem", "Verdict", "read", "verify"]

MOST_PROBLEMS = 100
_MAC = re.compile("[0-9a-f]{64}")

UNKEYED = (
    "The chain has no key (service.audit.key). It shows damage, and changes by somebody who did not compute the chain "
    "anew. It does not prove that nobody with access to the files wrote the ledger anew from some row on; only "
    "anchors kept elsewhere show that."
)
UNANCHORED = (
    "No anchor was given. That the end is not cut off rests on ledger.head, which stands beside the ledger: old copies "
    "of both would pass. Anchors from the daemon's log or a second destination (--anchor, --anchors) prove the end."
)

_FOUND = {
    "head missing": "ledger.head was missing; rows before this one may have been cut off",
    "head changed": "ledger.head had been changed; rows before this one may have been cut off",
    "end missing": "rows before this one had been cut off",
    "end changed": "the row before this one was not the one that had been written last",
}
"""By `audit.writer.Found.state`."""


class Problem(NamedTuple):
    """Something that is not as it was written; `line` counts from 1, 0 is the file as a whole."""

    file: str
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.sentence}" if self.line else f"{self.file}: {self.sentence}"


class Gap(NamedTuple):
    """A run that ended without saying so: what it did after its last row is not in the ledger. Times as in the rows."""

    last_row: str
    next_start: str

    def __str__(self) -> str:
        return (
            f"the run whose last row is of {self.last_row} was not stopped in order; the next began at "
            f"{self.next_start}; what it redacted after that row is not in the ledger"
        )


@dataclass(slots=True)
class Verdict:
    """What a check found. The ledger is as it was written if there are no `problems`.

    `gaps` are no sign of change: the daemon was killed, or the machine went down. `limits` say what was not proven.
    """

    problems: list[Problem] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    rows: int = 0
    end: Anchor | None = None


def read(paths: Sequence[Path]) -> Iterator[tuple[Path, int, bytes]]:
    """Every line of ledgers' folders and files, in order, with its file and number. Raises: `OSError`."""
    for path in paths:
        for file in ledger_files(path) if path.is_dir() else [path]:
            for number, line in enumerate(lines(file), start=1):
                yield file, number, line


def verify(paths: Sequence[Path], key: bytes | None, anchors: Sequence[Anchor] = ()) -> Verdict:
    """Check one ledger: its folder, or its files in order. `anchors` were kept elsewhere.

    Raises: `OSError` for what cannot be read.
    """
    chain = Chain(key)
    # Before the rows, so that a ledger can be checked while it is written.
    heads = [(path / HEAD_NAME, read_head(path, chain)) for path in paths if path.is_dir()]
    wanted = [*anchors, *(head for _, head in heads if isinstance(head, Anchor))]
    check = _Check(chain, {anchor.sequence for anchor in wanted})
    for file, number, line in read(paths):
        check.line(file, number, line)
        if check.is_hopeless:
            break
    else:
        check.ends(paths, heads, anchors)
    return check.verdict


class _Check:
    """Walks over the lines; after a problem it goes on with what the next row itself says."""

    def __init__(self, chain: Chain, wanted: set[int]) -> None:
        self._chain, self._wanted = chain, wanted
        self._expected, self._previous = 1, GENESIS
        # The head of a new ledger names the place before its first row.
        self._seen = {0: GENESIS}
        self._last_time, self._running = "", False
        self.is_hopeless = False
        self.verdict = Verdict(limits=[] if chain.key else [UNKEYED])

    def line(self, file: Path, number: int, text: bytes) -> None:
        """Look at the next line."""
        line = parse(text)
        if line is None:
            self._problem(file, number, self._no_row(text))
            self._expected += 1
            return
        if not self.verdict.rows:
            self._first(file, number, line)
        if not self.is_hopeless:
            for sentence in self._sentences(line):
                self._problem(file, number, sentence)
            self._advance(line)

    def _no_row(self, text: bytes) -> str:
        if not text.endswith(b"\n"):
            return "the last line is cut off"
        return f"this is no row of a ledger; row {self._expected} was expected"

    def _first(self, file: Path, number: int, line: Line) -> None:
        named = line.row.get("chain")
        if named in ("sha256", "hmac-sha256") and named != self._chain.name:
            sentence = (
                "this ledger has a key, without which it cannot be checked; give service.audit.key"
                if named == "hmac-sha256"
                else "a key was given, but the first row says that the ledger has none; if its daemon had one, this "
                "is not what it wrote"
            )
            self._problem(file, number, sentence)
            self.is_hopeless = True
        previous = line.row.get("previous")
        if line.sequence > 1 and isinstance(previous, str) and _MAC.fullmatch(previous):
            self._problem(file, number, f"the ledger begins with row {line.sequence}; the rows before are not here")
            self._expected, self._previous = line.sequence, previous

    def _sentences(self, line: Line) -> Iterator[str]:
        sequence, expected = line.sequence, self._expected
        if self._chain.mac(self._previous, line.covered) != line.mac or sequence != expected:
            if sequence == expected:
                yield f"row {sequence} was changed, or the one before it; or the key is not the one it was made with"
            elif sequence > expected:
                missing = f"s {expected} to {sequence - 1} are" if sequence - expected > 1 else f" {expected} is"
                yield f"row{missing} missing"
            else:
                yield f"row {sequence} stands here again or out of order; row {expected} was expected"
        if line.row.get("kind") == "start":
            yield from self._start(line.row)

    def _start(self, row: dict[str, Any]) -> Iterator[str]:
        if self._running:
            self.verdict.gaps.append(Gap(self._last_time, str(row.get("time"))))
        if (found := _FOUND.get(str(row.get("found")))) is not None:
            yield f"when the daemon started here, {found}"

    def _advance(self, line: Line) -> None:
        self._expected, self._previous = line.sequence + 1, line.mac
        if line.sequence in self._wanted:
            self._seen[line.sequence] = line.mac
        kind = line.row.get("kind")
        self._running = kind == "start" or (self._running and kind != "stop")
        self._last_time = str(line.row.get("time"))
        self.verdict.rows += 1
        self.verdict.end = Anchor(line.sequence, line.mac)

    def ends(
        self, paths: Sequence[Path], heads: Sequence[tuple[Path, Anchor | str]], anchors: Sequence[Anchor]
    ) -> None:
        """Look at the end: that the rows are there which heads and anchors name."""
        if not self.verdict.rows:
            self._problem(paths[0] if paths else Path(), 0, "there is no row of a ledger here")
        for file, head in heads:
            if head == "missing":
                self._problem(file, 0, "the file is missing; that the ledger is not cut off cannot be told from it")
            elif not isinstance(head, Anchor):
                self._problem(file, 0, "the file was changed, or sealed with another key")
            else:
                self._known(file, head, "ledger.head names")
        for anchor in anchors:
            self._known(paths[-1], anchor, "an anchor names")
        if not anchors:
            self.verdict.limits.append(UNANCHORED)

    def _known(self, file: Path, anchor: Anchor, names: str) -> None:
        seen = self._seen.get(anchor.sequence)
        end = self.verdict.end.sequence if self.verdict.end else 0
        if seen is None and anchor.sequence > end:
            self._problem(file, 0, f"{names} row {anchor.sequence}, but the ledger ends with row {end}: it is cut off")
        elif seen is None:
            self._problem(file, 0, f"{names} row {anchor.sequence}, which is not here")
        elif seen != anchor.mac:
            self._problem(file, 0, f"{names} row {anchor.sequence} with another mac: the ledger was written anew")

    def _problem(self, file: Path, line: int, sentence: str) -> None:
        self.verdict.problems.append(Problem(str(file), line, sentence))
        if len(self.verdict.problems) == MOST_PROBLEMS:
            self.verdict.problems.append(Problem(str(file), 0, f"{MOST_PROBLEMS} problems; the rest was not read"))
            self.is_hopeless = True
