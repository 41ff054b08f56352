"""One YAML text → a tree of values with their places. References are expanded here: a value knows it came from one.

Plain scalars are typed by YAML 1.2's core rules, much as the Collector does: `yes`, `on`, `012`, `12:30` are texts.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from config.errors import Problem
from config.nodes import List, Map, Node, Place, Plain, Scalar
from config.references import expand
from config.yaml_errors import syntax_problem

__all__ = ["Source", "read", "typed"]

_PLAIN = "plain"
_TEXT = "tag:yaml.org,2002:str"
_TYPED = {_PLAIN, *(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float"))}
_MAP, _LIST = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?(0|[1-9][0-9_]{0,20})|0x[0-9a-fA-F]{1,16}|0o[0-7]{1,21}")
_FLOAT = re.compile(r"[-+]?((\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)")
_SPECIAL = re.compile(r"([-+]?)\.(?:(inf|Inf|INF)|nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Source:
    """A text to load; `name` stands in errors, `${file:…}` starts from `folder`."""

    name: str
    text: str = field(repr=False)
    folder: Path = Path()


class _Loader(yaml.SafeLoader):
    """PyYAML's parser, leaving the typing of plain scalars to us."""

    def resolve(self, kind: type[yaml.Node], value: str, implicit: tuple[bool, bool]) -> str:
        if kind is yaml.ScalarNode and implicit[0]:
            return _PLAIN
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        return tag


def read(source: Source | Path, environment: Mapping[str, str], problems: list[Problem]) -> Node | None:
    """The tree of a source; None when it cannot be parsed at all. What is wrong is added to `problems`."""
    if isinstance(source, Path):
        opened = _opened(source, problems)
        return None if opened is None else read(opened, environment, problems)
    try:
        root = _Loader(source.text).get_single_node()
        start = Place(source.name, 1, 1)
        read_root = _Reading(source, environment, problems).node(root, start) if root else _empty(start)
        nothing = isinstance(read_root, Scalar) and read_root.value is None
        return Map(start, start, {}) if nothing else read_root
    except yaml.YAMLError as error:
        problems.append(syntax_problem(source.name, source.text, error))
    except RecursionError:
        problems.append(Problem(source.name, 1, 1, "", "this is nested too deeply to be read"))
    return None


def _opened(path: Path, problems: list[Problem]) -> Source | None:
    try:
        return Source(str(path), path.read_bytes().decode("utf-8-sig"), path.parent)
    except OSError as error:
        problems.append(Problem(str(path), 1, 1, "", f"the file cannot be read: {error.strerror}"))
    except UnicodeDecodeError as error:
        before = bytes(error.object[: error.start])
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        problems.append(Problem(str(path), line, column, "", "the file is not UTF-8 text"))
    return None


def _empty(place: Place) -> Scalar:
    return Scalar(place, place, None, "", "")


def typed(text: str) -> Plain:
    """A plain scalar by YAML 1.2's core schema (section 10.3.2), except that `012` stays a text."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text.replace("_", ""), 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if special := _SPECIAL.fullmatch(text):
        return float(special[1] + ("inf" if special[2] else "nan"))
    return text


class _Reading:
    """Turns PyYAML's nodes of one source into ours."""

    def __init__(self, source: Source, environment: Mapping[str, str], problems: list[Problem]) -> None:
        self._source, self._environment, self._problems = source, environment, problems
        self._open: list[yaml.Node] = []

    def node(self, node: yaml.Node, key: Place, path: tuple[str, ...] = ()) -> Node:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, key, path)
        if any(node is each for each in self._open):
            self._problem(node, path, "this anchor contains itself")
            return _empty(key)
        self._open.append(node)
        try:
            return self._map(node, key, path) if isinstance(node, yaml.MappingNode) else self._list(node, key, path)
        finally:
            self._open.pop()

    def _scalar(self, node: yaml.ScalarNode, key: Place, path: tuple[str, ...]) -> Scalar:
        expanded = expand(node.value, self._environment, self._source.folder)
        sentences = list(expanded.problems)
        if node.tag not in {_TEXT, *_TYPED}:
            sentences.append("this tag is not supported; remove the word that begins with !")
        for sentence in sentences:
            self._problem(node, path, sentence)
        value: Plain = expanded.text
        if node.tag in _TYPED and (expanded.whole or not expanded.referenced):
            value = typed(expanded.text) if expanded.text or not expanded.referenced else ""
        if sentences:
            value = node.value
        return Scalar(
            key, self._place(node), value, expanded.text, node.value, expanded.referenced, broken=bool(sentences)
        )

    def _list(self, node: yaml.Node, key: Place, path: tuple[str, ...]) -> List:
        self._check_tag(node, _LIST, path)
        items = (self.node(each, self._place(each), (*path, str(i))) for i, each in enumerate(node.value))
        return List(key, self._place(node), tuple(items))

    def _map(self, node: yaml.MappingNode, key: Place, path: tuple[str, ...]) -> Map:
        self._check_tag(node, _MAP, path)
        entries: dict[str, Node] = {}
        for key_node, value_node in node.value:
            if self._is_merge(key_node):
                continue
            name = self._key(key_node, path)
            if name in entries:
                self._problem(
                    key_node, (*path, name), f"this key stands here twice, first in line {entries[name].key.line}"
                )
            entries[name] = self.node(value_node, self._place(key_node), (*path, name))
        return Map(key, self._place(node), {**self._merged_in(node, path), **entries})

    def _is_merge(self, key_node: yaml.Node) -> bool:
        return key_node.tag == _PLAIN and key_node.value == "<<"

    def _merged_in(self, node: yaml.MappingNode, path: tuple[str, ...]) -> dict[str, Node]:
        """What `<<` brings in (https://yaml.org/type/merge.html): of several maps the first counts."""
        entries: dict[str, Node] = {}
        for value_node in (value for key, value in node.value if self._is_merge(key)):
            for each in self._maps(value_node, path):
                for name, child in each.entries.items():
                    entries.setdefault(name, child)
        return entries

    def _maps(self, value_node: yaml.Node, path: tuple[str, ...]) -> Iterator[Map]:
        for each in value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]:
            merged_in = self.node(each, self._place(each), path)
            if isinstance(merged_in, Map):
                yield merged_in
            else:
                self._problem(each, path, "<< takes a map, or a list of maps")

    def _key(self, node: yaml.Node, path: tuple[str, ...]) -> str:
        if isinstance(node, yaml.ScalarNode):
            return str(node.value)
        self._problem(node, path, "a key must be a single word, not a map or a list")
        return ""

    def _check_tag(self, node: yaml.Node, tag: str, path: tuple[str, ...]) -> None:
        if node.tag != tag:
            self._problem(node, path, "this tag is not supported; remove the word that begins with !")

    def _place(self, node: yaml.Node) -> Place:
        return Place(self._source.name, node.start_mark.line + 1, node.start_mark.column + 1)

    def _problem(self, node: yaml.Node, path: tuple[str, ...], sentence: str) -> None:
        place = self._place(node)
        self._problems.append(Problem(place.file, place.line, place.column, "::".join(path), sentence))
