"""Runs what a configuration says about itself: the examples of its rules, and its `tests`."""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple, cast

from config.cases import Case
from config.model import Config
from pipeline.batch import Batch
from pipeline.component import Holding, Processor, ProcessorSettings
from pipeline.errors import Refused
from processors.memory_limiter import MemoryLimiterSettings
from processors.redaction.examples import failures
from processors.redaction.rules import Rule
from rehearsal.lines import Line, lines
from rehearsal.outside import built
from rehearsal.rules import redacting

__all__ = ["Verdict", "verdicts_on_rules", "verdicts_on_tests"]


class Verdict(NamedTuple):
    """What came of one check. Without problems it passed; one with nothing to check is `skipped`."""

    suite: str
    """The id of a processor that redacts, or `tests`."""
    name: str
    """The id of a rule, or the name of a test."""
    title: str
    problems: tuple[str, ...] = ()
    skipped: bool = False
    file: str = ""
    """Where a test is written; empty for rules, which are known by their ids."""
    line: int = 0


def verdicts_on_rules(config: Config) -> Iterator[Verdict]:
    """The examples of every effective rule of every processor that redacts, each rule by itself."""
    for name, settings in redacting(config).items():
        for rule in settings.effective_rules():
            if isinstance(rule, Rule):
                has_examples = bool(rule.examples.match or rule.examples.no_match)
                yield Verdict(name, rule.id, rule.title, tuple(failures(rule)), not has_examples)


def verdicts_on_tests(config: Config) -> Iterator[Verdict]:
    """The tests, in their order, through processors that are built once."""
    way = cache(lambda names: [(name, built(config, name)) for name in names])
    for case, place in zip(config.tests, config.test_places, strict=True):
        problems = tuple(_problems(case, way(_names(case, config))))
        yield Verdict("tests", case.name, "", problems, file=place.file, line=place.line)


def _names(case: Case, config: Config) -> tuple[str, ...]:
    """The ids of the processors that a test goes through. How much memory this machine has left is no part of it."""
    if case.processor is not None:
        return (case.processor,)
    if case.pipeline is None:
        return tuple(redacting(config))
    names = config.service.pipelines[case.pipeline].processors
    settings = {name: cast(ProcessorSettings, config.processors[name]) for name in names}
    return tuple(
        name for name, each in settings.items() if each.merge() is None and not isinstance(each, MemoryLimiterSettings)
    )


def _problems(case: Case, way: list[tuple[str, Processor]]) -> Iterator[str]:
    """What does not hold."""
    batch: Batch | None = Batch.received(*case.payload())
    for name, processor in way:
        try:
            batch = _through(processor, batch) if batch is not None else None
        except Refused as refused:
            yield f"processor {name} refused it: {refused}"
            return
        except Exception as failure:
            yield f"processor {name} failed on it, and the daemon would drop it: {type(failure).__name__}"
            return
    yield from _unmet(case, batch)


def _through(processor: Processor, batch: Batch) -> Batch | None:
    """What a processor makes of a batch, also what it holds back for a while."""
    given = [processor.process(batch), *(processor.tick(stopping=True) if isinstance(processor, Holding) else ())]
    left = [each for each in given if each is not None]
    return Batch.join(left) if left else None


def _unmet(case: Case, batch: Batch | None) -> Iterator[str]:
    expect = case.expect
    if batch is None:
        if expect.dropped is False:
            yield "something must come out, but nothing did"
        yield from (f"{text!r} must be present, but nothing came out" for text in expect.present)
        return
    found = lines(batch)
    if expect.dropped:
        yield f"nothing must come out, but this did:{_shown(found)}"
    for text in expect.absent:
        if text.encode() in batch.payload or _holding(text, found):
            yield f"{text!r} must be absent, but this came out:{_shown(_holding(text, found))}"
    for text in expect.present:
        if not _holding(text, found):
            yield f"{text!r} must be present, but this came out:{_shown(found)}"


def _holding(text: str, found: list[Line]) -> list[Line]:
    return [line for line in found if text in line.key or text in line.text]


def _shown(found: list[Line]) -> str:
    return "".join("\n  " + f"{line.place} {line.key}".rstrip() + f" = {line.text}" for line in found)
