"""Decompression that never makes more than it is allowed to."""

import zlib

import zstandard

__all__ = ["ENCODINGS", "Oversize", "decompress"]

ENCODINGS = ("gzip", "deflate", "zstd")
"""The Content-Encodings that can be read, beside none."""

_ZSTD_MAX_WINDOW_BYTES = 8 * 2**20
"""RFC 8878 §3.1.1.1.2 asks decoders to take windows of 8 MB; a larger one is only a way to use memory."""


class Oversize(ValueError):
    """The data becomes larger than allowed."""


def decompress(encoding: str, data: bytes, max_bytes: int) -> bytes:
    """`data` out of its encoding, one of `ENCODINGS`.

    Raises: `Oversize` for more than `max_bytes`, `ValueError` for data that is cut off or not in the encoding.
    """
    try:
        out = _zstd(data, max_bytes) if encoding == "zstd" else _zlib(encoding, data, max_bytes)
    except (zlib.error, zstandard.ZstdError):
        raise ValueError(f"the body is not valid {encoding}") from None
    if len(out) > max_bytes:
        raise Oversize(f"the body is larger than {max_bytes} bytes once decompressed")
    return out


_ZSTD_PIECE_BYTES = 1024
"""Fed in pieces, because the stream has no limit of its own for its output: a piece of this size makes 32 MiB at the
very most.
"""


def _zstd(data: bytes, max_bytes: int) -> bytes:
    """One frame or several in a row (RFC 8878 §3.1)."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_MAX_WINDOW_BYTES)
    out = bytearray()
    frame = decompressor.decompressobj()
    for start in range(0, len(data), _ZSTD_PIECE_BYTES):
        piece = data[start : start + _ZSTD_PIECE_BYTES]
        while piece and len(out) <= max_bytes:
            if frame.eof:
                frame = decompressor.decompressobj()
            out += frame.decompress(piece)
            piece = frame.unused_data
    if not frame.eof and len(out) <= max_bytes:
        raise ValueError("the zstd body is cut off")
    return bytes(out)


def _zlib(encoding: str, data: bytes, max_bytes: int) -> bytes:
    """gzip, of several members too (RFC 1952 §2.2); deflate with the zlib wrapper or, as some clients send it,
    without.
    """
    if encoding == "gzip":
        bits = zlib.MAX_WBITS | 16
    else:
        bits = zlib.MAX_WBITS if data[:1] and data[0] & 0x0F == 8 else -zlib.MAX_WBITS
    out = bytearray()
    while data and len(out) <= max_bytes:
        member = zlib.decompressobj(bits)
        out += member.decompress(data, max_bytes + 1 - len(out))
        if not member.eof and len(out) <= max_bytes:
            raise ValueError(f"the {encoding} body is cut off")
        data = member.unused_data
    return bytes(out)
