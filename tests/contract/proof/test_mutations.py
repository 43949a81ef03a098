"""Each line of the protection that is broken is noticed, and one that nobody notices is named."""

from __future__ import annotations

import pytest

from stella.proof import mutations
from stella.proof.mutations import Mutated, Mutation
from stella.proof.stage import Stage
from stella.testing import SilentProgress
from tests.proofs import stage

__all__ = ["stage"]  # a fixture
pytestmark = [pytest.mark.network]


def run(stage: Stage) -> Mutated:
    return mutations.run(stage.server, stage.names.both, stage.seal, stage.schema, stage.pair, SilentProgress())


def test_every_break_is_noticed(stage: Stage) -> None:
    assert stage.findings == ()  # what is noticed is the mutation
    found = run(stage)
    with stage.server.connect(stage.names.both) as connection:
        assert mutations.gate.findings(connection) == []  # nothing of it stays
    assert found.survivors == ()
    assert set(found.barred) <= {"child-table on shop.parts", "key-without-tenant on shop.parts"}  # it has partitions
    assert found.made > 100
    assert found.by_matrix > 10
    tried = {(one.name, one.object) for one in found.noticed}
    for table in (*stage.schema.tables, *stage.schema.partitions):
        assert {("drop-policy", table.name), ("no-force", table.name), ("check-true", table.name)} <= tried
    assert {("tid-volatile", "the server"), ("grant-partition", "shop.parts_0"), ("unprotect", "shop.things")} <= tried


def test_the_matrix_notices_without_the_gate(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutations.gate, "findings", lambda _: [])
    found = run(stage)
    assert "no-force on shop.things" in found.survivors
    assert "disable on shop.things" not in found.survivors
    assert "check-true on shop.things" not in found.survivors


def test_what_cannot_be_done_is_no_survivor(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [Mutation("absurd", "shop.none", "ALTER TABLE shop.none ADD x int"), Mutation("idle", "x", "SELECT 1")]
    monkeypatch.setattr(mutations, "all_of", lambda *_: wanted)
    found = run(stage)
    assert found.barred == ("absurd on shop.none",)
    assert found.survivors == ("idle on x",)
