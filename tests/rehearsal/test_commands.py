"""`telescrub test` and `telescrub redact` from the outside."""

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from pipeline.__main__ import app
from tests.rehearsal.configs import MAIL, SSN, text
from tests.rehearsal.samples import LINE, SPAN

TEST = "tests: [{name: a, input: hello, expect: {absent: [%s]}}]\n"


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    (tmp_path / "both.yaml").write_text(text(SSN, MAIL))
    (tmp_path / "mail.yaml").write_text(text(MAIL))
    (tmp_path / "good.yaml").write_text(text(more=TEST % "bye"))
    (tmp_path / "bad.yaml").write_text(text(more=TEST % "hello"))
    return tmp_path


def run(*arguments: object, sample: str = "") -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments], input=sample)


def test_rules_hold(configs: Path) -> None:
    """Exit 0; JUnit has a case for every rule and test."""
    result = run("test", "--config", configs / "good.yaml", "--junit", configs / "junit.xml")
    assert result.exit_code == 0
    assert result.stdout.endswith("passed, 0 failed, 0 without examples\n")
    written = f'<testcase classname="telescrub.tests" name="a" file="{configs}/good.yaml" line="9" />'
    assert written in (configs / "junit.xml").read_text()


def test_a_rule_does_not_hold(configs: Path) -> None:
    """Exit 1, with JUnit all the same."""
    result = run("test", "--config", configs / "bad.yaml", "--junit", configs / "junit.xml")
    assert result.exit_code == 1
    assert "'hello' must be absent, but this came out:" in result.stdout
    assert b'failures="1"' in (configs / "junit.xml").read_bytes()
    result = run("test", "--config", configs / "good.yaml", "--junit", configs / "no" / "junit.xml")
    assert result.exit_code == 1
    assert result.stderr == f"{configs / 'no' / 'junit.xml'}: the file cannot be written: No such file or directory\n"


def test_redact_from_standard_input(configs: Path) -> None:
    """Text by default; JSON and HTML instead. What was shown is no log line."""
    arguments = ("redact", "--config", configs / "both.yaml", "-")
    shown = run(*arguments, sample=LINE)
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "Rules acted on 1 of 1 items." in shown.stdout
    machine = orjson.loads(run(*arguments, "--format", "json", sample=SPAN).stdout)
    assert [line["result"] for line in machine["items"][0]["lines"]][1:3] == ["visit of [ssn]", "[mail]"]
    assert run(*arguments, "--format", "html", sample=SPAN).stdout.startswith("<!DOCTYPE html>")


def test_redact_a_file(configs: Path) -> None:
    """`--input` says what it is; what it is not is told with its line."""
    sample = configs / "sample"
    sample.write_text(SPAN)
    arguments = ("redact", sample, "--config", configs / "both.yaml", "--format", "json")
    [item] = orjson.loads(run(*arguments, "--input", "text").stdout)["items"]
    assert [line["place"] for line in item["lines"]] == ["LogRecord.body"]
    sample.write_text(LINE)
    wrong = run(*arguments, "--input", "otlp")
    assert wrong.exit_code == 1
    assert wrong.stderr.startswith(f"{sample}: line 1: this is not OTLP/JSON")
    assert LINE not in wrong.stderr
    missing = run("redact", configs / "none", "--config", configs / "both.yaml")
    assert (missing.exit_code, missing.stderr) == (
        1,
        f"{configs / 'none'}: the file cannot be read: No such file or directory\n",
    )


def test_diff(configs: Path) -> None:
    """Exit 1 only if the other configuration exposes something."""
    both, mail = configs / "both.yaml", configs / "mail.yaml"
    worse = run("redact", "--config", both, "--diff", mail, sample=LINE)
    assert worse.exit_code == 1
    assert "Newly exposed: 1" in worse.stdout
    better = run("redact", "--config", mail, "--diff", both, "--format", "json", sample=LINE)
    assert better.exit_code == 0
    assert [change["text"] for change in orjson.loads(better.stdout)["newly_redacted"]] == ["536-90-4399"]
    assert run("redact", "--config", both, "--diff", both, "--format", "html", sample=LINE).exit_code == 0


def test_help_says_that_values_are_shown() -> None:
    """Whoever runs it knows."""
    shown = " ".join(run("redact", "--help").stdout.split())
    assert "It shows the values of the sample on purpose" in shown
