"""From a tree of values to settings, or to problems at their places."""

from typing import Self

import pytest
from pydantic import BaseModel, Field, model_validator

from config.check import check
from config.errors import Problem
from config.settings import Secret, Settings
from config.yaml_source import Source, read
from tests.config.models import Loki, Otlp, Scrub

ENVIRONMENT = {"WORD": "hunter2", "NUMBER": "5319", "FRACTION": "1.10"}


def checked(model: type[BaseModel], text: str) -> tuple[BaseModel | None, list[str]]:
    found: list[Problem] = []
    node = read(Source("a.yaml", text), ENVIRONMENT, found)
    assert node is not None
    settings = check(model, node, ("x",), found)
    return settings, [str(each) for each in found]


def problems(model: type[BaseModel], text: str) -> list[str]:
    settings, found = checked(model, text)
    assert settings is None
    return found


def settings(model: type[BaseModel], text: str) -> BaseModel:
    result, found = checked(model, text)
    assert found == []
    assert result is not None
    return result


def test_text_is_kept() -> None:
    """What YAML takes for a number or a boolean is the written text where text is wanted."""
    result = settings(Loki, "endpoint: 1.10\ntenant: true\nlabels: [0x1f, 1e3]\npassword: 0o17\n")
    expected = Loki(endpoint="1.10", tenant="true", labels=["0x1f", "1e3"], password=Secret("0o17"))
    assert result == expected


def test_referenced_text_is_kept() -> None:
    """The same for what comes from the environment."""
    result = settings(Loki, "endpoint: ${FRACTION}\npassword: ${NUMBER}\n")
    assert result == Loki(endpoint="1.10", password=Secret("5319"))


def test_choices_written_as_numbers() -> None:
    """`min_version: 1.2` is a number to YAML and a choice to us."""
    assert settings(Loki, "endpoint: x\ntls: {min_version: 1.2}") == Loki.model_validate(
        {"endpoint": "x", "tls": {"min_version": "1.2"}}
    )


def test_empty_is_default() -> None:
    """Nothing after a key of a map or list means its defaults."""
    assert settings(Otlp, "protocols:\n  grpc:\n") == Otlp.model_validate({"protocols": {"grpc": {}}})
    assert settings(Scrub, "rules:\n") == Scrub()


@pytest.mark.parametrize(
    ("model", "text", "problem"),
    [
        (Loki, "endpoint: x\nendpiont: y", "2:1: x::endpiont: there is no key 'endpiont'; did you mean 'endpoint'? "),
        (Loki, "tls: {}", "1:1: x: the key 'endpoint' is required and missing"),
        (Otlp, "protocols:\n  grpc:\n    tls: {cert_file: a}", "3:5: x::protocols::grpc::tls: the key 'key_file' is "),
        (Otlp, "protocols:\n  grpc:\n    streams: 0", "3:14: x::protocols::grpc::streams: '0' is too small; the smal"),
        (Otlp, "protocols:\n  grpc:\n    streams: 4x", "3:14: x::protocols::grpc::streams: '4x' is not a whole number"),
        (Otlp, "protocols:\n  grpc:\n    max_size: 4 boxes", "3:15: x::protocols::grpc::max_size: this is not a size"),
        (Otlp, "protocols: grpc", "1:12: x::protocols: a map is expected here, not a single value"),
        (Scrub, "ratio: half", "1:8: x::ratio: 'half' is not a number"),
        (Scrub, "rules: ssn", "1:8: x::rules: a list is expected here, not a single value"),
        (Scrub, "rules: [a, [b]]", "1:12: x::rules::1: text is expected here, not a list"),
        (Loki, "endpoint: [x]", "1:1: x::endpoint: text is expected here, not a list"),
        (Loki, "endpoint:", "1:1: x::endpoint: text is expected here, not an empty value"),
        (Loki, "endpoint: x\nverify: maybe", "2:9: x::verify: 'maybe' is not true or false"),
        (Loki, "endpoint: x\nlabels: {a: b}", "2:1: x::labels: a list or text is expected here, not a map"),
        (Loki, "endpoint: x\nlabels: [{a: b}]", "2:10: x::labels::0: text is expected here, not a map"),
        (Loki, "endpoint: x\ncompression: gizp", "2:14: x::compression: 'gizp' is not valid here; did you mean 'gzip'"),
        (Loki, "endpoint: x\ntimeout: 5", "2:10: x::timeout: a duration needs a unit, such as 200ms, 5s or 1m30s"),
        (Loki, "endpoint: x\ntls: {cert_file: a}", "2:1: x::tls: cert_file and key_file go together; give both or n"),
        (Loki, "endpoint: x\ntenant: a1", "2:9: x::tenant: 'a1' has a digit in it"),
        (Loki, "endpoint: x\nheaders: {a: [1]}", "2:11: x::headers::a: text is expected here, not a list"),
    ],
)
def test_one_problem(model: type[BaseModel], text: str, problem: str) -> None:
    """Every sort of error is one sentence at the right place."""
    (found,) = problems(model, text)
    assert found.startswith(f"a.yaml:{problem}")


def test_all_at_once() -> None:
    """Problems do not hide one another."""
    assert len(problems(Loki, "endpiont: x\nverify: maybe\ntimeout: 5\ntls: {insecure: 7}")) == 5


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("endpoint: x\nverify: ${WORD}", "2:9: x::verify: '${WORD}' is not true or false"),
        ("endpoint: x\ncompression: ${WORD}", "2:14: x::compression: '${WORD}' is not valid here; valid: none, gzip"),
        ("endpoint: x\ntenant: ${WORD}", "2:9: x::tenant: what ${WORD} stands for is not valid here"),
        ("endpoint: x\ntenant: a-${NUMBER}", "2:9: x::tenant: what a-${NUMBER} stands for is not valid here"),
        ("endpoint: x\ntls: {cert_file: '${WORD}'}", "2:1: x::tls: cert_file and key_file go together; give both or "),
        ("endpoint: x\ntimeout: ${WORD}", "2:10: x::timeout: this is not a duration; write it like 200ms, 5s or 1m30s"),
        ("endpoint: x\nheaders: ${WORD}", "2:10: x::headers: a map is expected here, not a single value"),
    ],
)
def test_references_stay_hidden(text: str, problem: str) -> None:
    """What the environment says is not repeated, not even by a model's own validators."""
    (found,) = problems(Loki, text)
    assert found.startswith(f"a.yaml:{problem}")
    assert not any(value in found for value in ENVIRONMENT.values())


class Limits(Settings):
    """A validator that shows a number."""

    low: int = 1
    high: int = Field(default=2)
    name: str = ""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high} of '{self.name}'")
        return self


def test_validators_with_numbers() -> None:
    """A sentence with a number of the file is shown; one with a number from the environment is not."""
    assert problems(Limits, "low: 3\nname: ${WORD}") == ["a.yaml:1:1: x: low 3 is above high 2 of '${WORD}'"]
    assert problems(Limits, "low: ${NUMBER}") == ["a.yaml:1:1: x: what ${NUMBER} stands for is not valid here"]


class Several(Settings):
    """A validator with more than one thing to say."""

    @model_validator(mode="after")
    def _never(self) -> Self:
        raise ValueError("the first is wrong\nthe second is wrong")


def test_several_sentences() -> None:
    """Each line of a validator's message is a problem of its own."""
    assert problems(Several, "{}") == ["a.yaml:1:1: x: the first is wrong", "a.yaml:1:1: x: the second is wrong"]


def test_secrets_stay_hidden() -> None:
    """Plain secrets are not repeated either, wherever they were put by mistake."""
    for text in ("password: {a: hunter2}", "headers: Bearer hunter2", "headers: [hunter2]", "tls: hunter2"):
        assert "hunter2" not in "".join(problems(Loki, f"endpoint: x\n{text}"))


def test_unknown_values_are_reported_once() -> None:
    """A value whose reference leads nowhere is not reported a second time for being wrong."""
    assert problems(Otlp, "protocols:\n  grpc:\n    streams: ${NONE}") == [
        "a.yaml:3:14: protocols::grpc::streams: the environment variable NONE is not set; "
        "set it or give a default, ${env:NONE:-default}"
    ]
