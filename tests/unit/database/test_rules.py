"""Names of migrations, and a module against its history."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.database import rules
from stella.database.errors import BadMigrationName, ChecksumDrift, NewerDatabase, ReleasePending
from stella.database.model import Category, Choice, File
from stella.kernel.errors import Exit
from stella.runtime.migrate import Applied


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("001_a.sql", "startup"),
        ("099_make_it_9.sql", "startup"),
        ("100_a.sql", "release"),
        ("999_a.sql", "release"),
        ("S001_a.sql", "seed"),
        ("S999_a.sql", "seed"),
        ("DM001_a.sql", "data"),
        ("DM120_a_b.sql", "data"),
    ],
)
def test_the_name_alone_says_the_category(name: str, category: str) -> None:
    assert rules.category_of(name) == category


BAD = [
    (None, "it is empty", "001_what.sql"),
    ("", "it is empty", "001_what.sql"),
    (" \t", "it is empty", "001_what.sql"),
    ("001_Users.sql", "it has upper case letters", "001_users.sql"),
    ("001_USERS.SQL", "it has upper case letters", "001_users.sql"),
    ("s001_a.sql", "after the number", "S001_a.sql"),
    ("dm001_a.sql", "after the number", "DM001_a.sql"),
    ("Dm001_a.sql", "upper case", "DM001_a.sql"),
    ("V1__Create_Users.sql", "`V` belongs to another tool", "001_create_users.sql"),
    ("20250131120000_a.sql", "that is a time stamp", "001_a.sql"),
    ("20250131_a.sql", "that is a time stamp", "001_a.sql"),
    ("0059_x.sql", "4 digits, three are expected", "059_x.sql"),
    ("1_x.sql", "1 digits", "001_x.sql"),
    ("12345_x.sql", "5 digits", "001_x.sql"),
    ("x.sql", "0 digits", "001_x.sql"),
    ("S1_x.sql", "1 digits", "S001_x.sql"),
    ("DM0001_x.sql", "4 digits", "DM001_x.sql"),
    ("000_x.sql", "numbers begin with 001", "001_x.sql"),
    ("S000_x.sql", "numbers begin with 001", "S001_x.sql"),
    ("001-add-x.sql", "after the number", "001_add_x.sql"),
    ("001_a b.sql", "after the number", "001_a_b.sql"),
    ("001_.sql", "after the number", "001_what.sql"),
    ("001___.sql", "after the number", "001_what.sql"),
    ("001a.sql", "after the number", "001_a.sql"),
    ("001_ä.sql", "after the number", "001_what.sql"),
    ("001_a.sql\n", "`.sql`", "001_a.sql"),
    ("001_a.sql.bak", "`.sql`", "001_a.sql"),
    ("001_a.txt", "`.sql`", "001_a.sql"),
    ("\u0660\u0660\u0661_a.sql", "0 digits", "001_a.sql"),
    ("DS001_a.sql", "0 digits", "001_ds001_a.sql"),
    ("001_" + "a" * 200 + ".sql", "the limit is 120", "001_" + "a" * 112 + ".sql"),
]


@pytest.mark.parametrize(("name", "problem", "nearest"), BAD, ids=[repr(row[0])[:30] for row in BAD])
def test_any_other_name_is_refused_with_the_reason_and_the_nearest(name: str, problem: str, nearest: str) -> None:
    with pytest.raises(BadMigrationName) as caught:
        rules.category_of(name, "box/migrations")
    error = caught.value
    assert isinstance(error, ValueError)
    assert error.exit is Exit.USAGE
    assert problem in error.message
    assert "box/migrations" in error.message
    assert error.facts["nearest"] == nearest
    assert nearest in error.advice


def test_the_proposed_number_is_free() -> None:
    with pytest.raises(BadMigrationName) as caught:
        rules.category_of("20250131_b.sql", taken=["001_a.sql", "007_c.sql", "S009_d.sql", "120_e.sql"])
    assert caught.value.facts["nearest"] == "008_b.sql"


@given(st.text(max_size=150))
def test_what_is_proposed_is_always_legal(name: str) -> None:
    nearest = name
    try:
        rules.category_of(name)
    except BadMigrationName as error:
        nearest = str(error.facts["nearest"])
    assert rules.category_of(nearest) in Category


@given(st.from_regex(r"[sSvVdDmM]{0,2}[0-9]{0,15}_{0,2}[A-Za-z0-9_-]{0,9}(\.sql)?\n?", fullmatch=True))
def test_what_is_proposed_is_always_legal_near_the_form(name: str) -> None:
    test_what_is_proposed_is_always_legal.hypothesis.inner_test(name)


def test_crlf_counts_as_lf() -> None:
    assert rules.checksum_of(b"a\r\nb\r\n") == rules.checksum_of(b"a\nb\n")
    assert rules.checksum_of(b"a\rb") != rules.checksum_of(b"a\nb")


def file(name: str, text: str = "x") -> File:
    return File("box", name, rules.category_of(name), rules.checksum_of(text.encode()), text)


def applied(name: str, text: str = "x") -> Applied:
    return Applied(name, rules.category_of(name), rules.checksum_of(text.encode()), 0, "me", 1)


FILES = [file(name) for name in ("S001_s.sql", "100_r.sql", "DM001_d.sql", "002_b.sql", "001_a.sql", "101_r.sql")]


@pytest.mark.parametrize(
    ("choice", "order"),
    [
        ("automatic", ["001", "002", "S001"]),
        ("startup", ["001", "002"]),
        ("seed", ["001", "002", "S001"]),
        ("data", ["001", "002", "DM001"]),
        ("release", ["001", "002", "100", "101"]),
        ("all", ["001", "002", "S001", "DM001", "100", "101"]),
    ],
)
def test_the_order_of_a_run(choice: str, order: list[str]) -> None:
    judged = rules.judge("box", FILES, [])
    assert [found.name.partition("_")[0] for found in judged.of(Choice(choice))] == order


def test_what_was_applied_is_not_pending() -> None:
    judged = rules.judge("box", FILES, [applied("001_a.sql"), applied("100_r.sql")])
    assert [found.name for found in judged.of(Choice.RELEASE)] == ["002_b.sql", "101_r.sql"]
    assert judged.notes == ()


@pytest.mark.parametrize("name", ["001_a.sql", "100_r.sql", "DM001_d.sql"])
def test_an_edited_file_is_drift(name: str) -> None:
    with pytest.raises(ChecksumDrift, match=f"box/{name}") as caught:
        rules.judge("box", FILES, [applied(name, "other")])
    assert (caught.value.exit, caught.value.reason) == (Exit.NEGATIVE, "checksum_drift")


def test_an_edited_seed_is_a_note() -> None:
    judged = rules.judge("box", FILES, [applied("S001_s.sql", "other")])
    assert "seed box/S001_s.sql has changed" in judged.notes[0]
    assert not judged.pending[Category.SEED]


def test_a_name_that_is_not_shipped_is_a_newer_database() -> None:
    with pytest.raises(NewerDatabase, match=r"003_c\.sql") as caught:
        rules.judge("box", FILES, [applied("001_a.sql"), applied("003_c.sql", "c")])
    assert (caught.value.exit, caught.value.reason) == (Exit.NEGATIVE, "newer_database")
    assert "; renamed" not in caught.value.message


def test_a_renamed_file_is_recognised() -> None:
    files = [file("001_a.sql"), file("002_new.sql", "same")]
    with pytest.raises(NewerDatabase, match=r"002_old\.sql is 002_new\.sql now"):
        rules.judge("box", files, [applied("001_a.sql"), applied("002_old.sql", "same")])


def test_a_pending_release_names_files_and_command() -> None:
    one = rules.judge("box", FILES, [applied("100_r.sql")])
    with pytest.raises(ReleasePending) as caught:
        rules.check_release([one])
    error = caught.value
    assert (error.exit, error.reason) == (Exit.NEGATIVE, "release_pending")
    assert "box/101_r.sql" in error.message
    assert "100_r.sql" not in error.message
    assert "`stella migrate run --category release --module box`" in error.advice
    rules.check_release([rules.judge("box", FILES[4:5], [])])


def test_a_plan_is_named_by_files_order_and_content() -> None:
    one, two = file("001_a.sql"), file("002_b.sql")
    found = {rules.plan_digest(files) for files in ([one, two], [two, one], [one], [one, file("002_b.sql", "y")])}
    assert len(found) == 4
    assert rules.plan_digest([one, two]) == rules.plan_digest([one, two])
