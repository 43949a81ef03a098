"""Stored forms: raw and zstd, always the same bytes for the same content, always bounded on the way back.

Rules:
- Content that does not shrink is stored raw; for large files a trial on their head decides.
- zstd level 3 with smaller tables, one frame, no threads, no checksum: the library's output is a pure function of the
  content.
- Decoding gives exactly the signed number of bytes or a typed error; a frame may not claim or yield more.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Final

import zstandard

from stella.bundle.errors import BadCompression, CompressionBomb
from stella.bundle.limits import CHUNK, MAX_WINDOW
from stella.bundle.model import Encoding

PARAMETERS: Final = zstandard.ZstdCompressionParameters.from_level(
    3,
    hash_log=16,  # level 3 has 17 and 16; with 16 and 14 the tables stay in a core's own cache, which makes real
    chain_log=14,  # packages 12-14 % faster to compress and 1 % larger
    write_content_size=True,
    write_checksum=False,
    threads=0,
)
TRIAL = 256 * 1024  # bytes of the head on which compression is tried
WORTH = 0.95  # a compressed form larger than this share of the content is not worth its decompression

_MAGIC = (
    b"\x1f\x8b",  # gzip
    b"PK\x03\x04",  # zip, wheel, jar
    b"\x28\xb5\x2f\xfd",  # zstd
    b"\xfd7zXZ\x00",
    b"BZh",
    b"\x89PNG",
    b"\xff\xd8\xff",  # JPEG
    b"7z\xbc\xaf",
    b"\x04\x22\x4d\x18",  # LZ4
)

_local = threading.local()


def _compressor() -> zstandard.ZstdCompressor:
    found: zstandard.ZstdCompressor | None = getattr(_local, "compressor", None)
    if found is None:
        found = _local.compressor = zstandard.ZstdCompressor(compression_params=PARAMETERS)
    return found


def _decompressor() -> zstandard.ZstdDecompressor:
    found: zstandard.ZstdDecompressor | None = getattr(_local, "decompressor", None)
    if found is None:
        found = _local.decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    return found


def looks_compressed(head: bytes) -> bool:
    """Whether content that begins with `head` (up to TRIAL bytes) is better stored raw."""
    if head.startswith(_MAGIC):
        return True
    if not hasattr(_local, "trial"):
        _local.trial = zstandard.ZstdCompressor(level=1)
    return bool(head) and len(_local.trial.compress(head)) > WORTH * len(head)


def compress(data: bytes) -> bytes:
    """One zstd frame that says its content size."""
    return _compressor().compress(data)


def encode(data: bytes) -> tuple[Encoding, bytes]:
    """Stored form of content held in memory.

    Trying is cheap there, because zstd passes over what it cannot compress.
    """
    if data.startswith(_MAGIC):
        return "raw", data
    packed = compress(data)
    return ("zstd", packed) if len(packed) <= WORTH * len(data) else ("raw", data)


def compress_stream(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """One zstd frame over a stream of exactly `size` bytes."""
    compressor = zstandard.ZstdCompressor(compression_params=PARAMETERS).compressobj(size=size)
    for chunk in chunks:
        yield compressor.compress(chunk)
    yield compressor.flush()


def decompress(blob: str, data: bytes, size: int) -> bytes:
    """Content of a zstd blob in memory.

    Raises CompressionBomb unless it claims and yields exactly `size`, or BadCompression.
    """
    try:
        claimed = zstandard.frame_content_size(data)
    except zstandard.ZstdError as error:
        raise BadCompression(blob=blob[:12], problem=str(error)) from None
    if claimed != size:
        raise CompressionBomb(blob=blob[:12], found=claimed if claimed >= 0 else "unknown", expected=size)
    try:
        return _decompressor().decompress(data, max_output_size=size, allow_extra_data=False) if size else b""
    except zstandard.ZstdError as error:
        raise BadCompression(blob=blob[:12], problem=str(error)) from None


class _Source:
    """The `read` that zstandard wants, over an iterator of pieces."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        while not self._rest:
            found = next(self._chunks, None)
            if found is None:
                return b""
            self._rest = found
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


def decompress_stream(blob: str, chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Content of a zstd blob in pieces of at most CHUNK bytes; never more than `size` bytes in all."""
    left = size
    try:
        with _decompressor().stream_reader(_Source(chunks), read_size=CHUNK) as reader:  # type: ignore[arg-type]  # reads only
            while piece := reader.read(CHUNK):
                left -= len(piece)
                if left < 0:
                    raise CompressionBomb(blob=blob[:12], found=f"more than {size}", expected=size)
                yield piece
    except zstandard.ZstdError as error:
        raise BadCompression(blob=blob[:12], problem=str(error)) from None
    for _ in chunks:  # the rest belongs to the digest of the blob
        pass
    if left:
        raise CompressionBomb(blob=blob[:12], found=size - left, expected=size)
