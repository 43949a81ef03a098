"""Which base a new file is compared with, and which blobs a thin bundle carries."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from stella.bundle.assemble import Assembler, Known
from stella.bundle.contents import Contents, blob_key, sizes_of
from stella.bundle.model import Blob, Entry
from stella.kernel.digest import sha256
from stella.mirror import thin
from stella.mirror.sources import walk
from stella.mirror.thin import Bases, ThinPlanner
from stella.testing import MemoryFolder, SilentProgress
from tests.world import first_release, noise, put, second_release, text


def bases(*paths: str) -> Bases:
    return Bases([Entry(category="artifacts", digest=path, media_type="", path=path, size=1) for path in paths])


@pytest.mark.parametrize(
    ("path", "held", "found"),
    [
        ("a/server", ["a/server", "b/server"], "a/server"),
        ("a/app-1.3.0.bin", ["a/app-1.2.9.bin", "a/other.bin"], "a/app-1.2.9.bin"),
        ("v2.15.1/bin/server", ["v2.15.0/bin/server", "docs/server"], "v2.15.0/bin/server"),
        ("new/place/app-2.0.bin", ["old/app-1.0.bin"], "old/app-1.0.bin"),
        ("a/app-1.bin", ["a/app-1.bin", "a/app-2.bin"], "a/app-1.bin"),
        ("a/app-3.bin", ["a/app-1.bin", "a/app-2.bin"], "a/app-1.bin"),
        ("x/unheard-of", ["a/server"], None),
        ("x/unheard-of", [], None),
    ],
)
def test_the_base_of_a_file(path: str, held: list[str], found: str | None) -> None:
    assert bases(*held).find(path) == found


class Store:
    """Two assembled generations in one folder."""

    def __init__(self, top: Path, before: dict[str, bytes], after: dict[str, bytes]) -> None:
        self.folder = MemoryFolder()
        self.sides: list[tuple[list[Entry], Contents]] = []
        for name, files in (("before", before), ("after", after)):
            entries, blobs = Assembler(self.folder, Known(), 1, SilentProgress()).run(walk(put(top / name, files)))
            self.sides.append((entries, Contents(self.folder, blobs, sizes_of(entries))))

    def plan(self, max_delta: int = 1 << 29) -> list[Blob]:
        (base_entries, base), (entries, target) = self.sides
        return ThinPlanner(self.folder, target, base, max_delta).run(entries, base_entries, SilentProgress())

    def names(self, blobs: list[Blob]) -> dict[str, str]:
        paths = {entry.digest: entry.path for entry in reversed(self.sides[1][0])}
        return {paths[digest]: blob.enc for blob in blobs for digest in blob.holds}


def test_only_what_the_base_lacks_and_deltas_where_they_pay(tmp_path: Path) -> None:
    store = Store(tmp_path, first_release(), second_release())
    assert store.names(store.plan()) == {
        "advisories/feed.ndjson": "zstd",
        "advisories/osv/A-3.json": "zstd",
        "advisories/osv/A-4.json": "zstd",
        "artifacts/bin/server": "hdiff",
        "artifacts/lib/codec.so": "raw",
    }


def test_planning_twice_makes_each_delta_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path, first_release(), second_release())
    first = store.plan()
    monkeypatch.setattr("stella.bundle.delta.DeltaWorker.diff", None)  # calling it would fail
    assert store.plan() == first
    gone = next(blob for blob in first if blob.enc == "hdiff")
    del store.folder.objects[blob_key(gone.blob)]
    with pytest.raises(TypeError):
        store.plan()


def test_a_file_above_the_limit_is_shipped_whole(tmp_path: Path) -> None:
    store = Store(tmp_path, first_release(), second_release())
    assert store.names(store.plan(110_000))["artifacts/bin/server"] in {"raw", "zstd"}
    assert store.names(store.plan(110_008))["artifacts/bin/server"] == "hdiff"


def test_a_delta_that_gains_too_little_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path, first_release(), second_release())
    (delta,) = (blob for blob in store.plan() if blob.enc == "hdiff")
    plain = store.sides[1][1].blob(delta.holds[0])
    monkeypatch.setattr(thin, "MIN_GAIN", (delta.size - 0.5) / plain.size)
    assert store.names(store.plan())["artifacts/bin/server"] == plain.enc
    monkeypatch.setattr(thin, "MIN_GAIN", (delta.size + 0.5) / plain.size)
    assert store.names(store.plan())["artifacts/bin/server"] == "hdiff"


def test_a_worker_that_fails_costs_size_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path, first_release(), second_release())
    monkeypatch.setattr("stella.bundle.delta.DeltaWorker.diff", lambda *_: False)
    assert store.names(store.plan())["artifacts/bin/server"] in {"raw", "zstd"}


def test_nothing_new_is_no_blob(tmp_path: Path) -> None:
    files = {"other/a": b"a", "other/large": text("x", 90_000)}
    assert Store(tmp_path, files, files).plan() == []
    moved = {"vex/b": b"a", "other/larger": text("x", 90_000)}
    assert Store(tmp_path / "moved", files, moved).plan() == [], "the same contents under other names need no bytes"


def test_one_content_under_two_names_travels_once(tmp_path: Path) -> None:
    new = noise("new", 70_000)
    store = Store(tmp_path, {"other/a": b"a"}, {"other/x": new, "other/y": new, "other/s": b"s", "other/t": b"s"})
    held = [digest for blob in store.plan() for digest in blob.holds]
    assert sorted(held) == sorted([sha256(new), sha256(b"s")])
    assert msgspec.structs.asdict(store.plan()[0])["base"] is None
