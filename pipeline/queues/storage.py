"""Where durable queues are kept on disk: the Collector's `file_storage`, which its keys are taken from."""

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar
from urllib.parse import quote

from pydantic import AfterValidator, Field, field_validator

from config.settings import ByteSize, Seconds, Secret, Settings

__all__ = ["NO_STORAGE", "StorageSettings", "storage_of"]

NO_STORAGE = "none"
"""The `storage` of a queue that is in memory alone."""

_KEY_BYTES = 32
_SENTENCE = "this is no key; give 32 bytes in hex or base64, as `openssl rand -hex 32` makes them"


def _key_bytes(text: str) -> bytes:
    try:
        key = bytes.fromhex(text) if len(text) == 2 * _KEY_BYTES else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != _KEY_BYTES:
        raise ValueError(_SENTENCE)
    return key


def _is_key(secret: Secret) -> Secret:
    _key_bytes(secret.get_secret_value().strip())
    return secret


Key = Annotated[Secret, AfterValidator(_is_key)]


class StorageSettings(Settings):
    """Settings of a folder of queue files."""

    stores: ClassVar[bool] = True

    directory: Path | None = None
    """The folder: one file for each exporter, readable by this user alone. By default `queue` in the folder that
    `TELESCRUB_DATA_DIR` names, or in `./telescrub-data`. On a disk of the machine: a network file system must keep
    locks and fsync, which few do."""
    create_directory: bool = True
    """Make the folder if it is not there; off, a missing one (a disk that is not mounted) keeps the daemon from
    starting."""
    timeout: Seconds = Field(default=1.0, ge=0)
    """How long to wait for another process that reads a file, such as a command of an operator."""
    reserve: ByteSize = Field(default=100 * 2**20, ge=0)
    """Space on the disk that queues leave free: below it they refuse what is new, while there is still room to work off
    what they have."""
    encryption_key: Key | None = None
    """With a key of 32 bytes (hex or base64, from `${env:…}` or `${file:…}`), what is written is encrypted by
    AES-256-GCM. What was written before is still read."""
    previous_keys: list[Key] = Field(default_factory=list)
    """Keys that were used before: what they encrypted can be read until it is sent."""
    fsync: bool = True
    """Always on: without it, an acknowledged request is lost in a power cut. Only `true` is taken."""
    recreate: bool = False
    """The Collector's switch to begin anew when a file is damaged. Here what is readable of a damaged file is always
    kept and the file moved aside, so only `false` is taken."""
    compaction: None = None
    """The Collector's settings for giving space back. Here files shrink by themselves, so it cannot be set."""

    @field_validator("fsync")
    @classmethod
    def _syncs(cls, fsync: bool) -> bool:
        if not fsync:
            raise ValueError("fsync cannot be switched off: what was acknowledged must survive a power cut; remove it")
        return fsync

    @field_validator("recreate")
    @classmethod
    def _salvages(cls, recreate: bool) -> bool:
        if recreate:
            raise ValueError(
                "a damaged file is never thrown away: what is readable of it is kept, and it is moved aside; remove it"
            )
        return recreate

    @field_validator("compaction", mode="before")
    @classmethod
    def _shrinks(cls, compaction: Any) -> None:
        if compaction is not None:
            raise ValueError("queue files give space back by themselves as they are worked off; remove it")

    @property
    def folder(self) -> Path:
        """The folder, whoever named it."""
        return self.directory or Path(os.environ.get("TELESCRUB_DATA_DIR") or "./telescrub-data") / "queue"

    def file(self, exporter_id: str, ending: str = "queue") -> Path:
        """The file of an exporter with this ending, that of its queue by default; no two have the same."""
        return self.folder / f"{quote(exporter_id, safe='')}.{ending}"

    def key(self) -> bytes | None:
        """What new entries are encrypted with."""
        return None if self.encryption_key is None else _key_bytes(self.encryption_key.get_secret_value().strip())

    def other_keys(self) -> list[bytes]:
        """What older entries may be encrypted with."""
        return [_key_bytes(each.get_secret_value().strip()) for each in self.previous_keys]


def storage_of(extensions: Mapping[str, Settings], storage_id: str) -> StorageSettings | None:
    """The storage that a queue names; None for a queue in memory. One that is not defined is the default, which the
    configuration has been checked for.
    """
    if storage_id == NO_STORAGE:
        return None
    settings = extensions.get(storage_id)
    return settings if isinstance(settings, StorageSettings) else StorageSettings()
