"""Decompression within limits."""

import gzip
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from wire.compression import Oversize, decompress


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


COMPRESSORS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("zstd", zstandard.ZstdCompressor().compress),
]


@pytest.mark.parametrize(("encoding", "compress"), COMPRESSORS)
@given(data=st.binary(max_size=3000))
def test_there_and_back(encoding: str, compress: Callable[[bytes], bytes], data: bytes) -> None:
    """What a client compressed comes out as it was."""
    assert decompress(encoding, compress(data), 3000) == data


@pytest.mark.parametrize(("encoding", "compress"), COMPRESSORS)
def test_exactly_the_limit(encoding: str, compress: Callable[[bytes], bytes]) -> None:
    """The limit itself is allowed, one byte more is not."""
    assert decompress(encoding, compress(b"a" * 5000), 5000) == b"a" * 5000
    with pytest.raises(Oversize, match=r"^the body is larger than 4999 bytes once decompressed$"):
        decompress(encoding, compress(b"a" * 5000), 4999)


@pytest.mark.parametrize(("encoding", "compress"), COMPRESSORS)
def test_bomb(encoding: str, compress: Callable[[bytes], bytes]) -> None:
    """100 MB of zeros stop at the limit."""
    with pytest.raises(Oversize):
        decompress(encoding, compress(bytes(100_000_000)), 1_000_000)


@pytest.mark.parametrize(("encoding", "compress"), COMPRESSORS)
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_cut_off(encoding: str, compress: Callable[[bytes], bytes], kept: float) -> None:
    """A body that ends early is an error, not less data."""
    body = compress(bytes(range(256)) * 50)
    with pytest.raises(ValueError, match=f"{encoding}"):
        decompress(encoding, body[: int(len(body) * kept)], 10**6)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_garbage(encoding: str) -> None:
    """The sentence names the encoding and nothing of the data."""
    with pytest.raises(ValueError, match=f"^the body is not valid {encoding}$"):
        decompress(encoding, b"patient 536-90-4399", 10**6)


@pytest.mark.parametrize(("encoding", "compress"), [COMPRESSORS[0], COMPRESSORS[3]])
def test_several_members(encoding: str, compress: Callable[[bytes], bytes]) -> None:
    """Members and frames in a row are one body (RFC 1952 §2.2, RFC 8878 §3.1)."""
    assert decompress(encoding, compress(b"one ") + compress(b"two"), 100) == b"one two"
