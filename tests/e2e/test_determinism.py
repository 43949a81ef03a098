"""The same input gives the same bytes: on any path, with any workers, order, umask, time zone and locale."""

from __future__ import annotations

import hashlib
import json
import locale
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from stella.mirror import service
from stella.mirror.model import CreateBundle
from tests.world import Parts, World, first_release, noise, put, second_release, text

Change = Callable[[pytest.MonkeyPatch], None]


def many_files() -> dict[str, bytes]:
    """Enough small files for several packs and batches, beside large ones of both kinds."""
    files = {f"advisories/osv/{number:04}.json": text(f"A-{number}", number * 37 % 9000) for number in range(700)}
    files |= {f"other/noise/{number}": noise(f"n{number}", number * 301 % 20_000) for number in range(120)}
    return files | {f"artifacts/large/{number}": text(f"L{number}", 70_000 + number * 90_000) for number in range(6)}


def carried(top: Path, workers: int = 1, second: bool = True) -> dict[str, bytes]:
    """Two generations of a fresh channel, full and thin, and what the vendor publishes; all of its bytes by name."""
    world = World(top, workers=workers).lay_channel()
    first = many_files() | first_release()
    world.create(first, "1.stella")
    if second:
        world.lay_site().import_("1.stella")
        receipt = world.receipt()
        world.pass_time(3600)
        world.create(many_files() | second_release(), "2-thin.stella", receipt=receipt)
        world.create(name="2-full.stella")
    found = {path.name: path.read_bytes() for path in sorted(top.glob("*.stella"))}
    public = [path for folder in ("trust", "tuf") for path in (world.m / folder).rglob("*") if path.is_file()]
    return found | {path.relative_to(world.m).as_posix(): path.read_bytes() for path in public}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return carried(tmp_path_factory.mktemp("reference") / "world")


def same(found: dict[str, bytes], reference: dict[str, bytes]) -> None:
    assert [name for name in reference if found.get(name) != reference[name]] == []
    assert found.keys() == reference.keys()


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_workers_and_path(workers: int, reference: dict[str, bytes], tmp_path: Path) -> None:
    same(carried(tmp_path / "another" / "much longer path \u00e9", workers), reference)


def test_the_order_of_the_file_system(
    reference: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir
    draw = random.Random(7)

    class Shuffled:
        """The iterator of `os.scandir`, which is also its own context."""

        def __init__(self, top: str) -> None:
            with real(top) as found:
                self.entries = list(found)
            draw.shuffle(self.entries)

        def __iter__(self) -> Self:
            return self

        def __next__(self) -> os.DirEntry[str]:
            if not self.entries:
                raise StopIteration
            return self.entries.pop()

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

        def close(self) -> None:
            self.entries.clear()

    monkeypatch.setattr(os, "scandir", Shuffled)
    same(carried(tmp_path / "world", 3), reference)


def test_the_order_of_writing_the_sources_and_of_naming_them(tmp_path: Path) -> None:
    files = many_files()
    made = []
    for number in range(2):
        world = World(tmp_path / str(number)).lay_channel()
        names = sorted(files, reverse=bool(number))
        source = put(world.top / "src", {name: files[name] for name in names})
        for place, name in enumerate(names):
            os.utime(world.top / "src" / name, (place, place))
            (world.top / "src" / name).chmod(0o600 if number else 0o755)
        named = source[::-1] if number else source
        service.create(world.context(), CreateBundle(dir=str(world.m), out=str(world.top / "1.stella"), source=named))
        made.append((world.top / "1.stella").read_bytes())
    assert made[0] == made[1]


def test_umask_and_time_zone(reference: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(0o077)
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    try:
        same(carried(tmp_path / "world"), reference)
    finally:
        os.umask(before)
        monkeypatch.undo()
        time.tzset()


def test_another_process_with_another_hash_seed_and_locale(reference: dict[str, bytes], tmp_path: Path) -> None:
    """Sets and dictionaries of text are walked in another order there; nothing that is written may depend on it."""
    program = (
        "import hashlib, json, sys\n"
        "from pathlib import Path\n"
        "from tests.e2e.test_determinism import carried\n"
        "found = carried(Path(sys.argv[1]), 2)\n"
        "print(json.dumps({name: hashlib.sha256(data).hexdigest() for name, data in found.items()}))\n"
    )
    kept = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    languages = {
        "LC_ALL": "tr_TR.UTF-8" if "tr_TR.utf8" in _locales() else "C",
        "PYTHONHASHSEED": "12345",
        "TZ": "UTC+11",
    }
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "world")],
        capture_output=True,
        check=True,
        env=kept | languages | {"PYTHONUTF8": "1"},
        cwd=Path(__file__).parents[2],
        timeout=120,
    )
    assert json.loads(done.stdout) == {name: hashlib.sha256(data).hexdigest() for name, data in reference.items()}


def _locales() -> set[str]:
    try:
        done = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False, timeout=10)
    except FileNotFoundError:
        return {locale.getlocale()[0] or "C"}
    return set(done.stdout.split())


def test_a_file_that_is_written_again_is_the_same_file(tmp_path: Path) -> None:
    world = World(tmp_path / "world").lay_channel()
    first = world.create(first_release(), "1.stella")
    world.pass_time(3600)
    again = world.create(first_release(), "again.stella")
    assert (first.fresh, again.fresh) == (True, False)
    world.create(second_release(), "2.stella")
    world.create(name="old.stella", generation=1)
    files = [(world.top / name).read_bytes() for name in ("1.stella", "again.stella", "old.stella")]
    assert files[0] == files[1] == files[2]


def test_what_a_channel_was_before_does_not_show(tmp_path: Path) -> None:
    """The blobs of a generation follow from its files, not from what the store happened to hold."""
    worlds = []
    for number in range(2):
        world = World(tmp_path / str(number)).lay_channel()
        world.create(first_release() if number else {"other/x": b"x"}, "1.stella")
        world.pass_time(60)
        world.create(many_files(), "2.stella")
        worlds.append(world.channel)
    records = [channel.record(2) for channel in worlds]
    assert (records[0].entries, records[0].stored, records[0].root) == (
        records[1].entries,
        records[1].stored,
        records[1].root,
    )


def test_full_and_thin_are_one_generation(prepared: World) -> None:
    thin, full = (Parts.read(prepared.top / name) for name in ("2.stella", "2-full.stella"))
    assert thin.generation.root == full.generation.root
    differing = {title for title in full.documents if thin.documents.get(title) != full.documents[title]}
    assert differing == {"packer.dsse.json", "stored.ndjson.zst"}, "only how this file stores it"
    assert thin.documents.keys() == full.documents.keys()
    assert thin.documents["bundle.dsse.json"] == full.documents["bundle.dsse.json"]
    assert sum(map(len, thin.blobs.values())) < sum(map(len, full.blobs.values()))


CURIOUS: dict[str, tuple[dict[str, bytes], dict[str, bytes]]] = {
    "two parts and their whole": (
        {
            "other/a": noise("p", 80_000)[:40_000],
            "other/b": noise("p", 80_000)[40_000:],
            "other/whole": noise("p", 80_000),
        },
        {"other/a": noise("p", 80_000)[:40_000], "other/whole": noise("p", 80_000), "other/more": b"m"},
    ),
    "a new file that is two old ones": (
        {"other/a": b"x", "other/b": b"y"},
        {"other/a": b"x", "other/b": b"xy"},
    ),
    "files that the layout knows": (
        {"other/a": b"{}", "other/b": b'{"imageLayoutVersion":"1.0.0"}', "other/empty": b""},
        {"other/a": b"", "other/b": b"{}", "other/c": b'{"imageLayoutVersion":"1.0.0"}'},
    ),
    "content that moves between names": (
        {"artifacts/app-1.0.bin": noise("m", 90_000), "other/a": b"same", "other/b": b"same"},
        {"artifacts/app-1.1.bin": noise("m", 90_000), "other/c": b"same"},
    ),
    "nothing but empty files": ({"other/a": b""}, {"other/a": b"", "other/b": b""}),
    "large becomes small and small large": (
        {"other/a": text("a", 200_000), "other/b": b"b"},
        {"other/a": b"a", "other/b": text("b", 200_000)},
    ),
    "already compressed": (
        {"other/a.gz": b"\x1f\x8b" + noise("gz", 70_000)},
        {"other/a.gz": b"\x1f\x8b" + noise("gz", 69_000) + b"tail"},
    ),
    "everything goes": ({"other/a": text("a", 100_000)}, {"vex/b": b"only this"}),
}


@pytest.mark.parametrize("name", CURIOUS)
def test_what_goes_in_comes_out(name: str, tmp_path: Path) -> None:
    """Full, thin and after a rollback; with contents chosen to meet each other in the store."""
    before, after = CURIOUS[name]
    world = World(tmp_path / "world").lay_channel()
    world.create(before, "1.stella")
    world.lay_site().import_("1.stella")
    assert world.files() == before
    world.pass_time(60)
    world.create(after, "2.stella", receipt=world.receipt())
    world.import_("2.stella")
    assert world.files() == after
    world.rollback()
    assert world.files() == before
    world.import_("2.stella")
    world.pass_time(60)
    world.create(before, "3.stella", receipt=world.receipt())
    world.import_("3.stella")
    assert [world.files(number) for number in (1, 2, 3)] == [before, after, before]
