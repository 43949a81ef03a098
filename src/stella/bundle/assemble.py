"""Turns files into entries and stored blobs: hash, deduplicate, pack, compress, keep.

Rules:
- Entries and blobs are a pure function of the files: not of the number of workers, the order of the walk, or the
  channel's past.
- Small files share packs, cut at borders that the content decides, so that a changed file changes one pack and not all
  behind it.
- A file is read once when it fits in memory, else twice; when its bytes or its stamp change in between, everything
  stops.
- Blobs that the store already has are not written again.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from stella.bundle.codec import TRIAL, compress_stream, encode, looks_compressed
from stella.bundle.contents import blob_key
from stella.bundle.errors import SourceChanged
from stella.bundle.limits import CHUNK, PACK_MASK, PACK_MAX, PACK_MIN, SMALL, WHOLE
from stella.bundle.model import Blob, Category, Encoding, Entry, blob_order
from stella.kernel.digest import sha256
from stella.runtime.files import reading
from stella.runtime.ports import Folder, Progress

BATCH_FILES = 256  # small files that one task reads; keeps the cost of a task small beside its work
BATCH_BYTES = 4 * PACK_MAX
WINDOW = 3  # tasks in flight for each worker; bounds memory


class SourceFile(NamedTuple):
    """A file to mirror and what the walk saw of it; `size` in bytes, `stamp` changes when the file does."""

    path: str
    file: str
    category: Category
    media_type: str
    size: int
    stamp: tuple[int, int, int]


class Known:
    """Stored forms that the store already holds, by what they yield."""

    def __init__(self, blobs: Iterable[Blob] = ()) -> None:
        self._by_content = {blob.holds: blob for blob in blobs}

    def __bool__(self) -> bool:
        return bool(self._by_content)

    def find(self, holds: tuple[str, ...]) -> Blob | None:
        """The blob that yields exactly these contents in this order."""
        return self._by_content.get(holds)


class PackCutter:
    """Groups small contents into packs; borders depend on the contents alone."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, bytes]] = []
        self._size = 0

    def add(self, digest: str, data: bytes) -> list[tuple[str, bytes]] | None:
        """Take one content; returns a finished pack when the content ends one."""
        self._waiting.append((digest, data))
        self._size += len(data)
        ends = self._size >= PACK_MIN and not int(digest[-2:], 16) & PACK_MASK
        return self.finish() if ends or self._size >= PACK_MAX - SMALL else None

    def finish(self) -> list[tuple[str, bytes]] | None:
        """The pack that is not finished yet; None when there is none."""
        pack, self._waiting, self._size = self._waiting, [], 0
        return pack or None


def keep_pack(store: Folder, known: Known, pack: Sequence[tuple[str, bytes]]) -> Blob:
    """Store a pack of contents (digest, bytes) as one blob."""
    holds = tuple(digest for digest, _ in pack)
    return known.find(holds) or keep_blob(store, holds, *encode(b"".join(data for _, data in pack)))


def keep_blob(store: Folder, holds: tuple[str, ...], encoding: Encoding, stored: bytes) -> Blob:
    """Store bytes under their digest, unless they are there."""
    digest = sha256(stored)
    key = blob_key(digest)
    if not store.exists(key):
        store.write(key, stored)
    return Blob(blob=digest, enc=encoding, holds=holds, size=len(stored))


def _read_whole(file: SourceFile) -> bytes:
    handle = os.open(file.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        data = os.read(handle, file.size + 1)
        while len(data) < file.size and (more := os.read(handle, file.size + 1 - len(data))):  # a network file system
            data += more
        found = os.fstat(handle)
    finally:
        os.close(handle)
    if (found.st_size, found.st_mtime_ns, found.st_ino) != file.stamp or len(data) != file.size:
        raise SourceChanged(path=file.file)
    return data


def _pieces(file: SourceFile) -> Iterator[bytes]:
    with open(file.file, "rb", buffering=0, opener=_no_follow) as stream:
        left = file.size
        while chunk := stream.read(CHUNK):
            left -= len(chunk)
            yield chunk
        found = os.fstat(stream.fileno())
    if left or (found.st_size, found.st_mtime_ns, found.st_ino) != file.stamp:
        raise SourceChanged(path=file.file)


def _no_follow(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


class Assembler:
    """One run over the files of a generation."""

    def __init__(self, store: Folder, known: Known, workers: int, progress: Progress) -> None:
        self._store = store
        self._known = known
        self._workers = workers
        self._progress = progress
        self._claims: set[str] = set()
        self._lock = threading.Lock()

    def run(self, files: Sequence[SourceFile]) -> tuple[list[Entry], list[Blob]]:
        """Entries in path order and blobs in digest order; raises SourceChanged, Unreadable, DiskFull, Unwritable."""
        self._progress.start("hash and compress", sum(file.size for file in files), "bytes")
        entries: list[Entry] = []
        blobs: list[Blob] = []
        cutter = PackCutter()
        pending: deque[Future[Blob]] = deque()
        with ThreadPoolExecutor(self._workers, thread_name_prefix="assemble") as pool:
            try:
                for result in self._read_all(pool, files):
                    if isinstance(result, Blob):
                        blobs.append(result)
                        continue
                    file, digest, data = result
                    entries.append(_entry(file, digest))
                    if data is None or not self._claim(digest):
                        continue
                    if pack := cutter.add(digest, data):
                        pending.append(pool.submit(keep_pack, self._store, self._known, pack))
                    while len(pending) > WINDOW * self._workers:
                        blobs.append(pending.popleft().result())
                if pack := cutter.finish():
                    pending.append(pool.submit(keep_pack, self._store, self._known, pack))
                blobs.extend(future.result() for future in pending)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return entries, sorted(blobs, key=blob_order)

    def _claim(self, digest: str) -> bool:
        with self._lock:
            fresh = digest not in self._claims
            self._claims.add(digest)
            return fresh

    def _read_all(
        self, pool: ThreadPoolExecutor, files: Sequence[SourceFile]
    ) -> Iterator[tuple[SourceFile, str, bytes | None] | Blob]:
        """Results in the order of `files`, with at most WINDOW tasks in flight for each worker."""
        window: deque[Future[list[tuple[SourceFile, str, bytes | None] | Blob]]] = deque()
        for batch in _batches(files):
            window.append(pool.submit(self._read_batch, batch))
            if len(window) > WINDOW * self._workers:
                yield from window.popleft().result()
        while window:
            yield from window.popleft().result()

    def _read_batch(self, batch: Sequence[SourceFile]) -> list[tuple[SourceFile, str, bytes | None] | Blob]:
        results: list[tuple[SourceFile, str, bytes | None] | Blob] = []
        for file in batch:
            with reading(file.file):  # type: ignore[arg-type]  # only printed
                if file.size <= SMALL:
                    data = _read_whole(file)
                    results.append((file, sha256(data), data))
                    continue
                digest, blob = self._single(file)
                results.append((file, digest, None))
                if blob:
                    results.append(blob)
        self._progress.advance(sum(file.size for file in batch))
        return results

    def _single(self, file: SourceFile) -> tuple[str, Blob | None]:
        """Digest and, the first time this content is met, the stored blob of a file with a blob of its own."""
        if file.size <= WHOLE:
            data = _read_whole(file)
            digest = sha256(data)
            return digest, self._first(digest, lambda: keep_blob(self._store, (digest,), *encode(data)))
        if not self._known:  # nothing can be known yet, so one pass does both
            digest, blob = self._stream(file)
            return digest, self._first(digest, lambda: blob)
        hasher = hashlib.sha256()
        for chunk in _pieces(file):
            hasher.update(chunk)
        digest = hasher.hexdigest()
        return digest, self._first(digest, lambda: self._again(file, digest))

    def _first(self, digest: str, make: Callable[[], Blob]) -> Blob | None:
        return (self._known.find((digest,)) or make()) if self._claim(digest) else None

    def _again(self, file: SourceFile, digest: str) -> Blob:
        found, blob = self._stream(file)
        if found != digest:
            raise SourceChanged(path=file.file)
        return blob

    def _stream(self, file: SourceFile) -> tuple[str, Blob]:
        """Hash and store a large file in one pass; its content digest and its blob."""
        hasher, stored = hashlib.sha256(), hashlib.sha256()

        def watched() -> Iterator[bytes]:
            for chunk in _pieces(file):
                hasher.update(chunk)
                yield chunk

        with open(file.file, "rb", opener=_no_follow) as stream:
            raw = looks_compressed(stream.read(TRIAL))
        size = 0
        with self._store.writing() as spool:
            for piece in watched() if raw else compress_stream(watched(), file.size):
                if not raw:
                    stored.update(piece)
                size += spool.write(piece)
            digest = hasher.hexdigest()
            name = digest if raw else stored.hexdigest()
            spool.place(blob_key(name))
        return digest, Blob(blob=name, enc="raw" if raw else "zstd", holds=(digest,), size=size)


def _entry(file: SourceFile, digest: str) -> Entry:
    return Entry(category=file.category, digest=digest, media_type=file.media_type, path=file.path, size=file.size)


def _batches(files: Sequence[SourceFile]) -> Iterator[Sequence[SourceFile]]:
    start, size = 0, 0
    for index, file in enumerate(files):
        size += file.size
        if size >= BATCH_BYTES or index - start >= BATCH_FILES - 1:
            yield files[start : index + 1]
            start, size = index + 1, 0
    if start < len(files):
        yield files[start:]
