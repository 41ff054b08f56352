"""What another configuration would change of a running one: the answer of `POST /-/diff`, and what a reload says that
it did. Names of components and keys, never a value.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

from config.model import Config
from config.settings import Settings
from pipeline.component import ExporterSettings
from pipeline.parts import Key, differences, fingerprints, used
from pipeline.queues.storage import StorageSettings, storage_of

__all__ = ["Changes", "Unchangeable", "changes"]

_Fate = Literal["kept", "changed", "new", "removed"]


@dataclass(frozen=True, slots=True)
class Changes:
    """What becomes of components and pipelines, named as in the file; of those `changed`, which keys are different.

    `impossible` are sentences about what cannot be changed without a restart: the configuration is refused for them.
    """

    kept: list[str]
    changed: dict[str, list[str]]
    new: list[str]
    removed: list[str]
    impossible: list[str]

    def summary(self) -> dict[str, list[str]]:
        """What is different, for the ledger."""
        return {"changed": list(self.changed), "new": self.new, "removed": self.removed}


class Unchangeable(Exception):
    """The configuration is valid, but the daemon would have to start anew for it; `sentences` say why."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


def changes(old: Config, new: Config) -> Changes:
    """What is different in `new`."""
    before, after = _shown(old), _shown(new)
    fates: dict[str, dict[str, list[str]]] = {fate: {} for fate in ("kept", "changed", "new", "removed")}
    for name in [*before, *(each for each in after if each not in before)]:
        fate, keys = _fate(before.get(name, {}), after.get(name, {}))
        fates[fate][name] = keys
    return Changes(
        kept=list(fates["kept"]),
        changed=fates["changed"],
        new=list(fates["new"]),
        removed=list(fates["removed"]),
        impossible=list(_impossible(old, new)),
    )


_Parts = dict[Key, dict[str, Any]]


def _shown(config: Config) -> dict[str, _Parts]:
    """Components and pipelines by their names, with the parts that each of them is."""
    shown: dict[str, _Parts] = {}
    for key, fingerprint in fingerprints(config).items():
        if key.kind not in ("queues", "dead_letters"):
            kind = "exporters" if key.pipeline and key.pipeline not in config.service.pipelines else key.kind
            shown.setdefault(f"{kind}::{key.id}", {})[key] = dict(fingerprint)
    for name, settings in config.service.pipelines.items():
        shown[f"service::pipelines::{name}"] = {Key("pipelines", name): {"": settings}}
    rest = {"shutdown_timeout", "reload"}
    shown["service"] = {Key("service", ""): {each: getattr(config.service, each) for each in rest}}
    return shown


def _fate(before: _Parts, after: _Parts) -> tuple[_Fate, list[str]]:
    if not before or not after:
        return ("new" if after else "removed"), []
    both = [key for key in before if key in after]
    keys = dict.fromkeys(each for key in both for each in differences(before[key], after[key]))
    return ("changed" if keys else "kept"), list(keys)


def _impossible(old: Config, new: Config) -> Iterator[str]:
    for name, before, after in (
        ("service::audit", _without_anchors(old), _without_anchors(new)),
        ("service::telemetry::logs", old.service.telemetry.logs, new.service.telemetry.logs),
    ):
        if before != after:
            yield f"{name} is read only when the daemon starts; restart it, or leave this as it was"
    for exporter in used(new, "exporters"):
        before, after = (_storage(config, exporter) for config in (old, new))
        if before and after and before.file(exporter) == after.file(exporter) and dict(before) != dict(after):
            yield (
                f"exporters::{exporter}: its queue is in use with other settings of the storage; restart the daemon, or"
                " name another directory"
            )


def _without_anchors(config: Config) -> Settings | None:
    audit = config.service.audit
    return audit and audit.model_copy(update={"anchors": None})


def _storage(config: Config, exporter_id: str) -> StorageSettings | None:
    if exporter_id not in used(config, "exporters"):
        return None
    settings = cast(ExporterSettings, config.exporters[exporter_id])
    return storage_of(config.extensions, settings.sending_queue.storage)
