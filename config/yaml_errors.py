"""PyYAML's errors in the words of somebody who edits a file. What was found is not quoted: it may be a password."""

import yaml
from yaml.reader import ReaderError

from config.errors import Problem

__all__ = ["syntax_problem"]

_SENTENCES = (
    # a fragment of PyYAML's description, ours, and whether the place to look at is where the construct begins
    (r"'\t'", "a tab stands here; YAML is indented with spaces", False),
    ("cannot start any token", "no text begins with this character; put the text in quotes", False),
    (
        "mapping values are not allowed",
        "a : may not stand here; look at the indentation, or put the text in quotes",
        False,
    ),
    ("could not find expected ':'", "the : after this key is missing", True),
    ("sequence entries are not allowed", "a list may not begin here; look at the indentation", False),
    ("unknown escape character", r"this \ begins no known escape; write \\ or use single quotes", False),
    ("unexpected end of stream", "this quote is not closed", True),
    ("expected ',' or", "a comma or the closing bracket is missing before this", False),
    ("expected the node content", "a value or the closing bracket is missing before this", False),
    ("expected <block end>", "this is not indented like what it belongs to", False),
    ("undefined alias", "this alias has no anchor; if a text begins with *, put it in quotes", False),
    ("duplicate anchor", "this anchor stands here twice; if a text begins with &, put it in quotes", False),
    ("another document", "a second document begins here; remove the ---, or put it into a file of its own", False),
)
_OTHERWISE = "this cannot be read as YAML; look at the quotes, brackets and indentation"


def syntax_problem(name: str, text: str, error: yaml.YAMLError) -> Problem:
    """What PyYAML could not parse in the source `name` with that `text`."""
    if isinstance(error, ReaderError):
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - before.rfind("\n")
        return Problem(
            name, line, column, "", "this character is not allowed in YAML; in double quotes write it as an escape"
        )
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(name, 1, 1, "", _OTHERWISE)
    sentence, at_start = _sentence(error)
    mark = (error.context_mark if at_start else error.problem_mark) or error.problem_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    if mark and text[mark.index - 1 : mark.index + 1] == "${":
        sentence = "inside brackets or braces a reference must stand in quotes"
    return Problem(name, line, column, "", sentence)


def _sentence(error: yaml.MarkedYAMLError) -> tuple[str, bool]:
    described = f"{error.context} {error.problem}"
    for fragment, sentence, at_start in _SENTENCES:
        if fragment in described:
            return sentence, at_start
    return _OTHERWISE, False
