"""The limits of a queue, and the Collector's keys that are told no."""

import math

import pytest
from pydantic import ValidationError

from pipeline.queues.settings import QueueSettings


def test_limits_on_disk_and_in_memory() -> None:
    """As many requests as fit into 1 GiB on disk; 1000 and 256 MiB in memory."""
    queue = QueueSettings()
    assert dict(queue.limits(is_durable=True)) == {"bytes": 2**30}
    assert dict(queue.limits(is_durable=False)) == {"requests": 1000, "bytes": 256 * 2**20}
    assert queue.most("items", is_durable=True) == math.inf


def test_limits_of_ones_own() -> None:
    """The unit of the sizer first, and the smaller of two limits of one unit."""
    queue = QueueSettings.model_validate({"sizer": "items", "queue_size": 50, "max_items": 20, "max_bytes": "1MiB"})
    assert list(queue.limits(is_durable=True)) == [("items", 20), ("bytes", 2**20)]


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        (
            {"enabled": False},
            "the queue cannot be switched off; it keeps what was acknowledged; limit it with queue_size",
        ),
        (
            {"wait_for_result": True},
            "clients are answered when a batch is stored, so that slow destinations keep nobody waiting; remove it",
        ),
        (
            {"block_on_overflow": True},
            "a full queue tells clients when to come back instead of letting them wait; remove it, or see when_full",
        ),
        (
            {"batch": {"min_size": 10}},
            "what waits is merged as the batch processor says; put one last into the pipelines",
        ),
        ({"max_bytes": 0}, "a queue must be able to hold something; give a size such as 1GiB"),
    ],
)
def test_told_no(section: dict[str, object], sentence: str) -> None:
    """With the reason and what to do instead."""
    with pytest.raises(ValidationError) as caught:
        QueueSettings.model_validate(section)
    assert [each["msg"] for each in caught.value.errors()] == [f"Value error, {sentence}"]


def test_the_collectors_defaults_are_taken() -> None:
    """Keys that say what is so anyway do no harm."""
    section = {"enabled": True, "wait_for_result": False, "block_on_overflow": False, "storage": "file_storage/fast"}
    assert QueueSettings.model_validate(section).storage == "file_storage/fast"
