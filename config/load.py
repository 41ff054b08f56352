"""From files to a `Config`: read, merge, type, check how it fits together; every problem at once."""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path

from config.case_wiring import misplaced
from config.cases import Case
from config.catalogue import KINDS, Catalogue, Kind, type_of
from config.check import check
from config.errors import ConfigError, Problem
from config.model import Config, Service
from config.nodes import List, Map, Node, Place, Scalar, merged, problem_at
from config.redaction_path import redactors, unchecked, unredacted
from config.sentences import unknown, wrong_type
from config.settings import Settings
from config.wiring import check_wiring, unused
from config.yaml_source import Source, read

__all__ = ["Source", "load"]


def load(sources: Sequence[Path | Source], catalogue: Catalogue, environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration that the sources make together, later ones over earlier ones.

    Raises: `ConfigError` with everything that is wrong. If a source cannot be parsed at all, that is all it tells.
    """
    problems: list[Problem] = []
    roots = [root for source in sources if (root := read(source, environment, problems)) is not None]
    if len(roots) < len(sources):
        raise ConfigError(problems)
    start = Place("(no configuration)", 1, 1)
    empty: Node = Map(start, start, {})
    config = _typed(reduce(merged, roots, empty), catalogue, problems)
    if config is None or problems:
        raise ConfigError(problems)
    return config


def _typed(root: Node, catalogue: Catalogue, problems: list[Problem]) -> Config | None:
    if not isinstance(root, Map):
        problems.append(problem_at(root, (), wrong_type(root, ["a map of sections"])))
        return None
    sections = (*KINDS, "service", "tests")
    for name, node in root.entries.items():
        if name not in sections:
            problems.append(problem_at(node, (name,), unknown("section", name, sections), at_key=True))
    defined = {kind: dict(_components(root, kind, catalogue, problems)) for kind in KINDS}
    service_node = root.entries.get("service")
    if service_node is None:
        problems.append(problem_at(root, (), "the section 'service' is required and missing"))
        return None
    service = check(Service, service_node, ("service",), problems)
    cases = list(_cases(root.entries.get("tests"), problems))
    wiring = list(check_wiring(service_node, defined))
    problems += wiring
    if service is not None and not wiring:
        problems += unredacted(service, service_node, defined, redactors(catalogue.processors))
        problems += unchecked(service, defined)
        processors = {key: settings for key, (_, settings) in defined["processors"].items()}
        problems += misplaced(cases, service, processors)
    if service is None or problems:
        return None
    valid = {kind: {key: settings for key, (_, settings) in defined[kind].items() if settings} for kind in KINDS}
    tests, test_places = tuple(case for _, case in cases), tuple(node.place for node, _ in cases)
    warnings = tuple(sorted(unused(service_node, defined)))
    return Config(**valid, service=service, tests=tests, test_places=test_places, warnings=warnings)


def _cases(section: Node | None, problems: list[Problem]) -> Iterator[tuple[Node, Case]]:
    """The tests that are well written."""
    if section is None or (isinstance(section, Scalar) and section.value is None):
        return
    if not isinstance(section, List):
        problems.append(problem_at(section, ("tests",), wrong_type(section, ["a list"])))
        return
    for index, node in enumerate(section.items):
        if (case := check(Case, node, ("tests", index), problems)) is not None:
            yield node, case


def _components(
    root: Map, kind: Kind, catalogue: Catalogue, problems: list[Problem]
) -> Iterator[tuple[str, tuple[Node, Settings | None]]]:
    """Every component of a section: id, node, settings if valid."""
    section = root.entries.get(kind)
    if section is None or (isinstance(section, Scalar) and section.value is None):
        return
    if not isinstance(section, Map):
        problems.append(problem_at(section, (kind,), wrong_type(section, ["a map of components"])))
        return
    for component_id, node in section.entries.items():
        yield component_id, (node, _component(kind, component_id, node, catalogue, problems))


def _component(
    kind: Kind, component_id: str, node: Node, catalogue: Catalogue, problems: list[Problem]
) -> Settings | None:
    type_name = type_of(component_id)
    if component_id.endswith("/"):
        problems.append(problem_at(node, (kind, component_id), "a name is missing after the /", at_key=True))
    model = catalogue.settings(kind, type_name)
    if model is None:
        sentence = unknown(kind.removesuffix("s"), type_name, catalogue.table(kind))
        problems.append(problem_at(node, (kind, component_id), sentence, at_key=True))
        return None
    return check(model, node, (kind, component_id), problems)
