"""`memory_limiter`: turns senders away while the process uses too much memory, before the operating system ends it.

Put it first in every pipeline. Above the soft limit (limit − spike) batches are refused, so that senders keep them and
try again; above the hard limit garbage is collected once before that is decided. Memory is the resident set of the
process, which includes what the kernel counts against a container but not what it could take back; Python gives freed
memory back late, so leave room.
"""

import gc
import math
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from config.settings import Seconds
from pipeline.batch import Batch
from pipeline.component import Context, ProcessorSettings
from pipeline.errors import Refused

__all__ = ["MemoryLimiter", "MemoryLimiterSettings", "available_bytes", "resident_bytes"]

_MIB = 2**20


class MemoryLimiterSettings(ProcessorSettings):
    """The Collector's `memory_limiter` processor."""

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

    @field_validator("check_interval")
    @classmethod
    def _checks(cls, value: float) -> float:
        if value <= 0:
            raise ValueError("check_interval must be greater than zero; 1s is a good value")
        return value

    @model_validator(mode="after")
    def _limits(self) -> "MemoryLimiterSettings":
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

    def build(self, context: Context) -> "MemoryLimiter":
        return MemoryLimiter(self, context)


class MemoryLimiter:
    """Looks at the process's memory at most once per interval and refuses batches while it is above the soft limit."""

    def __init__(
        self,
        settings: MemoryLimiterSettings,
        context: Context,
        *,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], int] | None = None,
        available: Callable[[], int] | None = None,
    ) -> None:
        self._id = context.id
        self._interval = settings.check_interval
        self._soft, self._hard = settings.limits(available or available_bytes)
        self._clock = clock
        self._used = used or resident_bytes
        self._next_check = -math.inf
        self._bytes = 0

    def process(self, batch: Batch) -> Batch:
        """The batch as it is. Raises: `Refused` above the soft limit."""
        now = self._clock()
        if now >= self._next_check:
            self._next_check = now + self._interval
            self._bytes = self._measure()
        if self._bytes > self._soft:
            raise Refused(
                f"{self._id}: the process uses {self._bytes // _MIB} MiB of memory and refuses data "
                f"above {self._soft // _MIB} MiB; retry after {self._interval:g} s",
                retry_after_seconds=self._interval,
            )
        return batch

    def _measure(self) -> int:
        used = self._used()
        if used <= self._hard:
            return used
        gc.collect()
        return self._used()


def resident_bytes(statm: Path = Path("/proc/self/statm")) -> int:
    """The resident set of this process in bytes.

    Without /proc (macOS) its peak so far, which never goes down: a process that was once over the limit refuses until
    it is restarted.
    """
    try:
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
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
