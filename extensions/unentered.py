"""What extensions are that have nothing to start or stop."""

from types import TracebackType
from typing import Self

__all__ = ["Unentered"]


class Unentered:
    """Entering and leaving do nothing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return
