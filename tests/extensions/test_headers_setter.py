"""Headers that exporters send beside their own."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict
from pydantic import ValidationError

from extensions.headers_setter import HeadersSetter, HeadersSetterSettings
from tests.payloads import context


def setter(*headers: Any) -> HeadersSetter:
    return HeadersSetterSettings.model_validate({"headers": headers}).build(context("headers_setter"))


async def test_actions() -> None:
    """What is done depends on whether the header is there, in any case of letters."""
    actions = ("insert", "update", "upsert", "delete")
    for there, expected in ((False, [["n"], [], ["n"], []]), (True, [["o"], ["n"], ["n"], []])):
        for action, values in zip(actions, expected, strict=True):
            value = {} if action == "delete" else {"value": "n"}
            sent = CIMultiDict({"x-tenant": "o"} if there else {})
            await setter({"key": "X-Tenant", "action": action, **value}).authorize(sent)
            assert sent.getall("X-Tenant", []) == values


async def test_in_order() -> None:
    """One after the other; `upsert` is what is done if nothing is said."""
    sent = CIMultiDict({"A": "1"})
    await setter({"key": "A", "action": "delete"}, {"key": "B", "value": "2 3"}).authorize(sent)
    assert dict(sent) == {"B": "2 3"}


async def test_a_value_of_a_file(tmp_path: Path) -> None:
    """Read again when it changes, at once where a destination refuses it."""
    path = tmp_path / "value"
    path.write_text("one\n")
    made = await asyncio.to_thread(setter, {"key": "X", "value_file": path})
    sent = CIMultiDict[str]()
    await made.authorize(sent)
    assert (dict(sent), await made.renew(sent)) == ({"X": "one"}, False)
    path.write_text("other")
    assert await made.renew(sent)
    await made.authorize(sent)
    assert dict(sent) == {"X": "other"}


NO_REQUEST = (
    "{} cannot be had: what is sent comes from a queue and holds many requests, so there is no client's request to "
    "take a header from; give value or value_file, and an exporter for each value"
)


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ({"key": "X", "from_context": "tenant"}, NO_REQUEST.format("from_context")),
        ({"key": "X", "from_attribute": "tenant"}, NO_REQUEST.format("from_attribute")),
        ({"key": "X"}, "give one of value and value_file, and none of them for delete"),
        (
            {"key": "X", "action": "delete", "value": "x"},
            "give one of value and value_file, and none of them for delete",
        ),
        ({"key": "X", "value": "x\r\ny"}, "the value must be ASCII without control characters, and not empty"),
        ({"key": "X", "value": ""}, "the value must be ASCII without control characters, and not empty"),
    ],
)
def test_settings_that_cannot_be(header: Any, sentence: str) -> None:
    """The sentence says nothing of a value."""
    with pytest.raises(ValidationError) as caught:
        HeadersSetterSettings.model_validate({"headers": [header]})
    assert [each["msg"] for each in caught.value.errors()] == [f"Value error, {sentence}"]
