"""The table as text: Prometheus' format 0.0.4, and OpenMetrics 1.0."""

import math
from collections.abc import Iterable, Iterator

from exporters.prometheus_table import Family, Series, Table, Type
from exporters.prometheus_values import Buckets, Number, Quantiles
from wire.remote_write_exemplars import Exemplar
from wire.remote_write_labels import Labels, decimal_text

__all__ = ["OPEN_METRICS", "TEXT", "text"]

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
"""Content types."""


def text(table: Table, *, open_metrics: bool, timestamps: bool) -> bytes:
    """A page with every family and its series, in the order of their names."""
    page = _Page(open_metrics, timestamps)
    lines = [line for name in sorted(table.families) for line in page.family(table.families[name])]
    lines += page.target_info(table)
    if open_metrics:
        lines.append("# EOF\n")
    return "".join(lines).encode()


class _Page:
    def __init__(self, open_metrics: bool, timestamps: bool) -> None:
        self._open, self._timestamps = open_metrics, timestamps

    def family(self, family: Family) -> Iterator[str]:
        name = family.name
        if self._open and family.type is Type.COUNTER:
            name = name.removesuffix("_total")
        yield f"# TYPE {name} {self._type(family)}\n"
        if self._open and family.unit and name.endswith(f"_{family.unit}"):
            yield f"# UNIT {name} {family.unit}\n"
        if family.help:
            yield f"# HELP {name} {self._help(family.help)}\n"
        for labels, series in family.series.items():
            yield from self._series(family.name, labels, series)

    def _type(self, family: Family) -> str:
        """OpenMetrics knows no counter whose sample does not end in `_total`."""
        if self._open and family.type is Type.COUNTER and not family.name.endswith("_total"):
            return "unknown"
        return family.type.value

    def _help(self, help_text: str) -> str:
        escaped = help_text.replace("\\", r"\\").replace("\n", r"\n")
        return escaped.replace('"', r"\"") if self._open else escaped

    def _series(self, name: str, labels: Labels, series: Series) -> Iterator[str]:
        time = self._time(series.time) if self._timestamps else ""
        match series.value:
            case Number(value, exemplar):
                shown = exemplar if name.endswith("_total") else None
                yield f"{name}{_braces(labels)} {_float(value)}{time}{self._exemplar(shown)}\n"
            case Buckets() as buckets:
                yield from self._buckets(name, labels, buckets, time)
            case Quantiles(quantiles, total, count):
                for quantile, value in quantiles:
                    yield f"{name}{_braces([*labels, ('quantile', self._bound(quantile))])} {_float(value)}{time}\n"
                yield f"{name}_sum{_braces(labels)} {_float(total)}{time}\n"
                yield f"{name}_count{_braces(labels)} {count}{time}\n"

    def _buckets(self, name: str, labels: Labels, buckets: Buckets, time: str) -> Iterator[str]:
        bounds = zip([*buckets.bounds, math.inf], [*buckets.totals, buckets.count], strict=True)
        for bound, total in bounds:
            exemplar = self._exemplar(buckets.exemplars.get(bound))
            yield f"{name}_bucket{_braces([*labels, ('le', self._bound(bound))])} {total}{time}{exemplar}\n"
        if buckets.sum is not None and not self._forbids_sum(buckets):
            yield f"{name}_sum{_braces(labels)} {_float(buckets.sum)}{time}\n"
        if not self._forbids_sum(buckets):
            yield f"{name}_count{_braces(labels)} {buckets.count}{time}\n"

    def _forbids_sum(self, buckets: Buckets) -> bool:
        """OpenMetrics has no sum of what may be negative, as it could fall, and no count where there is no sum; the
        count is in the last bucket, too.
        """
        return self._open and (buckets.sum is None or any(bound < 0 for bound in buckets.bounds[:1]))

    def _bound(self, bound: float) -> str:
        """OpenMetrics wants whole numbers to look like floats; Prometheus reads either as the same since 3.0."""
        shown = decimal_text(bound)
        return f"{shown}.0" if self._open and shown.lstrip("-").isdigit() else shown

    def _time(self, nanoseconds: int) -> str:
        """Seconds in OpenMetrics, milliseconds in the older format."""
        milliseconds = nanoseconds // 1_000_000
        return f" {milliseconds / 1000:.3f}" if self._open else f" {milliseconds}"

    def _exemplar(self, exemplar: Exemplar | None) -> str:
        if exemplar is None or not self._open:
            return ""
        return f" # {_braces(exemplar.labels) or '{}'} {_float(exemplar.value)} {exemplar.timestamp / 1000:.3f}"

    def target_info(self, table: Table) -> Iterator[str]:
        if table.infos:
            name, kind = ("target", "info") if self._open else ("target_info", "gauge")
            yield f"# TYPE {name} {kind}\n# HELP {name} Target metadata\n"
        for identity, (info, _) in table.infos.items():
            yield f"target_info{_braces(sorted({**info, **dict(identity)}.items()))} 1\n"


def _braces(labels: Iterable[tuple[str, str]]) -> str:
    inside = ",".join([f'{name}="{_escape(value)}"' for name, value in labels])
    return f"{{{inside}}}" if inside else ""


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _float(value: float) -> str:
    return repr(value) if math.isfinite(value) else decimal_text(value)
