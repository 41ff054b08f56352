"""Verdicts as JUnit XML."""

from rehearsal.checks import Verdict
from rehearsal.junit import junit


def test_document() -> None:
    """A suite for each processor, failures with what is wrong, control characters as escapes."""
    verdicts = [
        Verdict("redact_phi", "ssn", ""),
        Verdict("redact_phi", "mail", "", (), True),
        Verdict("tests", 'a <"b"> \x1b', "", ("'x' came out:\n  body = \x00x", "more"), file="a.yaml", line=12),
    ]
    assert junit(verdicts).decode() == (
        "<?xml version='1.0' encoding='utf-8'?>\n"
        '<testsuites name="telescrub test" tests="3" failures="1" errors="0" skipped="1">\n'
        '  <testsuite name="redact_phi" tests="2" failures="0" errors="0" skipped="1">\n'
        '    <testcase classname="telescrub.redact_phi" name="ssn" />\n'
        '    <testcase classname="telescrub.redact_phi" name="mail">\n'
        '      <skipped message="the rule has no examples" />\n'
        "    </testcase>\n"
        "  </testsuite>\n"
        '  <testsuite name="tests" tests="1" failures="1" errors="0" skipped="0">\n'
        '    <testcase classname="telescrub.tests" name="a &lt;&quot;b&quot;&gt; \\x1b" file="a.yaml" line="12">\n'
        "      <failure message=\"'x' came out:\">'x' came out:\n"
        "  body = \\x00x\n"
        "more</failure>\n"
        "    </testcase>\n"
        "  </testsuite>\n"
        "</testsuites>\n"
    )
