"""How much memory the process may use, and the refusing of data when that is too much: behind `memory_limiter`, as a
processor and as an extension.

Memory is the resident set of the process, which includes what the kernel counts against a container but not what it
could take back; Python gives freed memory back late, so leave room.
"""

import math
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from config.settings import Seconds, Settings
from pipeline.errors import Refused
from pipeline.garbage import give_back

__all__ = ["MemoryLimit", "MemoryLimitSettings", "available_bytes", "resident_bytes"]

_MIB = 2**20


class MemoryLimitSettings(Settings):
    """The Collector's settings of `memory_limiter`."""

    check_interval: Seconds = 1.0
    """How often memory is looked at; the Collector recommends one second and has no default."""
    limit_mib: int = Field(default=0, ge=0)
    """The hard limit in MiB; goes before `limit_percentage`."""
    spike_limit_mib: int = Field(default=0, ge=0)
    """How far below the hard limit refusing starts, in MiB: what may come between two checks. 0 = 20 % of the limit."""
    limit_percentage: int = Field(default=0, ge=0, le=100)
    """The hard limit in percent of the memory the process may use: its cgroup's limit, or all of the machine."""
    spike_limit_percentage: int = Field(default=0, ge=0, le=100)
    """As `spike_limit_mib`, in percent of the same memory. 0 = 20 % of the limit."""
    min_gc_interval_when_soft_limited: Seconds = Field(default=10.0, ge=0)
    """Above the soft limit, memory that nothing uses is given back to the system at most this often: else a process
    that refuses everything, and so frees nothing, could stay above it for ever."""
    min_gc_interval_when_hard_limited: Seconds = Field(default=0.0, ge=0)
    """The same above the hard limit. 0 = at each check."""

    @field_validator("check_interval")
    @classmethod
    def _checks(cls, value: float) -> float:
        if value <= 0:
            raise ValueError("check_interval must be greater than zero; 1s is a good value")
        return value

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if not self.limit_mib and not self.limit_percentage:
            raise ValueError("limit_mib or limit_percentage must be greater than zero")
        if self.limit_mib and self.spike_limit_mib >= self.limit_mib:
            raise ValueError("spike_limit_mib must be smaller than limit_mib")
        if self.limit_percentage and self.spike_limit_percentage >= self.limit_percentage:
            raise ValueError("spike_limit_percentage must be smaller than limit_percentage")
        return self

    def limits(self, available: Callable[[], int]) -> tuple[int, int]:
        """The soft and the hard limit in bytes; `available` says what percentages are of."""
        if self.limit_mib:
            hard, spike = self.limit_mib * _MIB, self.spike_limit_mib * _MIB
        else:
            total = available()
            hard, spike = total * self.limit_percentage // 100, total * self.spike_limit_percentage // 100
        return hard - (spike or hard // 5), hard


class MemoryLimit:
    """Looks at the process's memory at most once per interval; above the soft limit nothing is let in. Before that is
    decided what is unused is given back, now and then.
    """

    def __init__(
        self,
        name: str,
        settings: MemoryLimitSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], int] | None = None,
        available: Callable[[], int] | None = None,
        give_back: Callable[[], None] = give_back,
    ) -> None:
        self._name, self._settings = name, settings
        self._interval = settings.check_interval
        self._soft, self._hard = settings.limits(available or available_bytes)
        self._clock = clock
        self._used = used or resident_bytes
        self._give_back = give_back
        self._next_check, self._given_back = -math.inf, -math.inf
        self._bytes = 0

    def admit(self) -> None:
        """`pipeline.component.Guard`. Raises: `Refused` above the soft limit."""
        now = self._clock()
        if now >= self._next_check:
            self._next_check = now + self._interval
            self._bytes = self._measure(now)
        if self._bytes > self._soft:
            raise Refused(
                f"{self._name}: the process uses {self._bytes // _MIB} MiB of memory and refuses data "
                f"above {self._soft // _MIB} MiB; retry after {self._interval:g} s",
                retry_after_seconds=self._interval,
                reason="memory",
            )

    def _measure(self, now: float) -> int:
        used, settings = self._used(), self._settings
        is_hard = used > self._hard
        interval = settings.min_gc_interval_when_hard_limited if is_hard else settings.min_gc_interval_when_soft_limited
        if used <= self._soft or now - self._given_back < interval:
            return used
        self._given_back = now
        self._give_back()
        return self._used()


def resident_bytes(statm: Path = Path("/proc/self/statm")) -> int:
    """The resident set of this process in bytes.

    Without /proc (macOS) its peak so far, which never goes down: a process that was once over the limit refuses until
    it is restarted.
    """
    try:
        # Read in the event loop, without buffers: it is a number in the kernel, and nothing waits for it.
        file = os.open(statm, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return int(os.read(file, 256).split()[1]) * os.sysconf("SC_PAGE_SIZE")
        finally:
            os.close(file)
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def available_bytes(root: Path = Path("/")) -> int:
    """What the process may use in bytes: the smallest limit of its cgroups (version 2 or 1) or the machine's memory."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([total, *_cgroup_limits(root)])


def _cgroup_limits(root: Path) -> list[int]:
    base = root / "sys/fs/cgroup"
    files = [base / "memory/memory.limit_in_bytes"]
    group = base / _own_cgroup(root / "proc/self/cgroup")
    files += [directory / "memory.max" for directory in (group, *group.parents) if directory.is_relative_to(base)]
    return [int(text) for text in map(_read, files) if text.isdigit()]


def _own_cgroup(file: Path) -> str:
    """The process's path below the version 2 hierarchy; empty where there is none."""
    paths = [line.removeprefix("0::").strip("/") for line in _read(file).splitlines() if line.startswith("0::")]
    return paths[0] if paths else ""


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
