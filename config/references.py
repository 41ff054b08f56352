"""References in values: `${env:NAME}`, `${env:NAME:-default}`, `${NAME}` and `${file:PATH}`; `$$` is a dollar sign.

As in the Collector, with one difference: a variable that is not set and has no default is an error, not an empty text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Expanded", "expand"]

_MARK = re.compile(r"\$\$|\$\{|\}")
_VARIABLE = re.compile(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(\}|:-)")
_FILE = re.compile(r"\$\{file:")
_ELSEWHERE = re.compile(r"\$\{(yaml|https?|aes|s3|secretsmanager|googlesecretmanager):")
_FORMS = "write ${env:NAME}, ${env:NAME:-default} or ${file:PATH}, and $$ for a dollar sign"


@dataclass(frozen=True, slots=True)
class Expanded:
    """A text with its references replaced. `whole`: it was one reference and nothing else. `problems` are sentences."""

    text: str = field(repr=False)
    referenced: bool
    whole: bool
    problems: tuple[str, ...]


def expand(text: str, environment: Mapping[str, str], folder: Path) -> Expanded:
    """Replace the references in a text; paths of files are relative to `folder`."""
    return _Expansion(text, environment, folder).run()


class _Expansion:
    """One pass over one text, from left to right; what a reference brings in is not looked at again."""

    def __init__(self, text: str, environment: Mapping[str, str], folder: Path) -> None:
        self._text, self._environment, self._folder = text, environment, folder
        self._position = 0
        self._references: list[tuple[int, int]] = []
        self._problems: list[str] = []

    def run(self) -> Expanded:
        result = self._until_end(inside=False)
        whole = (0, len(self._text)) in self._references
        return Expanded(result, bool(self._references), whole, tuple(self._problems))

    def _until_end(self, *, inside: bool) -> str:
        """Text up to the end, or `inside` a reference up to the brace that closes it."""
        pieces = []
        while mark := _MARK.search(self._text, self._position):
            pieces.append(self._text[self._position : mark.start()])
            self._position = mark.end()
            if mark[0] == "$$":
                pieces.append("$")
            elif mark[0] == "${":
                pieces.append(self._reference(mark.start()))
            elif inside:
                return "".join(pieces)
            else:
                pieces.append("}")
        if inside:
            self._problems.append("a reference is not closed; a } is missing")
        pieces.append(self._text[self._position :])
        self._position = len(self._text)
        return "".join(pieces)

    def _reference(self, start: int) -> str:
        if variable := _VARIABLE.match(self._text, start):
            self._position = variable.end()
            value = self._variable(variable[1], self._until_end(inside=True) if variable[2] == ":-" else None)
        elif file := _FILE.match(self._text, start):
            self._position = file.end()
            path = self._until_end(inside=True)
            value = self._file(path, self._text[file.end() : self._position - 1])
        else:
            value = self._not_understood(start)
        self._references.append((start, self._position))
        return value

    def _variable(self, name: str, default: str | None) -> str:
        value = self._environment.get(name, default)
        if value is None:
            self._problems.append(
                f"the environment variable {name} is not set; set it or give a default, ${{env:{name}:-default}}"
            )
        return value or ""

    def _file(self, path: str, written: str) -> str:
        try:
            text = (self._folder / path).read_text("utf-8")
        except OSError as error:
            self._problems.append(f"the file {written} cannot be read: {error.strerror}")
        except ValueError:
            self._problems.append(f"the file {written} cannot be read: it is not UTF-8 text")
        else:
            return text.removesuffix("\n").removesuffix("\r")
        return ""

    def _not_understood(self, start: int) -> str:
        """Says nothing of what it found: a password may hold a `${`."""
        elsewhere = _ELSEWHERE.match(self._text, start)
        what = f"references with {elsewhere[1]}: are not supported" if elsewhere else "this is not a reference"
        self._problems.append(f"{what}; {_FORMS}")
        self._until_end(inside=True)
        return ""
