"""What makes the parts of a daemon what they are. A part is kept over a reload if, and only if, its fingerprint is
equal in the new configuration: its settings, and those of all that they name.

Fingerprints come from the configuration alone, so that what a reload would change is known before anything is built.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

from config.model import Config, signal_of
from config.settings import Settings, within
from pipeline.batch import Signal
from pipeline.component import ExporterSettings, ProcessorSettings
from pipeline.queues.queue import Merge
from pipeline.queues.storage import storage_of
from pipeline.sending.egress import inspecting

__all__ = ["Fingerprint", "Key", "about", "differences", "fingerprints", "merges_before", "name_before", "used"]


class Key(NamedTuple):
    """Which part: `kind` is a section of the configuration, or what the machine has beside them (`queues`)."""

    kind: str
    id: str
    pipeline: str = ""


Fingerprint = Mapping[str, Any]
"""What a part depends on, under the name by which an operator knows it; the settings under an empty name."""


@contextmanager
def about(key: Key) -> Iterator[None]:
    """Whatever goes wrong with files and addresses is noted to be about this part."""
    try:
        yield
    except OSError as error:
        error.add_note(f"{key.kind}::{key.id}")
        raise


def fingerprints(config: Config) -> dict[Key, Fingerprint]:
    """Of every part that the service section has running."""
    return dict(_Fingerprints(config).all())


def used(config: Config, kind: str) -> list[str]:
    """The ids of the receivers, exporters or connectors that are used, each once."""
    pipelines = config.service.pipelines.values()
    ends = (each for one in pipelines for each in (one.receivers if kind == "receivers" else one.exporters))
    audit = config.service.audit
    anchored = [audit.anchors.exporter] if kind == "exporters" and audit and audit.anchors else []
    return list(dict.fromkeys(each for each in (*ends, *anchored) if each in getattr(config, kind)))


def merges_before(config: Config, exporter_id: str) -> dict[Signal, Merge]:
    """What the `batch` processors before an exporter say, by signal."""
    merges: dict[Signal, Merge] = {}
    for name, pipeline in config.service.pipelines.items():
        last = pipeline.processors[-1:]
        merge = cast(ProcessorSettings, config.processors[last[0]]).merge() if last else None
        if exporter_id in pipeline.exporters and merge is not None:
            merges[signal_of(name)] = merge
    return merges


def name_before(signal: Signal, exporter_id: str) -> str:
    """The name of the pipeline of an exporter's own processor."""
    return f"{signal.value} before {exporter_id}"


class _Fingerprints:
    def __init__(self, config: Config) -> None:
        self._config = config

    def all(self) -> Iterator[tuple[Key, Fingerprint]]:
        config, service = self._config, self._config.service
        for each in service.extensions:
            yield Key("extensions", each), self._of(config.extensions[each])
        for each in used(config, "exporters"):
            yield from self._exporter(each)
        for each in used(config, "connectors"):
            yield Key("connectors", each), self._of(config.connectors[each])
        for each in used(config, "receivers"):
            yield Key("receivers", each), self._of(config.receivers[each])
        for name, pipeline in service.pipelines.items():
            for each in pipeline.processors:
                if cast(ProcessorSettings, config.processors[each]).merge() is None:
                    yield Key("processors", each, name), self._of(config.processors[each])
        if service.telemetry.metrics.listen is not None:
            yield Key("service", "telemetry::metrics"), self._of(service.telemetry.metrics)
        if service.audit is not None and service.audit.anchors is not None:
            queue = {"its exporter's queue": self._queue(service.audit.anchors.exporter)}
            yield Key("service", "audit::anchors"), {**self._of(service.audit.anchors), **queue}
        if service.admin is not None:
            yield Key("service", "admin"), self._of(service.admin)

    def _of(self, settings: Settings, among: frozenset[str] = frozenset()) -> dict[str, Any]:
        """The settings and the extensions that they name: whatever text in them is the id of one."""
        texts = {each for each in within(settings) if isinstance(each, str)}
        named = (texts & set(self._config.service.extensions)) - among
        extensions = self._config.extensions
        return {"": settings, **{f"extensions::{each}": self._of(extensions[each], among | named) for each in named}}

    def _exporter(self, exporter_id: str) -> Iterator[tuple[Key, Fingerprint]]:
        settings = cast(ExporterSettings, self._config.exporters[exporter_id])
        queue = self._queue(exporter_id)
        yield Key("queues", exporter_id), queue
        if queue["storage"] is not None and settings.dead_letter.enabled:
            yield Key("dead_letters", exporter_id), queue
        sender = {**self._of(settings), **queue, "batching": merges_before(self._config, exporter_id)}
        if settings.egress_check:
            before = inspecting(self._config, exporter_id)
            sender["the rules of egress_check"] = {
                signal: [self._config.processors[each] for each in ids] for signal, ids in before.items()
            }
        yield Key("exporters", exporter_id), sender
        for signal in Signal:
            if (own := settings.before_queue(signal)) is not None:
                yield Key("processors", exporter_id, name_before(signal, exporter_id)), {"": own}

    def _queue(self, exporter_id: str) -> dict[str, Any]:
        settings = cast(ExporterSettings, self._config.exporters[exporter_id])
        storage = storage_of(self._config.extensions, settings.sending_queue.storage)
        return {"storage": None if storage is None else dict(storage)}


def differences(old: Fingerprint, new: Fingerprint) -> list[str]:
    """What is different: paths of keys as in the configuration, and names of what else a part depends on. No values."""
    found: dict[str, None] = {}
    for name in [*old, *(each for each in new if each not in old)]:
        before, after = old.get(name), new.get(name)
        if before != after:
            found.update(dict.fromkeys([name] if name else _paths(before, after, ())))
    return list(found)


def _paths(before: object, after: object, path: tuple[str, ...]) -> Iterator[str]:
    """The keys under which two unequal values differ, as deep as both are settings of one sort."""
    if not isinstance(before, Settings) or type(before) is not type(after):
        yield "::".join(path)
        return
    names = [each for each in type(before).model_fields if getattr(before, each) != getattr(after, each)]
    for each in names:
        yield from _paths(getattr(before, each), getattr(after, each), (*path, each))
    if not names:
        yield "::".join((*path, "the files it names"))
