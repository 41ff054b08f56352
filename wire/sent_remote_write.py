"""What a remote-write request says, 1.0 (`prometheus.WriteRequest`) or 2.0 (`io.prometheus.write.v2.Request`).

1.0: 1 timeseries {1 label {1 name, 2 value}, 3 exemplar {1 label}}, 3 metadata {2 name, 4 help, 5 unit}
2.0: 4 symbols, 5 timeseries {1 label references, 4 exemplar {1 label references}, 5 metadata {3 help, 4 unit}}
"""

from collections.abc import Iterator

import snappy

from wire.protobuf import fields
from wire.sent import as_logs, before_mapping, pair, text

__all__ = ["said"]

_UNDER_OTHER_NAMES = {"job": "service.name", "instance": "service.instance.id"}
_TEXTS = frozenset({"__name__", "__unit__", "otel_scope_name", "otel_scope_version", "otel_scope_schema_url"})
"""Labels that OTLP has fields for, which are no attributes."""

Label = tuple[bytes, bytes]


def said(body: bytes) -> bytes:
    """All labels and texts of a request, each once, as a logs payload.

    Raises: an exception for what is no such request.
    """
    message = snappy.decompress(body)
    labels: dict[Label, None] = {}
    others: dict[bytes, None] = {}
    symbols = [message[start:end] for number, _, start, end in fields(message, 0, len(message)) if number == 4]
    for number, _, start, end in fields(message, 0, len(message)):
        if number == 1:
            _series_v1(message, start, end, labels)
        elif number == 3:
            _metadata(message, start, end, labels, others)
        elif number == 5:
            _series_v2(message, start, end, symbols, labels)
    # Help texts of 2.0 are symbols that no label uses.
    others |= dict.fromkeys(set(symbols) - {each for label in labels for each in label})
    pairs, texts = [], [text(other.decode()) for other in others]
    for key, value in labels:
        name = key.decode()
        if name in _TEXTS:
            # Prometheus' names may have colons, which in a text would come after a key.
            texts += text(value.decode().replace(":", " ")), before_mapping(value.decode())
        else:
            pairs.append(pair(_UNDER_OTHER_NAMES.get(name, name), value.decode()))
    texts += [before_mapping(name.decode()) for name in {key for key, _ in labels}]
    return as_logs(pairs, texts)


def _series_v1(message: bytes, start: int, end: int, labels: dict[Label, None]) -> None:
    for number, _, begin, stop in fields(message, start, end):
        if number == 1:
            labels[_label(message, begin, stop)] = None
        elif number == 3:
            _exemplar_v1(message, begin, stop, labels)


def _exemplar_v1(message: bytes, start: int, end: int, labels: dict[Label, None]) -> None:
    for number, _, begin, stop in fields(message, start, end):
        if number == 1:
            labels[_label(message, begin, stop)] = None


def _label(message: bytes, start: int, end: int) -> Label:
    parts = {number: message[begin:stop] for number, _, begin, stop in fields(message, start, end)}
    return parts.get(1, b""), parts.get(2, b"")


def _metadata(message: bytes, start: int, end: int, labels: dict[Label, None], others: dict[bytes, None]) -> None:
    for number, _, begin, stop in fields(message, start, end):
        if number == 2:
            labels[b"__name__", message[begin:stop]] = None
        elif number == 5:
            labels[b"__unit__", message[begin:stop]] = None
        elif number == 4:
            others[message[begin:stop]] = None


def _series_v2(message: bytes, start: int, end: int, symbols: list[bytes], labels: dict[Label, None]) -> None:
    for number, _, begin, stop in fields(message, start, end):
        if number == 1:
            references = [symbols[each] for each in _packed(message[begin:stop])]
            labels |= dict.fromkeys(zip(references[::2], references[1::2], strict=True))
        elif number == 4:
            _series_v2(message, begin, stop, symbols, labels)
        elif number == 5:
            _unit_v2(message, begin, stop, symbols, labels)


def _unit_v2(message: bytes, start: int, end: int, symbols: list[bytes], labels: dict[Label, None]) -> None:
    for number, _, begin, stop in fields(message, start, end):
        if number == 4:
            labels[b"__unit__", symbols[next(_packed(message[begin:stop]))]] = None


def _packed(content: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in content:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield number
            number = shift = 0
