"""Which keys are valid where."""

from typing import Annotated

from pydantic import AliasChoices, Field

from config.fields import keys_at
from config.settings import Settings
from tests.config.models import Loki, Otlp


class Leaf(Settings):
    """Keys under other names than the attributes."""

    plain: int = 0
    renamed: int = Field(default=0, alias="re-named")
    either: int = Field(default=0, validation_alias=AliasChoices("one", "other"))


class Other(Settings):
    """Another member of a union."""

    more: int = 0


class Root(Settings):
    """Every way of nesting."""

    one: Leaf | None = None
    many: list[Annotated[Leaf, "note"]] = Field(default_factory=list)
    named: dict[str, Leaf | Other] = Field(default_factory=dict)
    text: str = ""


def test_keys_of_nested_models() -> None:
    """Keys are found through optional models, lists, maps and unions, under the names they have in the file."""
    leaf = ["one", "other", "plain", "re-named"]
    assert keys_at(Root, ("one",)) == leaf
    assert keys_at(Root, ("many", 3)) == leaf
    assert keys_at(Root, ("named", "x")) == sorted([*leaf, "more"])
    assert keys_at(Root, ("text",)) == []
    assert keys_at(Root, ("nothing", "deep")) == []


def test_keys_of_settings() -> None:
    """The real thing: a receiver's TLS."""
    tls = ["cert_file", "client_ca_file", "key_file", "min_version", "reload_interval"]
    assert keys_at(Otlp, ("protocols", "grpc", "tls")) == tls
    assert "endpoint" in keys_at(Loki, ())
