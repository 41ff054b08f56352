"""The end of the way for the tests of receivers."""

from pipeline.batch import Batch


class Consuming:
    """Keeps what it is given; answers first with the errors it was made with, then with success."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.payloads: list[bytes] = []

    async def consume(self, batch: Batch) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.payloads.append(batch.payload)
