"""Request bodies that are made already, taken apart again: halved to find a bad series, or 2.0 written as 1.0."""

from collections.abc import Callable, Iterator
from zlib import crc32

import snappy

from wire.protobuf import fields, length_delimited
from wire.remote_write_encode import label_field

__all__ = ["as_1_0", "halves"]

_SERIES = {False: 1, True: 5}
"""The field of a request that holds series, in 1.0 and in 2.0."""
_SYMBOLS, _SCHEMA, _CUSTOM = 4, 4, 105
"""-53, the schema of custom buckets, in zigzag."""

Rename = Callable[[str, str], tuple[str, str]]
"""A label's name and value as 1.0 may have them."""


def halves(body: bytes, *, two: bool) -> list[tuple[bytes, int]]:
    """Two bodies with half of the series of a body each, and how many they have; by a hash of the labels, so that the
    first ones are a fair sample even where all series of one host are bad.

    What has the same labels stays together, in order, and is parted when nothing else is left. Of one series a list
    with that alone; of none, as of metadata, an empty one.
    """
    raw = snappy.decompress(body)
    rest = b""
    by_labels: dict[bytes, list[bytes]] = {}
    for number, begin, content, end in fields(raw, 0, len(raw)):
        if number == _SERIES[two]:
            by_labels.setdefault(_label_bytes(raw, content, end), []).append(raw[begin:end])
        else:
            rest += raw[begin:end]
    units = [by_labels[labels] for labels in sorted(by_labels, key=crc32)]
    if len(units) == 1:
        units = [[series] for series in units[0]]
    middle = (len(units) + 1) // 2
    parts = [[series for unit in half for series in unit] for half in (units[:middle], units[middle:])]
    return [(snappy.compress(rest + b"".join(part)), len(part)) for part in parts if part]


def _label_bytes(raw: bytes, start: int, end: int) -> bytes:
    return b"".join(raw[content:stop] for number, _, content, stop in fields(raw, start, end) if number == 1)


def as_1_0(body: bytes, rename: Rename) -> tuple[bytes, int]:
    """A body of 2.0 as one of 1.0, and how many series of it cannot be: those with custom buckets.

    Start times and metadata are left out, as 1.0 has no place for them.
    """
    raw = snappy.decompress(body)
    symbols: list[str] = []
    out = bytearray()
    left_out = 0
    for number, _, content, end in fields(raw, 0, len(raw)):
        if number == _SYMBOLS:
            symbols.append(raw[content:end].decode())
        elif (series := _series(raw, content, end, symbols, rename)) is None:
            left_out += 1
        else:
            out += length_delimited(0x0A, series)
    return snappy.compress(bytes(out)), left_out


def _series(raw: bytes, start: int, end: int, symbols: list[str], rename: Rename) -> bytes | None:
    out = bytearray()
    for number, _, content, stop in fields(raw, start, end):
        if number == 1:
            out += _labels(raw[content:stop], symbols, rename)
        elif number == 2:
            out += length_delimited(0x12, _without(raw, content, stop, 3))
        elif number == 3:
            if _has_custom_buckets(raw, content, stop):
                return None
            out += length_delimited(0x22, _without(raw, content, stop, 17))
        elif number == 4:
            out += length_delimited(0x1A, _exemplar(raw, content, stop, symbols, rename))
    return bytes(out)


def _labels(packed: bytes, symbols: list[str], rename: Rename) -> bytes:
    """Names that become one by renaming have their values joined, as elsewhere."""
    texts = [symbols[ref] for ref in _varints(packed)]
    labels: dict[str, list[str]] = {}
    for name, value in zip(texts[::2], texts[1::2], strict=True):
        new_name, new_value = rename(name, value)
        labels.setdefault(new_name, []).append(new_value)
    return b"".join([label_field(name, ";".join(values)) for name, values in sorted(labels.items())])


def _exemplar(raw: bytes, start: int, end: int, symbols: list[str], rename: Rename) -> bytes:
    labels = b"".join(
        _labels(raw[content:stop], symbols, rename)
        for number, _, content, stop in fields(raw, start, end)
        if number == 1
    )
    return labels + _without(raw, start, end, 1)


def _without(raw: bytes, start: int, end: int, left_out: int) -> bytes:
    return b"".join(raw[begin:stop] for number, begin, _, stop in fields(raw, start, end) if number != left_out)


def _has_custom_buckets(raw: bytes, start: int, end: int) -> bool:
    return any(
        number == _SCHEMA and list(_varints(raw[content:stop])) == [_CUSTOM]
        for number, _, content, stop in fields(raw, start, end)
    )


def _varints(packed: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in packed:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield value
            value = shift = 0
