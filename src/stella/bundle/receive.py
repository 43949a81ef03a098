"""Takes the data blobs of a verified bundle apart: every content is checked before it is kept.

Rules:
- The list of stored forms is signed by the packer key before this runs; the release key's digests decide what is
  accepted.
- Each stored blob is checked against its own digest, each content against its signed digest and size, a patch before it
  is applied and its result after.
- Together with what the base holds, the blobs yield exactly the contents of the entries: nothing missing, nothing more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from stella.bundle.codec import decompress, decompress_stream
from stella.bundle.contents import Contents, blob_key
from stella.bundle.delta import HEADER, DeltaWorker, check_patch, delta_worker
from stella.bundle.errors import DigestMismatch, LayoutMismatch, OverLimit
from stella.bundle.limits import CHUNK, MAX_PATCH, WHOLE
from stella.bundle.model import Blob, members_of
from stella.bundle.reader import BundleFile
from stella.kernel.digest import is_digest, sha256
from stella.runtime.files import open_file, writing
from stella.runtime.ports import Folder, Progress
from stella.runtime.scratch import scratch

FRAME = 1024  # bytes that a zstd frame may need besides its blocks


def check_blobs(bundle: BundleFile, blobs: Sequence[Blob], sizes: Mapping[str, int], base: frozenset[str]) -> None:
    """Raise LayoutMismatch unless the stored forms fit the file, the entries and the contents of the base.

    `sizes` maps every content digest of the generation to its size; `base` are the content digests that need no bytes.
    """
    if list(members_of(blobs).items()) != list(bundle.blobs.items()):
        raise LayoutMismatch(
            what="list of stored forms", problem="it does not name the data blobs of the file in their order"
        )
    yielded: set[str] = set()
    for blob in blobs:
        unknown = next((digest for digest in blob.holds if digest not in sizes), None)
        if unknown is not None or not blob.holds:
            raise LayoutMismatch(what=f"blob {blob.blob[:12]}", problem="it yields content that no entry names")
        if not yielded.isdisjoint(blob.holds) or len(set(blob.holds)) != len(blob.holds):
            raise LayoutMismatch(what=f"blob {blob.blob[:12]}", problem="it yields content twice")
        yielded.update(blob.holds)
        _check_form(blob, sum(map(sizes.__getitem__, blob.holds)))
    missing = sizes.keys() - yielded - base
    if missing:
        raise LayoutMismatch(what="bundle", problem=f"content {min(missing)[:12]} is neither in it nor in its base")


def _check_form(blob: Blob, total: int) -> None:
    """Raise LayoutMismatch or OverLimit unless a writer would choose this form for `total` bytes."""
    if (blob.enc == "hdiff") != (blob.base is not None) or (blob.base is not None and not is_digest(blob.base)):
        raise LayoutMismatch(what=f"blob {blob.blob[:12]}", problem="its base does not fit its encoding")
    if blob.enc == "hdiff" and (len(blob.holds) != 1 or blob.size > MAX_PATCH):
        raise OverLimit(what=f"patch {blob.blob[:12]}", found=blob.size, limit=MAX_PATCH)
    if len(blob.holds) > 1 and total > WHOLE:
        raise OverLimit(what=f"content of pack {blob.blob[:12]}", found=total, limit=WHOLE)
    bound = total + total // 256 + FRAME  # zstd itself never needs more
    if blob.enc == "zstd" and blob.size > bound:
        raise OverLimit(what=f"size of compressed blob {blob.blob[:12]}", found=blob.size, limit=bound)


class Receiver:
    """Verifies the contents of one bundle and, given a folder, keeps them there."""

    def __init__(
        self, bundle: BundleFile, sizes: Mapping[str, int], keep: Folder | None, base: Contents | None
    ) -> None:
        self._bundle = bundle
        self._sizes = sizes
        self._keep = keep
        self._base = base

    def run(self, blobs: Sequence[Blob], progress: Progress) -> list[Blob]:
        """Check every blob; returns their local forms.

        Without a base at hand a patch is checked by its digest alone.
        """
        kept: list[Blob] = []
        progress.start("check contents", sum(blob.size for blob in blobs), "bytes")
        with delta_worker() as worker:
            for blob in blobs:
                kept.append(self._patch(blob, worker) if blob.enc == "hdiff" else self._plain(blob))
                progress.advance(blob.size)
        return kept

    def _plain(self, blob: Blob) -> Blob:
        total = sum(map(self._sizes.__getitem__, blob.holds))
        if blob.enc == "raw" and blob.size != total:
            raise LayoutMismatch(
                what=f"blob {blob.blob[:12]}", problem=f"{blob.size} bytes stored raw for {total} of content"
            )
        key = blob_key(blob.blob)
        wanted = self._keep is not None and not self._keep.exists(key)
        if total <= WHOLE and blob.size <= 2 * WHOLE:
            stored = self._bundle.blob(blob.blob)
            self._check_whole(blob, stored if blob.enc == "raw" else decompress(blob.blob, stored, total))
            if wanted and self._keep is not None:
                self._keep.write(key, stored)
            return blob
        self._bundle.check(blob.blob)
        stored_pieces = self._bundle.pieces(blob.blob)
        if wanted and self._keep is not None:
            with self._keep.writing() as file:
                file.place(key)
                self._check(blob, self._decoded(blob, _tee(stored_pieces, file.write), total))
        else:
            self._check(blob, self._decoded(blob, stored_pieces, total))
        return blob

    @staticmethod
    def _decoded(blob: Blob, stored: Iterator[bytes], total: int) -> Iterator[bytes]:
        return stored if blob.enc == "raw" else decompress_stream(blob.blob, stored, total)

    def _check_whole(self, blob: Blob, content: bytes) -> None:
        """The same for content in memory, exactly as long as its digests say: three times as fast for a pack."""
        start = 0
        for digest in blob.holds:
            end = start + self._sizes[digest]
            found = sha256(content[start:end])
            if found != digest:
                raise DigestMismatch(what=f"content {digest[:12]}", found=found, expected=digest)
            start = end

    def _check(self, blob: Blob, content: Iterator[bytes]) -> None:
        """Hash the content of a blob piece by piece against the digests that it should yield.

        Reads `content` to its end.
        """
        rest = memoryview(b"")
        for digest in blob.holds:
            left = self._sizes[digest]
            hasher = hashlib.sha256()
            while left:
                if not rest:
                    rest = memoryview(next(content, b""))
                    if not rest:
                        break
                piece, rest = rest[:left], rest[left:]
                hasher.update(piece)
                left -= len(piece)
            if hasher.hexdigest() != digest:
                raise DigestMismatch(what=f"content {digest[:12]}", found=hasher.hexdigest(), expected=digest)
        if rest or any(content):
            raise LayoutMismatch(what=f"blob {blob.blob[:12]}", problem="it holds more than its contents")

    def _patch(self, blob: Blob, worker: DeltaWorker) -> Blob:
        digest, base = blob.holds[0], blob.base or ""
        if self._base is None and self._keep is not None:
            raise LayoutMismatch(what=f"patch {blob.blob[:12]}", problem="there is no base to apply it to")
        if self._base is None:
            head = b""
            for chunk in self._bundle.stream(blob.blob):
                head = head or chunk[:HEADER]
            return blob
        if base not in self._base:
            raise LayoutMismatch(what=f"patch {blob.blob[:12]}", problem="its base is not in the base generation")
        with scratch("patch") as place:
            old, patch, new = (Path(place, name) for name in ("old", "patch", "new"))
            _spool(patch, self._bundle.stream(blob.blob))
            with patch.open("rb") as file:
                check_patch(blob.blob, file.read(HEADER), self._base.size(base), self._sizes[digest])
            _spool(old, self._base.stream(base))
            worker.apply(blob.blob, old, patch, new, self._sizes[digest])
            local = Blob(blob=digest, enc="raw", holds=(digest,), size=self._sizes[digest])
            with open_file(new) as file:
                content = iter(lambda: file.read(CHUNK), b"")
                key = blob_key(digest)
                if self._keep is None or self._keep.exists(key):
                    self._check(local, content)
                    return local
                with self._keep.writing() as kept:
                    kept.place(key)
                    self._check(local, _tee(content, kept.write))
        return local


def _tee(chunks: Iterator[bytes], write: Callable[[bytes], int]) -> Iterator[bytes]:
    for chunk in chunks:
        write(chunk)
        yield chunk


def _spool(path: Path, chunks: Iterator[bytes]) -> None:
    with writing(path), path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
