"""`batch` is a settings model that the machine reads."""

import pytest
from pydantic import ValidationError

from pipeline.queues.queue import Merge
from processors.batch import BatchSettings


def test_defaults_are_the_collectors() -> None:
    """8192 items or 200 ms, no upper limit."""
    assert BatchSettings().merge() == Merge(size=8192, max_size=0, timeout=0.2)


def test_settings_become_a_merge() -> None:
    """Each key has its place."""
    settings = BatchSettings.model_validate({"send_batch_size": 10, "send_batch_max_size": 20, "timeout": "5s"})
    assert settings.merge() == Merge(size=10, max_size=20, timeout=5.0)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (
            {"send_batch_size": 10, "send_batch_max_size": 9},
            "Value error, send_batch_max_size 9 is below send_batch_size 10; raise it, or leave it out for no limit",
        ),
        (
            {"metadata_keys": ["tenant"]},
            "Value error, no client metadata is kept with the data, "
            "so batches cannot be kept apart by it; leave it out",
        ),
    ],
)
def test_impossible_settings_are_refused(written: dict[str, object], sentence: str) -> None:
    """With what is wrong and what to do."""
    with pytest.raises(ValidationError) as caught:
        BatchSettings.model_validate(written)
    assert [error["msg"] for error in caught.value.errors()] == [sentence]
