"""The catalogue of statements: its form, and that no statement leaves its tenant."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from stella import bootstrap
from stella.runtime.statements import parse, statements, tenant_tables

TEXT = """\
-- What the file is for.

-- name: one
-- Says one,
-- and nothing else.
SELECT 1; -- not cut

-- name: two
-- Says two.
-- duty: stella_jobs
SELECT %(x)s
FROM t;
"""


def test_statements_have_a_name_and_a_description() -> None:
    found = parse(TEXT.replace(" -- not cut", ""), "box")
    assert [tuple(found[name]) for name in found] == [
        ("one", "Says one, and nothing else.", "SELECT 1", ""),
        ("two", "Says two.", "SELECT %(x)s\nFROM t", "stella_jobs"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "-- name: one\nSELECT 1;",
        "-- name: one\n-- Says one.\n",
        "-- name: One\n-- Says one.\nSELECT 1;",
        "-- name: one\n-- Says one.\nSELECT 1;\n-- name: one\n-- Again.\nSELECT 1;",
        "SELECT 1;\n-- name: one\n-- Says one.\nSELECT 1;",
    ],
)
def test_a_block_of_another_form_does_not_load(text: str) -> None:
    with pytest.raises(ValueError, match=r"box/queries\.sql"):
        parse(text, "box")


def test_statements_of_a_package_are_read_once_and_all_are_used() -> None:
    found = statements("stella.runtime")
    assert statements("stella.runtime") is found
    folder = files("stella.runtime")
    code = "".join(folder.joinpath(f"{name}.py").read_text() for name in OWN)
    assert [name for name in found if f'"{name}"' not in code] == []


OWN = ("migrate", "batches", "roles", "throwaway", "tenant_rows", "postgres")
MIGRATION = "CREATE TABLE t (tenant_id text NOT NULL); SELECT tenancy.protect('box.t');"


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with one table of tenants."""
    (tmp_path / "box/migrations").mkdir(parents=True)
    (tmp_path / "box/__init__.py").touch()
    (tmp_path / "box/migrations/001_t.sql").write_text(MIGRATION)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "box"
    sys.modules.pop("box", None)
    statements.cache_clear()
    tenant_tables.cache_clear()


@pytest.mark.parametrize(
    "text",
    [
        "SELECT FROM box.t WHERE tenant_id = %(tenant)s",
        "-- duty: stella_jobs\nSELECT FROM box.t",
        "SELECT FROM box.other",
    ],
)
def test_what_stays_in_its_tenant_loads(box: Path, text: str) -> None:
    (box / "queries.sql").write_text(f"-- name: one\n-- Says one.\n{text};\n")
    assert list(statements("box")) == ["one"]


def test_what_may_leave_its_tenant_keeps_the_catalogue_from_loading(box: Path) -> None:
    (box / "queries.sql").write_text("-- name: one\n-- Says one.\nSELECT FROM box.t;\n")
    with pytest.raises(ValueError, match="`one` may leave its tenant"):
        statements("box")


@pytest.mark.parametrize(
    "call", ["protect( 'box.t' )", "tenancy.protect('box.t'::regclass)", "TENANCY.Protect('box.t')"]
)
def test_however_a_table_is_protected_it_is_known(box: Path, call: str) -> None:
    (box / "migrations/001_t.sql").write_text(f"CREATE TABLE box.t (tenant_id text NOT NULL); SELECT {call};")
    assert tenant_tables("box") == {"box.t"}


@pytest.fixture
def beside(box: Path) -> Iterator[Path]:
    """A package without tables of its own, beside the one that has some; both are in a third."""
    (box / "own").mkdir()
    (box / "migrations").rename(box / "own/migrations")
    for name in ("own", "other"):
        (box / name).mkdir(exist_ok=True)
        (box / name / "__init__.py").touch()
    yield box / "other"
    for name in ("box.own", "box.other"):
        sys.modules.pop(name, None)


def test_tables_of_a_package_beside_it_are_tables_of_tenants(beside: Path) -> None:
    (beside / "queries.sql").write_text("-- name: one\n-- Says one.\nSELECT FROM box.t;\n")
    with pytest.raises(ValueError, match="`one` may leave its tenant"):
        statements("box.other")
    (beside / "queries.sql").write_text("-- name: one\n-- Says one.\nSELECT FROM box.t WHERE tenant_id = %(tenant)s;\n")
    assert list(statements("box.other")) == ["one"]


@pytest.mark.parametrize("package", sorted({*bootstrap.SCHEMAS.values(), "stella.runtime"}))
def test_the_catalogues_of_stella_load(package: str) -> None:
    assert statements(package)
