"""A snapshot on disk: a folder named by the digest of what is in it.

Rules:
- `snapshot.json` names every table with its SHA-256, the instant that ages count from, and a digest of each kind of
  input. The digest of the snapshot is over these alone, so the same inputs give the same one, in whatever order and in
  however many files they came.
- Which files were read, and the quarantine, are kept beside with a digest of their own.
- A snapshot is written below a temporary name and renamed when all of it is on disk: what is there is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from stella.inventory.errors import (
    SnapshotAmbiguous,
    SnapshotDamaged,
    SnapshotFromFuture,
    SnapshotMissing,
    SnapshotStale,
    SnapshotVersion,
)
from stella.kernel.canonical import dump
from stella.kernel.digest import is_digest, sha256
from stella.kernel.errors import StellaError
from stella.kernel.instant import Instant, Seconds, format_duration, format_time
from stella.runtime.files import (
    DiskFolder,
    make_directory,
    read_file,
    reading,
    replacing,
    step,
    sync_directory,
    writing,
)

FORM = 1  # rises when the tables change
HEAD = "snapshot.json"
QUARANTINE = "quarantine.jsonl"
TABLES = ("findings", "asset", "component", "advisory", "evidence", "statement", "age")
LOADING = ".loading"  # what a kill leaves behind; swept by the next load
MAX_HEAD = 64 << 20  # bytes; a million files of inputs
MAX_AGE: Seconds = 24 * 3600  # older inputs decide nothing
SKEW: Seconds = 60  # clocks of two machines that work well differ by less
PIECE = 1 << 20


class Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of a snapshot."""

    rows: int
    size: int
    sha256: str


class Core(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the digest is over. A kind of input that was not given has the digest None."""

    form: int
    as_of: Instant
    tables: dict[str, Stored]
    sbom_digest: str
    advisory_snapshot: str
    vex_set: str | None
    kev: str | None
    epss: str | None
    assets: str | None
    trust: str | None
    reach: str | None


class InputFile(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """A file that was read; `bad` of its records went to the quarantine."""

    kind: str
    name: str
    sha256: str
    size: int
    records: int
    bad: int
    refused: str = ""


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the snapshot was loaded."""

    inputs: tuple[InputFile, ...]
    quarantine: Stored
    counts: dict[str, int]


class Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`snapshot.json`; `star` is the digest over the tables alone, whenever they were loaded."""

    digest: str
    star: str
    core: Core
    record: Record
    record_digest: str


def sealed(core: Core, record: Record) -> Snapshot:
    """A snapshot with its digests."""
    star = sha256(dump({name: one.sha256 for name, one in core.tables.items()}))
    return Snapshot(sha256(dump(core)), star, core, record, sha256(dump(record)))


def stored(path: Path, rows: int) -> Stored:
    """A file with its digest."""
    return Stored(rows, path.stat().st_size, digest_of(path))


def digest_of(path: Path) -> str:
    """SHA-256 of a file of any size."""
    with reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def loading(store: Path) -> Iterator[Path]:
    """A folder to write a snapshot into, alone in the store; what is left in it at the end is removed.

    Raises Busy while another load writes, DiskFull or Unwritable.
    """
    make_directory(store)
    with DiskFolder(store).lock():
        for left in store.glob(f"{LOADING}*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = store / LOADING
        make_directory(folder, durable=False)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def commit(store: Path, folder: Path, snapshot: Snapshot) -> Path:
    """Put a snapshot in its place, durable; one that is there already and whole stays as it is."""
    final = store / snapshot.digest
    with replacing(folder / HEAD) as file:
        file.write(msgspec.json.format(msgspec.json.encode(snapshot, order="sorted"), indent=1) + b"\n")
    for path in sorted(folder.iterdir()):
        with writing(path), path.open("rb") as whole:
            step("fsync", path)
            os.fsync(whole.fileno())
    sync_directory(folder)
    if final.exists():
        try:
            verify(final)
        except StellaError:
            with writing(final):
                shutil.rmtree(final)
        else:
            return final
    with writing(final):
        step("rename", final)
        folder.rename(final)
    sync_directory(store)
    return final


def find(place: str, store: str = "") -> Path:
    """The folder of a snapshot: its path, its digest or the beginning of it in a store, or the newest of a store.

    Raises SnapshotMissing or SnapshotAmbiguous.
    """
    path = Path(place)
    if os.path.lexists(path / HEAD):
        return path
    if not store and path.is_dir() and (found := snapshots(path)):
        return newest(found)
    folder, begins = (Path(store), place) if store else (path.parent, path.name)
    found = [one for one in snapshots(folder) if one.name.startswith(begins)] if begins and folder.is_dir() else []
    if len(found) > 1:
        raise SnapshotAmbiguous(snapshot=place, count=len(found))
    if not found:
        raise SnapshotMissing(snapshot=place)
    return found[0]


def newest(folders: Iterable[Path]) -> Path:
    """The one with the latest instant, and of several the one with the smallest digest; raises as `read`."""
    return min(folders, key=lambda one: (-read(one).core.as_of, one.name))


def snapshots(store: Path) -> list[Path]:
    """The snapshots of a store, in the order of their digests; raises ObjectMissing or Unreadable."""
    with reading(store):
        store.stat()
    return sorted(one.parent for one in store.glob(f"*/{HEAD}") if is_digest(one.parent.name))


def read(folder: Path) -> Snapshot:
    """What a snapshot says of itself; raises SnapshotMissing, SnapshotVersion or SnapshotDamaged."""
    if not os.path.lexists(folder / HEAD):
        raise SnapshotMissing(snapshot=folder)
    data = read_file(folder / HEAD, MAX_HEAD)
    try:
        form = msgspec.json.decode(data, type=_Head).core.form
        if form != FORM:
            raise SnapshotVersion(snapshot=folder, version=form, known=FORM)
        snapshot = msgspec.json.decode(data, type=Snapshot)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotDamaged(snapshot=folder, problem=f"{HEAD} cannot be read: {error}") from None
    if sealed(snapshot.core, snapshot.record) != snapshot:
        raise SnapshotDamaged(snapshot=folder, problem=f"{HEAD} does not fit its own digests")
    if is_digest(folder.name) and folder.name != snapshot.digest:
        raise SnapshotDamaged(snapshot=folder, problem=f"its digest is {snapshot.digest}")
    if snapshot.core.tables.keys() != set(TABLES):
        raise SnapshotDamaged(snapshot=folder, problem=f"{HEAD} names other tables")
    return snapshot


class _Form(msgspec.Struct):
    form: int


class _Head(msgspec.Struct):
    core: _Form


def verify(folder: Path) -> Snapshot:
    """Check every byte of a snapshot; raises as `read`."""
    snapshot = read(folder)
    expected: Mapping[str, Stored] = {
        QUARANTINE: snapshot.record.quarantine,
        **{f"{name}.parquet": one for name, one in snapshot.core.tables.items()},
    }
    for name, one in sorted(expected.items()):
        path = folder / name
        if not path.is_file() or path.is_symlink():
            raise SnapshotDamaged(snapshot=folder, problem=f"{name} is not there")
        if path.stat().st_size != one.size or digest_of(path) != one.sha256:
            raise SnapshotDamaged(snapshot=folder, problem=f"{name} is not the file that was written")
    return snapshot


def age(snapshot: Snapshot, now: Instant) -> Seconds:
    """How old a snapshot is at an instant; never negative."""
    return max(0, now - snapshot.core.as_of)


def require_fresh(snapshot: Snapshot, now: Instant, limit: Seconds = MAX_AGE) -> None:
    """Raise SnapshotStale for a snapshot that is older than the limit, SnapshotFromFuture for one of later than now."""
    if snapshot.core.as_of > now + SKEW:
        raise SnapshotFromFuture(snapshot=snapshot.digest[:12], as_of=format_time(snapshot.core.as_of))
    if age(snapshot, now) > limit:
        raise SnapshotStale(
            snapshot=snapshot.digest[:12], age=format_duration(age(snapshot, now)), limit=format_duration(limit)
        )
