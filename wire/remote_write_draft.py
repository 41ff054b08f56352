"""A request in the making: the encoder, and what several series of one request share."""

from collections.abc import Iterable
from typing import Any

from wire.remote_write_encode import Encoder, varint
from wire.remote_write_exemplars import Exemplar
from wire.remote_write_series import Family, Piece, piece

__all__ = ["Draft"]


class Draft:
    """One request: `two` for version 2.0; `samples`, of which `histograms` are native ones, and data points so far."""

    def __init__(self, two: bool) -> None:
        self.two = two
        self.encoder = Encoder(two)
        self.samples = self.histograms = self.points = 0
        self._metadata: dict[int, tuple[Family, bytes]] = {}
        self._parts: dict[int, tuple[Any, list[bytes]]] = {}

    def metadata(self, family: Family) -> bytes:
        """The metadata field of a series; nothing in 1.0."""
        if not self.two:
            return b""
        # By identity, which is quick; the family is kept, so that its id stays its own.
        if (found := self._metadata.get(id(family))) is None:
            content = b"\x08" + varint(family.type) if family.type else b""
            if family.help:
                content += b"\x18" + self.encoder.ref(family.help)
            if family.unit:
                content += b"\x20" + self.encoder.ref(family.unit)
            found = self._metadata[id(family)] = family, b"\x2a" + varint(len(content)) + content
        return found[1]

    def parts(self, pieces: list[Piece]) -> list[bytes]:
        """The labels that tell the parts of a histogram apart, as they stand in series of this request."""
        if not self.two:
            return pieces  # type: ignore[return-value]
        if (found := self._parts.get(id(pieces))) is None:
            found = self._parts[id(pieces)] = pieces, [self.encoder.refs(one) for one in pieces]
        return found[1]

    def exemplars(self, exemplars: Iterable[Exemplar]) -> bytes:
        """The exemplar fields of a series."""
        encoder = self.encoder
        fields = []
        for labels, value, timestamp in exemplars:
            fields.append(encoder.exemplar(encoder.refs(piece(labels, self.two)), value, timestamp))
        return b"".join(fields)
