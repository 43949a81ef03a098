"""The order of a bundle of migrations, releases as numbers, and where a history stands on the way."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.database.errors import DatabaseDiffers
from stella.database.manifest import Manifest, Requires, Shipped, Step, in_order, version
from stella.database.model import Category, File
from stella.database.rules import category_of
from stella.database.standing import compare, place
from stella.kernel.canonical import dump, parse
from stella.kernel.errors import NotJson
from stella.tenancy.snapshot import Snapshot

NAMES = ["001_a.sql", "002_b.sql", "S001_s.sql", "DM001_d.sql", "100_r.sql"]


def file(module: str, name: str) -> File:
    return File(module, name, category_of(name), "0" * 64, "SELECT 1;\n")


def step(name: str, digit: str) -> Step:
    return Step(
        module="box",
        name=name,
        category=category_of(name),
        sha256=digit * 64,
        transaction=True,
        requires=Requires(18, "0.1.0"),
        checks=("lint",),
        policies_digest=Snapshot((), (), "").policies_digest,
        schema_digest=digit * 64,
    )


FOUND = Manifest(
    release="0.1.0",
    modules=("box",),
    history=(Shipped("box", "001_a.sql", Category.STARTUP, "a" * 64),),
    policies_before=(),
    schema_digest_before="9" * 64,
    files=(step("002_b.sql", "1"), step("S001_s.sql", "2"), step("100_r.sql", "3")),
    policies_after=(),
    schema_digest="3" * 64,
    tables_protected=("box.a",),
)
HISTORY = {"box/001_a.sql": "a" * 64, "box/002_b.sql": "1" * 64, "box/S001_s.sql": "2" * 64, "box/100_r.sql": "3" * 64}


def test_every_module_starts_then_fills_then_breaks() -> None:
    found = in_order([file(module, name) for module in ("one", "two") for name in reversed(NAMES)])
    begin = [f"{module}/{name}" for module in ("one", "two") for name in NAMES[:3]]
    data = ["one/DM001_d.sql", "two/DM001_d.sql"]
    assert [one.label for one in found] == [*begin, *data, "one/100_r.sql", "two/100_r.sql"]


@given(st.permutations(NAMES))
def test_the_order_of_the_files_of_a_module_is_their_own(names: list[str]) -> None:
    assert [one.name for one in in_order([file("box", name) for name in names])] == NAMES


def test_releases_are_compared_as_numbers() -> None:
    assert version("0.10.0") > version("0.9.9") > version("0.9") > version("0.1.0")
    assert version("1.0.0rc1") >= version("1.0.0")
    assert version("x") == (0,)


@pytest.mark.parametrize("release", ["", "v1", "1" * 10, "1." + "1" * 5000, "1.0\n", "0.1.0 beta"])
def test_a_release_of_another_form_is_refused(release: str) -> None:
    with pytest.raises(NotJson):
        parse(dump(msgspec.structs.replace(FOUND, release=release)), Manifest, "manifest")


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert parse(dump(FOUND), Manifest, "manifest") == FOUND
    with pytest.raises(NotJson):
        parse(dump(msgspec.to_builtins(FOUND) | {"more": 1}), Manifest, "manifest")


@pytest.mark.parametrize("count", range(1, 5))
def test_the_first_files_are_a_place(count: int) -> None:
    assert place(FOUND, dict(list(HISTORY.items())[:count])) == count - 1


def test_nothing_else_is_a_place() -> None:
    legal = [set(list(HISTORY)[:count]) for count in range(1, 5)]
    for count in range(5):
        for some in itertools.combinations(HISTORY, count):
            if set(some) not in legal:
                with pytest.raises(DatabaseDiffers):
                    place(FOUND, {label: HISTORY[label] for label in some})
    with pytest.raises(DatabaseDiffers, match="does not know"):
        place(FOUND, HISTORY | {"box/101_x.sql": "0" * 64})


def test_a_seed_alone_may_have_been_another_one() -> None:
    assert place(FOUND, HISTORY | {"box/S001_s.sql": "0" * 64}) == 3
    with pytest.raises(DatabaseDiffers, match=r"box/100_r\.sql was applied with other content"):
        place(FOUND, HISTORY | {"box/100_r.sql": "0" * 64})


def test_what_differs_from_a_place() -> None:
    assert compare(FOUND, 0, Snapshot((), (), "9" * 64)) == ""
    assert compare(FOUND, 1, Snapshot((), (), "1" * 64)) == ""
    assert compare(FOUND, 3, Snapshot((), ("box.a",), "3" * 64)) == ""
    assert compare(FOUND, 1, Snapshot((), (), "2" * 64)) == "its schema is 222222222222, expected is 111111111111"
    assert compare(FOUND, 3, Snapshot((), (), "3" * 64)) == "the protection of box.a differs"
