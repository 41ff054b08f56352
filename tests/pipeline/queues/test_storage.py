"""The settings of a folder of queue files."""

import base64
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.queues.storage import StorageSettings, storage_of

KEY = bytes(range(32))


def test_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own, else `queue` where the daemon keeps its data."""
    assert StorageSettings.model_validate({"directory": "/data/q"}).folder == Path("/data/q")
    monkeypatch.setenv("TELESCRUB_DATA_DIR", "/data")
    assert StorageSettings().folder == Path("/data/queue")
    monkeypatch.delenv("TELESCRUB_DATA_DIR")
    assert StorageSettings().folder == Path("telescrub-data/queue")


def test_no_two_exporters_share_a_file() -> None:
    """Ids become names of files that stay in the folder and differ as the ids do."""
    storage = StorageSettings(directory=Path("/q"))
    ids = ["loki", "loki/a", "loki%2Fa", "loki/a/b", "..", "loki/é", "loki a"]
    files = [storage.file(each) for each in ids]
    assert len(set(files)) == len(ids)
    assert {each.parent for each in files} == {Path("/q")}
    assert files[1].name == "loki%2Fa.queue"


@pytest.mark.parametrize("text", [KEY.hex(), base64.b64encode(KEY).decode(), f"{KEY.hex()}\n"])
def test_keys(text: str) -> None:
    """32 bytes in hex or base64, also with the newline that a file ends with; never shown."""
    storage = StorageSettings.model_validate({"encryption_key": text, "previous_keys": [text]})
    assert (storage.key(), storage.other_keys()) == (KEY, [KEY])
    assert KEY.hex() not in repr(storage)


@pytest.mark.parametrize("text", ["", "secret", "11" * 31, base64.b64encode(KEY[:16]).decode(), "zz" * 32])
def test_no_keys(text: str) -> None:
    """What is no key is refused without being shown."""
    with pytest.raises(ValidationError) as caught:
        StorageSettings.model_validate({"encryption_key": text})
    assert "this is no key; give 32 bytes in hex or base64, as `openssl rand -hex 32` makes them" in str(caught.value)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"fsync": False}, "fsync cannot be switched off: what was acknowledged must survive a power cut; remove it"),
        (
            {"recreate": True},
            "a damaged file is never thrown away: what is readable of it is kept, and it is moved aside; remove it",
        ),
        (
            {"compaction": {"on_start": True}},
            "queue files give space back by themselves as they are worked off; remove it",
        ),
    ],
)
def test_told_no(section: dict[str, object], sentence: str) -> None:
    """Keys of the Collector that would break a promise, or that nothing is left to do for."""
    with pytest.raises(ValidationError) as caught:
        StorageSettings.model_validate(section)
    assert [each["msg"] for each in caught.value.errors()] == [f"Value error, {sentence}"]


def test_which_storage() -> None:
    """The one that is named, a default one if there is none of that id, and none for `none`."""
    fast = StorageSettings(directory=Path("/fast"))
    assert storage_of({"file_storage/fast": fast}, "file_storage/fast") is fast
    assert storage_of({}, "file_storage") == StorageSettings()
    assert storage_of({"file_storage": fast}, "none") is None
