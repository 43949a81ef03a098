"""Compression gives the same bytes each time; decompression the signed number of bytes, or a typed error."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from stella.bundle.codec import compress, compress_stream, decompress, decompress_stream, encode, looks_compressed
from stella.bundle.errors import BadCompression, CompressionBomb
from stella.bundle.limits import MAX_WINDOW

TEXT = b"all work and no play makes a dull line\n" * 500
NOISE = hashlib.shake_256(b"noise").digest(20_000)
SKIPPABLE = b"\x50\x2a\x4d\x18" + (8).to_bytes(4, "little") + b"whatever"


def pieces(data: bytes, size: int = 7) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def streamed(data: bytes, size: int, step: int = 7) -> bytes:
    return b"".join(decompress_stream("blob", pieces(data, step), size))


@given(st.binary(max_size=2000))
def test_content_comes_back(data: bytes) -> None:
    packed = compress(data)
    assert packed == compress(data)
    assert decompress("blob", packed, len(data)) == data
    assert streamed(packed, len(data)) == data


@given(st.binary(max_size=3000), st.integers(1, 700))
def test_a_stream_comes_back_however_it_is_cut(data: bytes, step: int) -> None:
    packed = b"".join(compress_stream(pieces(data, step), len(data)))
    assert packed == b"".join(compress_stream(pieces(data, step), len(data)))
    assert decompress("blob", packed, len(data)) == data
    assert streamed(packed, len(data), step) == data


def test_a_frame_says_its_size_and_has_no_checksum() -> None:
    found = zstandard.get_frame_parameters(compress(TEXT))
    assert (found.content_size, found.has_checksum) == (len(TEXT), False)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (TEXT, "zstd"),
        (NOISE, "raw"),
        (b"", "raw"),
        (b"x", "raw"),
        (b"\x1f\x8b" + TEXT, "raw"),
        (b"PK\x03\x04" + TEXT, "raw"),
    ],
)
def test_the_stored_form_follows_from_the_content(data: bytes, encoding: str) -> None:
    found, stored = encode(data)
    assert found == encoding
    assert stored == (data if encoding == "raw" else compress(data))


def test_what_looks_compressed() -> None:
    assert looks_compressed(NOISE)
    assert looks_compressed(compress(TEXT))
    assert not looks_compressed(TEXT)
    assert not looks_compressed(b"")


@pytest.mark.parametrize("wrong", [len(TEXT) - 1, len(TEXT) + 1, 0, 1])
def test_a_frame_that_claims_or_yields_another_size(wrong: int) -> None:
    for run in (decompress, lambda _, data, size: streamed(data, size)):
        with pytest.raises(CompressionBomb) as caught:
            run("blob" * 10, compress(TEXT), wrong)
        assert caught.value.reason == "zstd_bomb"
        assert caught.value.facts["expected"] == wrong


def test_a_frame_without_a_claim() -> None:
    blind = zstandard.ZstdCompressor(write_content_size=False).compress(TEXT)
    with pytest.raises(CompressionBomb) as caught:
        decompress("blob", blind, len(TEXT))
    assert caught.value.facts["found"] == "unknown"
    assert streamed(blind, len(TEXT)) == TEXT, "a stream is bounded by what it yields"
    with pytest.raises(CompressionBomb):
        streamed(blind, len(TEXT) - 1)


def test_a_bomb_stops_at_the_signed_size() -> None:
    """Sixty megabytes from six kilobytes: after one piece more than was signed nothing is asked for any longer."""
    bomb = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(60_000_000))
    taken: list[bytes] = []
    with pytest.raises(CompressionBomb):
        taken.extend(decompress_stream("blob", pieces(bomb, 512), 1000))
    assert sum(map(len, taken)) <= 1000


@pytest.mark.parametrize("tail", [b"x", b"tail of another kind", compress(b"more"), compress(TEXT)])
def test_trailing_data(tail: bytes) -> None:
    for run in (decompress, lambda _, data, size: streamed(data, size, 10_000)):
        with pytest.raises((BadCompression, CompressionBomb)):
            run("blob", compress(TEXT) + tail, len(TEXT))


def test_a_skippable_frame_behind() -> None:
    with pytest.raises(BadCompression):
        decompress("blob", compress(TEXT) + SKIPPABLE, len(TEXT))
    with pytest.raises(CompressionBomb):
        decompress("blob", SKIPPABLE + compress(TEXT), len(TEXT))


@pytest.mark.parametrize("cut", [1, 4, 5, 9, -1, -2, -10])
def test_a_frame_that_is_cut_short(cut: int) -> None:
    for run in (decompress, lambda _, data, size: streamed(data, size)):
        with pytest.raises((BadCompression, CompressionBomb)):
            run("blob", compress(TEXT)[:cut], len(TEXT))


def by_hand(window_log: int, data: bytes) -> bytes:
    """A frame of one raw block that asks for a window (RFC 8878 section 3.1.1)."""
    descriptor, block = (window_log - 10) << 3, len(data) << 3 | 1
    return b"\x28\xb5\x2f\xfd\x00" + bytes([descriptor]) + block.to_bytes(3, "little") + data


def test_a_window_larger_than_a_reader_grants() -> None:
    """A frame that wants more memory than the limit is refused before it gets it."""
    assert streamed(by_hand(21, TEXT), len(TEXT)) == TEXT
    limit = MAX_WINDOW.bit_length() - 1
    with pytest.raises(BadCompression) as caught:
        streamed(by_hand(limit + 1, TEXT), len(TEXT))
    assert "memory" in caught.value.facts["problem"]


@given(st.binary(max_size=100), st.integers(0, 200))
def test_no_bytes_make_decompression_fail_in_another_way(data: bytes, size: int) -> None:
    for noise in (data, b"\x28\xb5\x2f\xfd" + data):
        for run in (decompress, lambda _, found, wanted: streamed(found, wanted)):
            with contextlib.suppress(CompressionBomb, BadCompression):
                assert len(run("blob", noise, size)) == size


def test_an_error_names_the_blob_by_a_short_digest() -> None:
    with pytest.raises(BadCompression) as caught:
        decompress("f" * 64, b"not a frame", 5)
    assert caught.value.facts["blob"] == "f" * 12
