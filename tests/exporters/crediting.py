"""An extension that gives credentials, for the tests of exporters."""

from dataclasses import replace

from multidict import CIMultiDict

from extensions.unentered import Unentered
from pipeline.component import Context
from pipeline.errors import Refused
from tests.payloads import context

__all__ = ["AUTH", "Credits", "with_credentials"]

AUTH = {"auth": {"authenticator": "credited"}}


class Credits(Unentered):
    """Gives its values one after the other, a new one for each renewal; with none left, it refuses."""

    def __init__(self, *values: str) -> None:
        self.values = list(values)
        self.asked = 0

    async def authorize(self, headers: CIMultiDict[str]) -> None:
        self.asked += 1
        if not self.values:
            raise Refused("the token endpoint answered 500")
        headers["Authorization"] = self.values[0]

    async def renew(self, headers: CIMultiDict[str]) -> bool:
        if headers["Authorization"] == self.values[0] and len(self.values) > 1:
            del self.values[0]
            return True
        return headers["Authorization"] != self.values[0]


def with_credentials(credited: Credits) -> Context:
    """The context of an exporter that may name them."""
    return replace(context("exporter"), extensions={"credited": credited})
