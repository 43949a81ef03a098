"""A snapshot is what its digest says, or it is refused; commands find it, and people see what it is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from stella.cli import render
from stella.inventory import making, service, snapshot, tables, verifying, views
from stella.inventory.errors import (
    SnapshotAmbiguous,
    SnapshotDamaged,
    SnapshotFromFuture,
    SnapshotMissing,
    SnapshotStale,
    SnapshotVersion,
)
from stella.inventory.loading import load_star
from stella.inventory.model import OfSnapshot, OfStore
from stella.kernel.canonical import dump
from stella.kernel.digest import sha256
from stella.runtime.errors import Busy
from tests.fleets import AS_OF_SECONDS, FleetFiles, context

DAY = 86400


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = FleetFiles(tmp_path_factory.mktemp("fleet"))
    return Path(making.load(context(), files.request()).path)


@pytest.fixture
def one(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / whole.name))


@pytest.mark.parametrize("name", [*(f"{table}.parquet" for table in snapshot.TABLES), snapshot.QUARANTINE])
@pytest.mark.parametrize("change", ["flip", "cut", "remove", "link"])
def test_every_byte_of_every_file_counts(one: Path, name: str, change: str) -> None:
    path = one / name
    data = bytearray(path.read_bytes() or b"")
    match change:
        case "flip" if data:
            data[len(data) // 2] ^= 1
            path.write_bytes(data)
        case "remove":
            path.unlink()
        case "link":
            path.rename(one / "elsewhere")
            path.symlink_to(one / "elsewhere")
        case _:
            path.write_bytes(bytes(data[:-1]) if data else b"x")
    with pytest.raises(SnapshotDamaged, match=name):
        verifying.verify(context(), OfSnapshot(snapshot=str(one)))
    with pytest.raises(SnapshotDamaged):
        load_star(one)


def changed(one: Path, change: Any) -> None:
    path = one / snapshot.HEAD
    head = json.loads(path.read_bytes())
    change(head)
    path.write_text(json.dumps(head))


@pytest.mark.parametrize(
    "change",
    [
        lambda head: head["core"].update(as_of=AS_OF_SECONDS + 1),
        lambda head: head["record"]["counts"].update(sboms=9),
        lambda head: head.update(star="0" * 64),
        lambda head: head.update(digest="0" * 64),
        lambda head: head["core"].pop("kev"),
        lambda head: head["core"].update(more=1),
        lambda head: head.pop("core"),
    ],
)
def test_the_head_counts_too(one: Path, change: Any) -> None:
    changed(one, change)
    with pytest.raises(SnapshotDamaged):
        snapshot.read(one)


def sealed_again(one: Path) -> Path:
    """The head made to fit its tables, and the folder renamed: a change that somebody made with care."""
    head = msgspec.json.decode((one / snapshot.HEAD).read_bytes(), type=snapshot.Snapshot)
    found = {name: snapshot.stored(one / f"{name}.parquet", row.rows) for name, row in head.core.tables.items()}
    core = msgspec.structs.replace(head.core, tables=found)
    made = snapshot.sealed(core, head.record)
    (one / snapshot.HEAD).write_bytes(msgspec.json.encode(made))
    return one.rename(one.with_name(made.digest))


@pytest.mark.parametrize("key", [-1, 99])
def test_a_finding_that_points_nowhere(one: Path, key: int) -> None:
    path = one / "findings.parquet"
    pl.read_parquet(path).with_columns(component=pl.lit(key, pl.Int32)).write_parquet(path)
    with pytest.raises(SnapshotDamaged, match="points to no component"):
        load_star(sealed_again(one))


def test_statements_that_do_not_fit(one: Path) -> None:
    path = one / "evidence.parquet"
    pl.read_parquet(path).with_columns(statements=pl.lit(7, pl.Int32)).write_parquet(path)
    with pytest.raises(SnapshotDamaged, match="do not fit"):
        load_star(sealed_again(one))


CAREFUL: dict[str, tuple[str, pl.Expr]] = {
    "keys that are texts": ("findings", pl.lit("0").alias("asset")),
    "keys that are missing": ("findings", pl.lit(None, pl.Int32).alias("asset")),
    "keys that are fractions": ("findings", pl.lit(0.5).alias("asset")),
    "fewer statements than none": (
        "evidence",
        (pl.lit(-1, pl.Int32) + pl.int_range(pl.len()) * (pl.col("statements").sum() + pl.len())).alias("statements"),
    ),
    "a decimal that is a text": ("advisory", pl.lit("9").alias("cvss")),
    "a flag that is a number": ("advisory", pl.lit(7, pl.Int64).alias("kev")),
    "a word that is a number": ("advisory", pl.lit(7, pl.Int64).alias("severity.normalized")),
    "a text that is a list": ("component", pl.lit(["a"]).alias("component.purl")),
    "texts that are one": ("component", pl.lit("MIT").alias("component.licenses")),
    "a decimal that is a fraction": ("advisory", pl.lit(9.5).alias("cvss")),
}


@pytest.mark.parametrize("name", CAREFUL)
def test_a_table_of_other_types_is_damaged(one: Path, name: str) -> None:
    table, change = CAREFUL[name]
    path = one / f"{table}.parquet"
    pl.read_parquet(path).with_columns(change).write_parquet(path)
    with pytest.raises(SnapshotDamaged):
        load_star(sealed_again(one))


def test_a_file_that_is_not_of_the_snapshot_changes_nothing(one: Path) -> None:
    (one / "asset.parquet.new").write_bytes(b"x")
    (one / "more").symlink_to("/")
    assert load_star(one).findings == 3


def test_a_table_that_is_none(one: Path) -> None:
    (one / "age.parquet").write_bytes(b"not at all")
    with pytest.raises(SnapshotDamaged):
        load_star(sealed_again(one))


def test_another_form(one: Path) -> None:
    changed(one, lambda head: head["core"].update(form=99))
    with pytest.raises(SnapshotVersion, match="99"):
        snapshot.read(one)


def test_a_moved_snapshot_is_the_same_and_one_with_a_wrong_name_is_not(one: Path) -> None:
    moved = one.rename(one.with_name("moved"))
    assert load_star(moved).findings == 3
    with pytest.raises(SnapshotDamaged, match="its digest is"):
        snapshot.read(moved.rename(moved.with_name("0" * 64)))


def test_how_it_is_found(whole: Path, tmp_path: Path) -> None:
    store = str(whole.parent)
    assert snapshot.find(str(whole)) == whole
    assert snapshot.find(whole.name[:6], store) == whole
    for place, where in (("0" * 64, store), ("", store), (str(tmp_path), ""), ("nothing", str(tmp_path))):
        with pytest.raises(SnapshotMissing):
            snapshot.find(place, where)
    for name in ("a" * 64, "a" * 63 + "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / snapshot.HEAD).touch()
    with pytest.raises(SnapshotAmbiguous):
        snapshot.find("aa", str(tmp_path))


def test_a_stale_one(whole: Path) -> None:
    head = snapshot.read(whole)
    assert snapshot.age(head, AS_OF_SECONDS - 5) == 0
    snapshot.require_fresh(head, AS_OF_SECONDS - 60)
    with pytest.raises(SnapshotFromFuture):
        snapshot.require_fresh(head, AS_OF_SECONDS - 61)
    snapshot.require_fresh(head, AS_OF_SECONDS + DAY)
    with pytest.raises(SnapshotStale, match="the limit is 24h"):
        snapshot.require_fresh(head, AS_OF_SECONDS + DAY + 1)
    with pytest.raises(SnapshotStale, match="limit is 15m"):
        snapshot.require_fresh(head, AS_OF_SECONDS + 901, 900)


def test_the_digests_are_over_canonical_json(whole: Path) -> None:
    head = snapshot.read(whole)
    assert head.digest == whole.name == sha256(dump(head.core))
    assert service.input_digests(head).keys() == {
        "sbom_digest", "advisory_snapshot", "vex_set", "kev", "epss", "assets", "trust", "reach"
    }  # fmt: skip
    for given in head.record.inputs:
        assert "/" not in given.name
        assert len(given.sha256) == 64


def test_two_loads_do_not_write_at_once(tmp_path: Path) -> None:
    files = FleetFiles(tmp_path)
    with snapshot.loading(tmp_path / "store"), pytest.raises(Busy):
        making.load(context(), files.request())


def test_the_bytes_do_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    code = (
        "import numpy as np, pathlib, sys; from stella.inventory import tables;"
        "n = np.arange(1_200_000, dtype=np.int32) % 1000;"
        "tables.write(pathlib.Path(sys.argv[1]), {'a': (None, n), 'b': ('text', [str(x) for x in range(1200)] * 1000)})"
    )
    made = [tmp_path / "one", tmp_path / "five"]
    for path, threads in zip(made, "15", strict=True):
        subprocess.run([sys.executable, "-c", code, str(path)], check=True, env=environment(threads))
    assert made[0].read_bytes() == made[1].read_bytes()


def environment(threads: str) -> dict[str, str]:
    return {"POLARS_MAX_THREADS": threads, "PYTHONPATH": str(Path(tables.__file__).parents[2])}


def test_what_people_see(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ctx = context(AS_OF_SECONDS + 2 * DAY)
    store = str(whole.parent)
    listed = service.list_(ctx, OfStore(dir=store))
    assert [(one.digest, one.stale, one.findings) for one in listed.snapshots] == [(whole.name, True, 3)]
    render.view(views.listing(listed))
    assert "stale" in capsys.readouterr().out
    render.view(views.shown(service.show(ctx, OfSnapshot(dir=store))))
    assert whole.name in capsys.readouterr().out
    render.view(views.verified(verifying.verify(ctx, OfSnapshot(dir=store))))
    assert "passed" in capsys.readouterr().out
    assert service.show(ctx, OfSnapshot(dir=str(whole)[:-2])).digest == whole.name
    with pytest.raises(SnapshotMissing):
        service.show(ctx, OfSnapshot(dir=str(whole.parent / "none")))
    (whole.parent / "empty").mkdir()
    with pytest.raises(SnapshotMissing):
        service.show(ctx, OfSnapshot(dir=str(whole.parent / "empty")))


def test_what_people_see_of_a_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = FleetFiles(tmp_path)
    files.text(f"sboms/{'long' * 20}.json", "{")
    render.view(views.loaded(making.load(context(), files.request(skip_refused=True))))
    out = capsys.readouterr().out
    assert "1 file was refused" in out
    assert max(map(len, out.splitlines())) < 170
