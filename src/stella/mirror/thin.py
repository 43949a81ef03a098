"""Which blobs a thin bundle carries: only what its base does not hold, as deltas where they pay.

Rules:
- A content that the base generation holds needs no bytes at all.
- Small new contents share packs; a larger one becomes a delta against the file it replaces, if that is at least 10 %
  smaller than its plain stored form.
- A delta is made once for a pair of contents and kept, together with the finding that one is not worth it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from stella.bundle.assemble import Known, PackCutter, keep_pack
from stella.bundle.contents import Contents, blob_key
from stella.bundle.delta import DeltaWorker, delta_worker
from stella.bundle.limits import MAX_DOCUMENT, MIN_GAIN, SMALL
from stella.bundle.model import Blob, Entry, blob_order
from stella.kernel.canonical import dump, parse
from stella.kernel.digest import sha256
from stella.runtime.files import writing
from stella.runtime.ports import Folder, Progress
from stella.runtime.scratch import scratch

_VERSION = re.compile(r"v?\d+(?:[._-]\d+)*")


class Delta(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a pair of contents: the patch blob and its size; an empty digest when there is no useful one."""

    blob: str
    size: int


class Bases:
    """Finds the content of the base that a new file most likely grew from."""

    def __init__(self, base: Sequence[Entry]) -> None:
        self._by_path = {entry.path: entry.digest for entry in base}
        self._by_shape: dict[str, str] = {}
        self._by_name: dict[str, str] = {}
        for entry in reversed(base):
            shape = _VERSION.sub("#", entry.path)
            self._by_shape[shape] = entry.digest
            self._by_name[shape.rpartition("/")[2]] = entry.digest

    def find(self, path: str) -> str | None:
        """Digest of the same path, else of the same path or file name once version numbers are taken out, else None."""
        shape = _VERSION.sub("#", path)
        return self._by_path.get(path) or self._by_shape.get(shape) or self._by_name.get(shape.rpartition("/")[2])


class ThinPlanner:
    """Plans and makes the blobs of one thin bundle."""

    def __init__(self, store: Folder, target: Contents, base: Contents, max_delta: int) -> None:
        self._store = store
        self._target = target
        self._base = base
        self._max_delta = max_delta

    def run(self, entries: Sequence[Entry], base_entries: Sequence[Entry], progress: Progress) -> list[Blob]:
        """Blobs in digest order."""
        wanted: dict[str, Entry] = {}
        for entry in entries:
            if entry.digest not in self._base:
                wanted.setdefault(entry.digest, entry)
        progress.start("compare with the base", sum(entry.size for entry in wanted.values()), "bytes")
        bases = Bases(base_entries)
        known = Known({self._target.blob(digest) for digest in wanted})
        blobs: list[Blob] = []
        cutter = PackCutter()
        with delta_worker() as worker:
            for digest, entry in wanted.items():
                if entry.size > SMALL:
                    blobs.append(self._single(digest, entry, bases, worker))
                elif pack := cutter.add(digest, self._target.read(digest)):
                    blobs.append(keep_pack(self._store, known, pack))
                progress.advance(entry.size)
        if pack := cutter.finish():
            blobs.append(keep_pack(self._store, known, pack))
        return sorted(blobs, key=blob_order)

    def _single(self, digest: str, entry: Entry, bases: Bases, worker: DeltaWorker) -> Blob:
        plain = self._target.blob(digest)
        base = bases.find(entry.path)
        if base is None or entry.size > self._max_delta or self._base.size(base) > self._max_delta:
            return plain
        delta = self._delta(base, digest, worker)
        if not delta.blob or delta.size >= MIN_GAIN * plain.size:
            return plain
        return Blob(blob=delta.blob, enc="hdiff", holds=(digest,), size=delta.size, base=base)

    def _delta(self, base: str, digest: str, worker: DeltaWorker) -> Delta:
        key = f"deltas/{base}-{digest}.json"
        if self._store.exists(key):
            found = parse(self._store.read(key, MAX_DOCUMENT), Delta, key)
            if not found.blob or self._store.exists(blob_key(found.blob)):
                return found
        made = self._make(base, digest, worker)
        self._store.write(key, dump(made))
        return made

    def _make(self, base: str, digest: str, worker: DeltaWorker) -> Delta:
        with scratch("delta") as place:
            old, new, patch = (Path(place, name) for name in ("old", "new", "patch"))
            contents: Contents
            for path, contents, wanted in ((old, self._base, base), (new, self._target, digest)):
                with writing(path), path.open("wb") as file:
                    for chunk in contents.stream(wanted):
                        file.write(chunk)
            if not worker.diff(old, new, patch):
                return Delta(blob="", size=0)
            data = patch.read_bytes()
        name = sha256(data)
        if not self._store.exists(blob_key(name)):
            self._store.write(blob_key(name), data)
        return Delta(blob=name, size=len(data))
