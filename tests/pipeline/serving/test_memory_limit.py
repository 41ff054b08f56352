"""A memory limit refuses by a measured number, which is taken at most once per interval."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.errors import Refused
from pipeline.serving.memory_limit import MemoryLimit, MemoryLimitSettings, available_bytes, resident_bytes

MIB = 2**20


class Machine:
    """A clock and a memory to set, and how often memory was looked at."""

    def __init__(self) -> None:
        self.now = 100.0
        self.used = [0]
        self.looks = self.given_back = 0

    def clock(self) -> float:
        return self.now

    def memory(self) -> int:
        self.looks += 1
        return self.used[min(self.looks, len(self.used)) - 1] * MIB

    def give_back(self) -> None:
        self.given_back += 1


def limit(machine: Machine, available: Callable[[], int] | None = None, **written: object) -> MemoryLimit:
    settings = MemoryLimitSettings.model_validate(written)
    return MemoryLimit(
        "memory_limiter",
        settings,
        clock=machine.clock,
        used=machine.memory,
        available=available,
        give_back=machine.give_back,
    )


def test_passes_below_the_soft_limit() -> None:
    """Up to and including limit − spike, which is 20 % by default."""
    machine = Machine()
    machine.used = [80]
    limit(machine, limit_mib=100).admit()


def test_refuses_above_the_soft_limit() -> None:
    """With a number, and when to come back."""
    machine = Machine()
    machine.used = [81]
    with pytest.raises(Refused) as caught:
        limit(machine, limit_mib=100, check_interval="2s").admit()
    assert str(caught.value) == (
        "memory_limiter: the process uses 81 MiB of memory and refuses data above 80 MiB; retry after 2 s"
    )
    assert (caught.value.retry_after_seconds, caught.value.reason) == (2.0, "memory")
    assert (machine.looks, machine.given_back) == (2, 1)


def test_looks_once_per_interval() -> None:
    """Between two checks the last measurement decides, both ways."""
    machine = Machine()
    machine.used = [10, 95, 95, 10]
    tested = limit(machine, limit_mib=100)
    tested.admit()
    machine.now += 0.9
    tested.admit()
    assert machine.looks == 1
    machine.now += 0.1
    for _ in range(3):
        with pytest.raises(Refused):
            tested.admit()
    assert machine.looks == 3
    machine.now += 1
    tested.admit()


@pytest.mark.parametrize("used", [81, 101])
def test_gives_back_what_is_unused(used: int) -> None:
    """And measures again: if that was enough, nothing is refused."""
    machine = Machine()
    machine.used = [used, 50]
    limit(machine, limit_mib=100).admit()
    assert (machine.looks, machine.given_back) == (2, 1)


@pytest.mark.parametrize(("used", "times"), [(90, 2), (110, 11)])
def test_how_often_it_gives_back(used: int, times: int) -> None:
    """Every ten seconds above the soft limit, at each check above the hard one: it costs time in which nothing runs."""
    machine = Machine()
    machine.used = [used]
    tested = limit(machine, limit_mib=100)
    for _ in range(11):
        with pytest.raises(Refused):
            tested.admit()
        machine.now += 1
    assert machine.given_back == times


def test_refuses_when_collecting_did_not_help() -> None:
    """Above the hard limit before and after."""
    machine = Machine()
    machine.used = [150, 149]
    with pytest.raises(Refused, match=r"uses 149 MiB of memory and refuses data above 70 MiB"):
        limit(machine, limit_mib=100, spike_limit_mib=30).admit()


def test_percentages_are_of_what_is_available() -> None:
    """50 % of 1000 MiB minus 10 % of 1000 MiB."""
    settings = MemoryLimitSettings(limit_percentage=50, spike_limit_percentage=10)
    assert settings.limits(lambda: 1000 * MIB) == (400 * MIB, 500 * MIB)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ({}, "limit_mib or limit_percentage must be greater than zero"),
        ({"limit_mib": 1, "check_interval": 0}, "check_interval must be greater than zero; 1s is a good value"),
        ({"limit_mib": 5, "spike_limit_mib": 5}, "spike_limit_mib must be smaller than limit_mib"),
        (
            {"limit_percentage": 5, "spike_limit_percentage": 6},
            "spike_limit_percentage must be smaller than limit_percentage",
        ),
    ],
)
def test_impossible_settings_are_refused(written: dict[str, object], sentence: str) -> None:
    """In the Collector's terms."""
    with pytest.raises(ValidationError) as caught:
        MemoryLimitSettings.model_validate(written)
    assert [error["msg"] for error in caught.value.errors()] == [f"Value error, {sentence}"]


def test_resident_bytes_reads_statm(tmp_path: Path) -> None:
    """The second number, in pages; without the file the peak."""
    statm = tmp_path / "statm"
    statm.write_text("900 3 2 1 0 1 0\n")
    assert resident_bytes(statm) % 3 == 0
    assert resident_bytes(statm) < resident_bytes(tmp_path / "missing")


def test_cgroup_limits_are_found(tmp_path: Path) -> None:
    """The smallest of the process's own cgroup and those around it; `max` is no limit."""
    machine = available_bytes(tmp_path)
    inner = tmp_path / "sys/fs/cgroup/system.slice/telescrub.service"
    inner.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/system.slice/telescrub.service\n")
    (inner / "memory.max").write_text("max\n")
    assert available_bytes(tmp_path) == machine
    (inner.parent / "memory.max").write_text("4096\n")
    assert available_bytes(tmp_path) == 4096
    (inner / "memory.max").write_text("2048\n")
    assert available_bytes(tmp_path) == 2048


def test_cgroup_version_1_is_found(tmp_path: Path) -> None:
    """Its one file."""
    (tmp_path / "sys/fs/cgroup/memory").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory/memory.limit_in_bytes").write_text("8192\n")
    assert available_bytes(tmp_path) == 8192


def test_the_real_process_is_measured() -> None:
    """The defaults work where the tests run."""
    assert resident_bytes() > MIB
    assert available_bytes() > resident_bytes()
    MemoryLimit("m", MemoryLimitSettings(limit_percentage=100, spike_limit_percentage=1)).admit()
