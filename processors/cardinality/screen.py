"""`telescrub cardinality`: the report of a running daemon, for people at a terminal and for scripts."""

from collections.abc import Iterator, Sequence
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

import orjson
from rich.console import Console
from rich.table import Table

__all__ = ["fetch", "show", "url_of"]

_TIMEOUT_SECONDS = 10.0
_NOTHING = "no processor limit_cardinality is running there"


def url_of(listen: tuple[str, int] | None) -> str:
    """Where a daemon on this machine tells its own metrics, from the host and port that it listens on.

    Raises: `ValueError` with a sentence if it does not.
    """
    if listen is None:
        raise ValueError("the configuration switches the daemon's own metrics off, and reports are told there")
    host, port = listen
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def fetch(url: str) -> list[dict[str, Any]]:
    """What each `limit_cardinality` of the daemon tells whose own metrics are at the URL, `http://127.0.0.1:8888`.

    Raises: `ValueError` with a sentence.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("give the whole address of the daemon's own metrics, such as http://127.0.0.1:8888")
    try:
        # A proxy would ask from another machine, which gets no report.
        opener = build_opener(ProxyHandler({}))
        with opener.open(f"{url.rstrip('/')}/reports/cardinality", timeout=_TIMEOUT_SECONDS) as answer:
            told = orjson.loads(answer.read())
    except HTTPError as error:
        error.close()
        raise ValueError(f"{url} answered {error.code}; reports are given on the daemon's own machine only") from None
    except (OSError, HTTPException):
        raise ValueError(f"{url} does not answer; is the daemon running, and is this where its metrics are?") from None
    except ValueError:
        raise ValueError(f"{url} answers, but not as Telescrub's own metrics do") from None
    if not told:
        raise ValueError(f"{_NOTHING}; add it to a metrics pipeline")
    return list(told)


def show(told: Sequence[dict[str, Any]], top: int, console: Console) -> None:
    """Print each processor's worst metrics, and what was decided about their labels."""
    for entry in told:
        _show(f"{entry['component']} in {entry['pipeline'] or 'no pipeline'}", entry["report"], top, console)


def _show(name: str, report: dict[str, Any], top: int, console: Console) -> None:
    table = Table("metric", "series", "of", "came in", "label", "values", "of", "", title=name, title_justify="left")
    metrics = report["metrics"]
    for metric in metrics[:top]:
        numbers = [f"{metric[key]:,}" for key in ("series", "max_series", "incoming_series")]
        labels = list(_labels(metric)) or [("", "", "", "")]
        table.add_row(metric["name"], *numbers, *labels[0])
        for label in labels[1:]:
            table.add_row("", "", "", "", *label)
    console.print(table)
    saved = sum(metric["saved_series"] for metric in metrics)
    console.print(
        f"{report['series']:,} of {report['max_series']:,} series within {report['window_seconds'] / 60:g} min, "
        f"about {saved:,} saved{' (observed only)' if report['mode'] == 'observe' else ''}; "
        f"{report['memory_bytes'] / 2**20:.1f} MiB; {min(top, len(metrics))} of {report['all_metrics']} metrics shown"
    )


def _labels(metric: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Name, values, limit and what there is to say, of the labels with something to say and of the largest."""
    if metric["closed_by"]:
        until = metric["closed_until"]
        yield "(all)", "", "", f"new series are folded or dropped ({metric['closed_by']}), until {until} at least"
    for place, label in enumerate(metric["labels"]):
        remark = _remark(label)
        if remark or place < 3:
            yield label["name"], f"{label['values']:,}", f"{label['max_values']:,}", remark


def _remark(label: dict[str, Any]) -> str:
    remarks = []
    if label["limit"]:
        remarks.append(f"{label['action']} ({label['limit']}), until {label['until']} at least")
    elif label["action"]:
        remarks.append("always dropped")
    if label["identifiers"]:
        remarks.append("values look like identifiers")
    return "; ".join(remarks)
