"""Looking component types up."""

from config.catalogue import KINDS, type_of
from tests.config.models import CATALOGUE, File


def test_type_of_an_id() -> None:
    """The type ends at the first slash."""
    assert [type_of(each) for each in ("otlp", "otlp/clinic", "otlp/a/b")] == ["otlp", "otlp", "otlp"]


def test_both_spellings() -> None:
    """An alias finds the model of the canonical type; anything else finds none."""
    assert CATALOGUE.settings("exporters", "file") is File
    assert CATALOGUE.settings("exporters", "files") is File
    assert CATALOGUE.settings("receivers", "file") is None


def test_every_kind_has_a_table() -> None:
    """Each section has its own table."""
    assert [list(CATALOGUE.table(kind)) for kind in KINDS] == [
        ["otlp"],
        ["scrub"],
        ["loki", "file"],
        ["count"],
        ["health_check"],
    ]
