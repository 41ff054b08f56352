"""Which component types there are: handed in by the caller, because the configuration layer knows no component."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from config.settings import Settings

__all__ = ["KINDS", "Catalogue", "Kind", "type_of"]

Kind = Literal["receivers", "processors", "exporters", "connectors", "extensions"]
"""A section of components in the file, and the folder its components live in."""

KINDS: tuple[Kind, ...] = ("receivers", "processors", "exporters", "connectors", "extensions")


def type_of(component_id: str) -> str:
    """The type in a component id: `otlp` in `otlp` and in `otlp/clinic`."""
    return component_id.partition("/")[0]


@dataclass(frozen=True)
class Catalogue:
    """For each kind the settings model of every type, and other spellings of types.

    A spelling is `prometheusremotewrite` → `prometheus_remote_write`.
    """

    receivers: Mapping[str, type[Settings]] = field(default_factory=dict)
    processors: Mapping[str, type[Settings]] = field(default_factory=dict)
    exporters: Mapping[str, type[Settings]] = field(default_factory=dict)
    connectors: Mapping[str, type[Settings]] = field(default_factory=dict)
    extensions: Mapping[str, type[Settings]] = field(default_factory=dict)
    receiver_aliases: Mapping[str, str] = field(default_factory=dict)
    processor_aliases: Mapping[str, str] = field(default_factory=dict)
    exporter_aliases: Mapping[str, str] = field(default_factory=dict)
    connector_aliases: Mapping[str, str] = field(default_factory=dict)
    extension_aliases: Mapping[str, str] = field(default_factory=dict)

    def table(self, kind: Kind) -> Mapping[str, type[Settings]]:
        """The types of a kind, by their canonical names."""
        tables = {
            "receivers": self.receivers,
            "processors": self.processors,
            "exporters": self.exporters,
            "connectors": self.connectors,
            "extensions": self.extensions,
        }
        return tables[kind]

    def aliases(self, kind: Kind) -> Mapping[str, str]:
        """Other spellings of the types of a kind → canonical names."""
        tables = {
            "receivers": self.receiver_aliases,
            "processors": self.processor_aliases,
            "exporters": self.exporter_aliases,
            "connectors": self.connector_aliases,
            "extensions": self.extension_aliases,
        }
        return tables[kind]

    def settings(self, kind: Kind, type_name: str) -> type[Settings] | None:
        """The settings model of a type in either spelling; None for a type that does not exist."""
        return self.table(kind).get(self.aliases(kind).get(type_name, type_name))
