"""Entries and blobs follow from the files alone; a file that changes while it is read stops everything."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stella.bundle import assemble
from stella.bundle.assemble import Assembler, Known, PackCutter
from stella.bundle.contents import Contents, blob_key, sizes_of
from stella.bundle.errors import SourceChanged
from stella.bundle.limits import PACK_MAX, PACK_MIN, SMALL
from stella.bundle.model import Blob, Entry
from stella.kernel.digest import sha256
from stella.mirror.sources import walk
from stella.runtime.errors import Unreadable
from stella.testing import MemoryFolder, SilentProgress
from tests.world import noise, put, text


def cut(contents: list[bytes]) -> list[tuple[str, ...]]:
    cutter = PackCutter()
    packs = [*(cutter.add(sha256(data), data) for data in contents), cutter.finish()]
    return [tuple(digest for digest, _ in pack) for pack in packs if pack]


FILES = [number.to_bytes(4) * (number % 8000 + 1) for number in range(1500)]


def test_packs_hold_everything_once_within_their_bounds() -> None:
    packs = cut(FILES)
    sizes = {sha256(data): len(data) for data in FILES}
    assert [digest for pack in packs for digest in pack] == [sha256(data) for data in FILES]
    totals = [sum(sizes[digest] for digest in pack) for pack in packs]
    assert len(totals) > 3
    assert max(totals) <= PACK_MAX
    assert min(totals[:-1]) >= PACK_MIN


@pytest.mark.parametrize("where", [0, 400, 1100])
@pytest.mark.parametrize("change", ["insert", "remove", "replace"])
def test_a_change_of_one_file_leaves_most_packs_as_they_were(where: int, change: str) -> None:
    changed = list(FILES)
    if change == "insert":
        changed.insert(where, b"new")
    elif change == "remove":
        del changed[where]
    else:
        changed[where] = b"new"
    before, after = set(cut(FILES)), set(cut(changed))
    assert len(before - after) <= 3, "the pack of the file, and at most two more until the borders meet again"


def test_a_cutter_that_has_nothing_gives_nothing() -> None:
    assert PackCutter().finish() is None
    assert cut([b""]) == [(sha256(b""),)]


def material() -> dict[str, bytes]:
    files = {f"other/small/{number}": text(str(number), number * 97 % 5000) for number in range(60)}
    files |= {f"other/twin/{number}": b"the same everywhere" for number in range(5)}
    files |= {"other/edge-small": noise("e", SMALL), "other/edge-large": noise("e", SMALL + 1), "other/empty": b""}
    return files | {
        "other/large": text("large", 300_000),
        "other/large-twin": text("large", 300_000),
        "other/raw": noise("r", 150_000),
    }


def assembled(
    sources: tuple[str, ...], workers: int = 1, known: Known | None = None
) -> tuple[list[Entry], list[Blob], MemoryFolder]:
    folder = MemoryFolder()
    return *Assembler(folder, known or Known(), workers, SilentProgress()).run(walk(sources)), folder


@pytest.fixture
def sources(tmp_path: Path) -> tuple[str, ...]:
    return put(tmp_path / "src", material())


def test_entries_and_contents_are_those_of_the_files(sources: tuple[str, ...]) -> None:
    entries, blobs, folder = assembled(sources)
    files = material()
    assert [(row.path, row.digest, row.size) for row in entries] == [
        (path, sha256(files[path]), len(files[path])) for path in sorted(files, key=str.encode)
    ]
    contents = Contents(folder, blobs, sizes_of(entries))
    assert all(contents.read(row.digest) == files[row.path] for row in entries)
    held = [digest for blob in blobs for digest in blob.holds]
    assert sorted(held) == sorted({row.digest for row in entries}), "each content once"
    assert all(sha256(folder.objects[blob_key(blob.blob)]) == blob.blob for blob in blobs)
    assert all(len(folder.objects[blob_key(blob.blob)]) == blob.size for blob in blobs)
    assert {blob.enc for blob in blobs} == {"raw", "zstd"}
    assert [blob.blob for blob in blobs] == sorted(blob.blob for blob in blobs), "in the order of the file"


@pytest.mark.parametrize("whole", [1 << 24, 100_000])
def test_workers_and_chance_change_nothing(
    whole: int, sources: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With files handled in one piece, and with large ones streamed; with tasks that end in another order each time."""
    monkeypatch.setattr(assemble, "WHOLE", whole)
    monkeypatch.setattr(assemble, "BATCH_FILES", 7)
    expected = assembled(sources, 1)
    draw, real = random.Random(3), assemble.keep_blob

    def late(*arguments: object) -> Blob:
        for _ in range(draw.randrange(3)):
            os.sched_yield()
        return real(*arguments)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(assemble, "keep_blob", late)
    for workers in (1, 2, 3, 4):
        found = assembled(sources, workers)
        assert found[:2] == expected[:2]
        assert found[2].objects == expected[2].objects


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=50), min_size=1, max_size=12), st.integers(1, 3))
def test_any_files_come_back(tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], workers: int) -> None:
    top = tmp_path_factory.mktemp("any")
    found = put(top / "src", {f"other/{number:02}": data for number, data in enumerate(contents)})
    entries, blobs, folder = assembled(found, workers)
    kept = Contents(folder, blobs, sizes_of(entries))
    assert [kept.read(row.digest) for row in entries] == contents


def test_known_forms_are_used_again(sources: tuple[str, ...]) -> None:
    entries, blobs, _ = assembled(sources)
    again, same, folder = assembled(sources, 2, Known(blobs))
    assert (again, same) == (entries, blobs)
    assert folder.objects == {}, "nothing is compressed or written a second time"


CHANGES: dict[str, Callable[[Path], object]] = {
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"more"),
    "shorter": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "other bytes of the same size": lambda path: (path.write_bytes(path.read_bytes()[::-1]), os.utime(path, (1, 1))),
    "another file in its place": lambda path: (
        path.rename(f"{path}.old"),
        path.write_bytes(path.with_name(f"{path.name}.old").read_bytes()),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("size", [500, 100_000, 300_000], ids=["small", "large", "streamed"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_changes_after_the_walk(
    change: str, size: int, workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assemble, "WHOLE", 200_000)
    files = walk(put(tmp_path / "src", {"other/a": b"a", "other/b": text("b", size), "other/c": b"c"}))
    CHANGES[change](tmp_path / "src/other/b")
    folder = MemoryFolder()
    with pytest.raises(SourceChanged) as caught:
        Assembler(folder, Known(), workers, SilentProgress()).run(files)
    assert str(caught.value.facts["path"]).endswith("/b")
    assert int(caught.value.exit) == 10


def test_a_large_file_that_changes_between_its_two_readings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assemble, "WHOLE", 1000)
    files = walk(put(tmp_path / "src", {"other/b": text("b", 200_000)}))
    path, real, turns = tmp_path / "src/other/b", assemble._pieces, []

    def changing(file: object) -> object:
        turns.append(file)
        if len(turns) == 2:
            stamp = path.stat()
            path.write_bytes(text("B", 200_000))
            os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        return real(file)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(assemble, "_pieces", changing)
    before = Blob(
        blob="0" * 64, enc="raw", holds=("0" * 64,), size=0
    )  # something is known, so content is looked for first
    with pytest.raises(SourceChanged):
        Assembler(MemoryFolder(), Known([before]), 1, SilentProgress()).run(files)
    assert len(turns) == 2


@pytest.mark.parametrize("size", [500, 100_000])
def test_a_file_that_becomes_a_link(size: int, tmp_path: Path) -> None:
    files = walk(put(tmp_path / "src", {"other/b": text("b", size)}))
    path = tmp_path / "src/other/b"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unreadable):
        Assembler(MemoryFolder(), Known(), 1, SilentProgress()).run(files)
