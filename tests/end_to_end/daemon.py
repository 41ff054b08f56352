"""Telescrub itself as a child process, on free ports, with a configuration of the test's own."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.backends.install import cache_directory
from tests.backends.process import Server, get

_RECEIVERS = {
    "otlp": {"protocols": {"grpc": {"endpoint": "@otlp_grpc@"}, "http": {"endpoint": "@otlp_http@"}}},
    "json_logs": {"endpoint": "@json_logs@"},
}


class Telescrub(Server):
    """The daemon. `exporters` are by signal, as in a configuration; `@name@` in any text is a free address.

    Everything else is as in the default configuration: all receivers, PHI redaction, batching.
    """

    program = "telescrub"

    def __init__(self, exporters: dict[str, dict[str, Any]], **sections: Any) -> None:
        super().__init__()
        self.variables: dict[str, str] = {}
        """Further variables of its environment; counts from the next start."""
        used = {signal: list(each) for signal, each in exporters.items()}
        self._config: dict[str, Any] = {
            "receivers": _RECEIVERS,
            "processors": {"drop_labels": {"labels": ["user_*"]}, "redact_phi": None, "batch": None},
            "exporters": {name: settings for each in exporters.values() for name, settings in each.items()},
            "extensions": {"health_check": {"endpoint": "@health@"}},
            "service": {
                "extensions": ["health_check"],
                "telemetry": {"metrics": {"address": "@metrics@"}, "logs": {"encoding": "json"}},
                "pipelines": {signal: _pipeline(signal, names) for signal, names in used.items()},
            },
            **sections,
        }

    def executable(self) -> Path:
        return Path(sys.executable)

    def arguments(self) -> list[str]:
        self._config.setdefault("extensions", {}).setdefault(
            "file_storage", {"directory": str(self.directory / "queue")}
        )
        text = yaml.safe_dump(self._config)
        for name in ("otlp_grpc", "otlp_http", "json_logs", "health", "metrics"):
            text = text.replace(f"@{name}@", self.address(name))
        config = self.directory / "telescrub.yaml"
        config.write_text(text)
        return ["-m", "pipeline", "run", "--config", str(config)]

    def environment(self) -> dict[str, str]:
        # Rules that are compiled are kept there: once for all daemons, which takes each ten seconds otherwise.
        return {**super().environment(), "XDG_CACHE_HOME": str(cache_directory()), **self.variables}

    def is_ready(self) -> bool:
        return get(f"http://{self.address('health')}/").status == 200

    def url(self, name: str) -> str:
        """The HTTP address of one of its ports."""
        return f"http://{self.address(name)}"

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a self-metric over the series that have these labels."""
        series = get(f"{self.url('metrics')}/metrics/summary").json()
        found = (sample for samples in series.values() for sample in samples if sample["name"] == name)
        return sum(float(each["value"]) for each in found if labels.items() <= each["labels"].items())

    def memory_bytes(self) -> int:
        """Resident memory at its highest."""
        return self._status("VmHWM") * 1024

    def resident_bytes(self) -> int:
        """Resident memory now."""
        return self._status("VmRSS") * 1024

    def threads(self) -> int:
        return self._status("Threads")

    def open_files(self) -> int:
        """File descriptors, sockets among them."""
        assert self._process is not None
        return len(list(Path(f"/proc/{self._process.pid}/fd").iterdir()))

    def queue_bytes(self) -> int:
        """Size of all files of queues and dead letters, which are in a folder of its own; but for the index of SQLite's
        log, which is as long as it ever was while the file is open.
        """
        files = (path for path in (self.directory / "queue").iterdir() if not path.name.endswith("-shm"))
        return sum(path.stat().st_size for path in files)

    def _status(self, field: str) -> int:
        """proc(5), /proc/pid/status."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith(field)).split()[1])

    def cpu_seconds(self) -> float:
        """CPU time it has used since it was last started."""
        assert self._process is not None
        # proc(5): fields 14 and 15 are utime and stime, in clock ticks; the program's name before them has no space.
        used = Path(f"/proc/{self._process.pid}/stat").read_text().split()[13:15]
        return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")

    def shutdown_timeout(self, seconds: str) -> None:
        """Set the deadline for stopping; counts from the next start."""
        self._config["service"]["shutdown_timeout"] = seconds

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def tell_to_stop(self) -> None:
        """SIGTERM, without waiting."""
        self.send_signal(signal.SIGTERM)

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def exit_code(self, seconds: float) -> int:
        """Wait for its end."""
        assert self._process is not None
        return self._process.wait(seconds)


def _pipeline(signal_name: str, exporters: list[str]) -> dict[str, list[str]]:
    receivers = ["otlp", "json_logs"] if signal_name == "logs" else ["otlp"]
    dropping = ["drop_labels"] if signal_name == "metrics" else []
    return {"receivers": receivers, "processors": ["redact_phi", *dropping, "batch"], "exporters": exporters}
