"""The table of every OTLP field: whole, true to what the walk does, and current in the documentation."""

from pathlib import Path

from processors.redaction.place_table import HAPPENS, TREATMENT, markdown
from processors.redaction.places import ON_METRIC_POINT, place_name
from wire import schema

_PAGE = Path(__file__).parents[3] / "docs" / "redaction_places.md"
_LOOKED_AT = {"text", "pairs", "series", "body", "key", "value"}


def _kinds() -> dict[str, int]:
    """By name the kind of every field in the descriptors."""
    return {
        f"{message.name}.{field.name}": schema.KIND[number * schema.WIDTH + field.number]
        for number, message in enumerate(schema.MESSAGES)
        for field in message.fields
    }


def test_every_field_has_an_entry() -> None:
    """A field that comes with a new version of OTLP fails here until somebody says what happens to it."""
    assert set(TREATMENT) == set(_kinds())
    assert set(TREATMENT.values()) == set(HAPPENS)


def test_what_bears_text_is_looked_at() -> None:
    """Text and bytes are looked at wherever they are, ids and numbers outside values never; the rest is removed."""
    for name, kind in _kinds().items():
        if kind in (schema.TEXT, schema.BYTES):
            assert TREATMENT[name] in _LOOKED_AT
        elif kind == schema.UNKNOWN:
            assert TREATMENT[name] == "removed"
        elif kind != schema.MESSAGE and not name.startswith("AnyValue."):
            assert TREATMENT[name] == "kept"


def test_attributes_of_series() -> None:
    """The fields said to lose attributes are those whose attributes the engine drops."""
    attributes = {place_name(place) for place in ON_METRIC_POINT if "attributes" in place_name(place)}
    assert {name for name, treatment in TREATMENT.items() if treatment == "series"} == attributes


def test_the_page_is_current() -> None:
    """`make docs` was run after the last change."""
    assert _PAGE.read_text() == markdown()
