"""The `headers_setter` extension: headers that exporters send beside their own, from the configuration or files."""

import asyncio
import re
from pathlib import Path
from typing import Any, Literal, Self

from multidict import CIMultiDict
from pydantic import Field, model_validator

from config.reloading import Reloading, text_of
from config.settings import Secret, Settings
from extensions.unentered import Unentered
from pipeline.component import Context, ExtensionSettings

__all__ = ["HeaderSettings", "HeadersSetter", "HeadersSetterSettings"]

_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


class HeaderSettings(Settings):
    """One header: its name, what is done, and where the value comes from."""

    key: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    """The name of the header."""
    action: Literal["insert", "update", "upsert", "delete"] = "upsert"
    """`insert` where it is not there yet, `update` where it is, `upsert` in any case; `delete` takes it away."""
    value: Secret | None = None
    """The value."""
    value_file: Path | None = None
    """A file with the value, read again when it changes."""

    @model_validator(mode="before")
    @classmethod
    def _has_no_request(cls, given: Any) -> Any:
        for key in ("from_context", "from_attribute", "default_value"):
            if isinstance(given, dict) and key in given:
                raise ValueError(
                    f"{key} cannot be had: what is sent comes from a queue and holds many requests, so there is no "
                    "client's request to take a header from; give value or value_file, and an exporter for each value"
                )
        return given

    @model_validator(mode="after")
    def _one_value(self) -> Self:
        given = [self.value is not None, self.value_file is not None].count(True)
        if given != (0 if self.action == "delete" else 1):
            raise ValueError("give one of value and value_file, and none of them for delete")
        if self.value is not None:
            _checked(self.value.get_secret_value(), "the value")
        return self

    def text(self) -> str:
        """The value; empty where there is none. Raises: `OSError`, `ValueError`."""
        if self.value_file is not None:
            return _checked(text_of(self.value_file).strip(), f"the value in {self.value_file}")
        return "" if self.value is None else self.value.get_secret_value()


def _checked(value: str, what: str) -> str:
    if not _VALUE.fullmatch(value):
        raise ValueError(f"{what} must be ASCII without control characters, and not empty")
    return value


class HeadersSetterSettings(ExtensionSettings):
    """Settings of `headers_setter`, with the Collector's keys."""

    headers: list[HeaderSettings] = Field(min_length=1)
    """What is done to the headers of each request, in this order."""

    @property
    def gives_headers(self) -> bool:
        return True

    def build(self, context: Context) -> "HeadersSetter":
        return HeadersSetter(self, context)


class HeadersSetter(Unentered):
    """Sets headers of requests."""

    def __init__(self, settings: HeadersSetterSettings, context: Context) -> None:
        self._headers = [
            (each, Reloading([each.value_file] if each.value_file else [], each.text, say=context.log.warning))
            for each in settings.headers
        ]

    async def authorize(self, headers: CIMultiDict[str]) -> None:
        """`pipeline.serving.authentication.HeaderSource`."""
        for settings, value in self._headers:
            _set(headers, settings, await value.fresh())

    async def renew(self, headers: CIMultiDict[str]) -> bool:
        """Whether the files say something else by now."""
        before = [await value.fresh() for _, value in self._headers]
        return before != [await asyncio.to_thread(value.look) for _, value in self._headers]


def _set(headers: CIMultiDict[str], settings: HeaderSettings, value: str) -> None:
    is_there = settings.key in headers
    match settings.action:
        case "delete":
            headers.popall(settings.key, None)
        case "insert" if is_there:
            pass
        case "update" if not is_there:
            pass
        case _:
            headers[settings.key] = value
