"""The `file_storage` extension: the folder in which exporters keep what waits to be sent, so that it survives the
daemon. Exporters name it in `sending_queue::storage`.
"""

from extensions.unentered import Unentered
from pipeline.component import Context, ExtensionSettings
from pipeline.queues.storage import StorageSettings

__all__ = ["FileStorage", "FileStorageSettings"]


class FileStorageSettings(StorageSettings, ExtensionSettings):
    """Settings of `file_storage`, with the Collector's keys."""

    def build(self, context: Context) -> "FileStorage":
        return FileStorage()


class FileStorage(Unentered):
    """Does nothing of its own: each queue opens its file in the folder that the settings name."""
