"""Verdicts as JUnit XML, as continuous integration reads it."""

from collections.abc import Sequence
from xml.etree import ElementTree

from rehearsal.checks import Verdict
from rehearsal.lines import visible

__all__ = ["junit"]


def junit(verdicts: Sequence[Verdict]) -> bytes:
    """A `testsuites` document: a suite for each `redact_phi` and one for `tests`, a case for each rule or test."""
    root = ElementTree.Element("testsuites", {"name": "telescrub test", **_counts(verdicts)})
    for name in dict.fromkeys(verdict.suite for verdict in verdicts):
        its = [verdict for verdict in verdicts if verdict.suite == name]
        suite = ElementTree.SubElement(root, "testsuite", {"name": name, **_counts(its)})
        for verdict in its:
            _add(suite, verdict)
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _counts(verdicts: Sequence[Verdict]) -> dict[str, str]:
    failed = sum(bool(verdict.problems) for verdict in verdicts)
    skipped = sum(verdict.skipped for verdict in verdicts)
    return {"tests": str(len(verdicts)), "failures": str(failed), "errors": "0", "skipped": str(skipped)}


def _add(suite: ElementTree.Element, verdict: Verdict) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=f"telescrub.{verdict.suite}", name=_xml(verdict.name))
    if verdict.file:
        case.attrib.update(file=_xml(verdict.file), line=str(verdict.line))
    if verdict.problems:
        message = _xml(verdict.problems[0].partition("\n")[0])
        ElementTree.SubElement(case, "failure", message=message).text = _xml("\n".join(verdict.problems))
    elif verdict.skipped:
        ElementTree.SubElement(case, "skipped", message="the rule has no examples")


def _xml(text: str) -> str:
    """XML has no form for control characters (XML 1.0, section 2.2)."""
    return visible(text).replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
