"""Whether every one of the `tests` names a processor or a pipeline that is there and can take its input."""

from collections.abc import Iterator, Mapping, Sequence

from config.cases import Case
from config.errors import Problem
from config.model import Service, signal_of
from config.nodes import Map, Node, problem_at
from config.sentences import unknown
from config.settings import Settings

__all__ = ["misplaced"]


def misplaced(
    cases: Sequence[tuple[Node, Case]], service: Service, processors: Mapping[str, Settings | None]
) -> Iterator[Problem]:
    """A problem for each test that names what is not there, or does not say which of several processors is meant."""
    redacting = [name for name, settings in processors.items() if getattr(settings, "redacts", False)]
    for index, (node, case) in enumerate(cases):
        for key, sentence in _sentences(case, service, processors, redacting):
            at = node.entries[key] if isinstance(node, Map) and key in node.entries else node
            yield problem_at(at, ("tests", index, key) if key else ("tests", index), sentence)


def _sentences(
    case: Case, service: Service, processors: Mapping[str, Settings | None], redacting: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """The key that each is about (empty: none), and the sentence."""
    if case.pipeline is not None:
        yield from (("pipeline", each) for each in _about_pipeline(case.pipeline, case, service))
    elif case.processor is not None:
        if case.processor not in processors:
            yield "processor", unknown("processor", case.processor, processors)
        elif case.processor not in redacting:
            yield "processor", f"this processor does not redact; {_those(redacting)}"
    elif len(redacting) != 1:
        yield "", f"it is not clear what is tested; give a processor or a pipeline; {_those(redacting)}"


def _about_pipeline(name: str, case: Case, service: Service) -> Iterator[str]:
    if name not in service.pipelines:
        yield unknown("pipeline", name, service.pipelines)
        return
    given, carried = case.payload()[0], signal_of(name)
    if given is not carried:
        yield f"the input is {given.value}, and this pipeline carries {carried.value}"


def _those(redacting: Sequence[str]) -> str:
    return f"those that redact: {', '.join(redacting)}" if redacting else "no processor here redacts"
