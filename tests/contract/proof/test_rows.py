"""Rows are made for whatever the catalogue shows, and carry the mark of their tenant."""

from __future__ import annotations

from pathlib import Path

import pytest

from stella.proof.errors import NothingProtected, TableNotFilled
from stella.proof.rows import in_order, tenants
from stella.proof.stage import ROWS_A, ROWS_B, Stage
from stella.runtime.postgres_server import Postgres
from tests.proofs import SEED, laid, modules, stage

__all__ = ["stage"]  # a fixture
pytestmark = [pytest.mark.network]


def test_every_table_has_rows_of_both(stage: Stage) -> None:
    for filled, count in ((stage.pair.a, ROWS_A), (stage.pair.b, ROWS_B)):
        assert {name: len(rows) for name, rows in filled.rows.items()} == {"shop.things": count, "shop.parts": count}
        for rows in filled.rows.values():
            assert {row["tenant_id"] for row in rows} == {filled.tenant.id}
            for row in rows:
                seen = " ".join(filter(None, row.values())).encode()
                assert any(mark in seen for mark in filled.tenant.marks)


def test_checks_and_references_are_kept(stage: Stage) -> None:
    rows = stage.pair.b.rows
    assert {row["mood"] for row in rows["shop.things"]} <= {"calm", "wild"}
    assert {row["thing"] for row in rows["shop.parts"]} <= {row["id"] for row in rows["shop.things"]}


def test_what_is_referred_to_comes_first(stage: Stage) -> None:
    assert [table.name for table in in_order(stage.schema)] == ["shop.things", "shop.parts"]


def test_tenants_are_made_from_the_seed() -> None:
    assert tenants(1) == tenants(1)
    assert {tenant.mark for tenant in tenants(1)}.isdisjoint(tenant.mark for tenant in tenants(2))
    a, b = tenants(SEED)
    assert not set(a.marks) & set(b.marks)


def test_the_other_objects_are_known(stage: Stage) -> None:
    schema = stage.schema
    assert [table.name for table in schema.partitions] == ["shop.parts_0", "shop.parts_1"]
    assert schema.named("v") == ["shop.seen"]
    assert schema.named("S") == ["shop.internal_id_seq"]
    assert "shop.internal" in schema.named("r")
    assert schema.duties == (("stella_jobs", "shop.things", "select, update"),)


NEVER = """\
CREATE TABLE shop.never (tenant_id text NOT NULL PRIMARY KEY, x integer NOT NULL CHECK (x * x = 1764001));
SELECT tenancy.protect('shop.never');
"""


def test_a_table_that_takes_no_row_is_named(postgres: Postgres, tmp_path: Path) -> None:
    with pytest.raises(TableNotFilled, match=r"shop\.never"), laid(postgres, modules(tmp_path, NEVER)):
        raise AssertionError


def test_nothing_to_prove(postgres: Postgres) -> None:
    with pytest.raises(NothingProtected), laid(postgres, {"tenancy": "stella.tenancy"}):
        raise AssertionError
