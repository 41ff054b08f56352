"""What is wrong with a configuration, each thing with its place, all of them at once."""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["ConfigError", "Problem"]


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """One thing that is wrong: where, and what. Lines and columns count from 1; `path` is like `receivers::otlp`.

    The sentence never holds the value of a secret, of an environment variable or of a referenced file.
    """

    file: str
    line: int
    column: int
    path: str
    sentence: str

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}:{self.column}: {path}{self.sentence}"


class ConfigError(Exception):
    """The configuration cannot be used. `problems` is everything found, by place; the text is a line for each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))
