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
    names = {"no-force", "disable", "check-true", "or-more", "duty-of-the-application"}
    wanted = [one for one in mutations.all_of(stage.schema, "x") if one.name in names and one.object == "shop.things"]
    monkeypatch.setattr(mutations, "all_of", lambda *_: wanted)
    monkeypatch.setattr(mutations.gate, "findings", lambda _: [])
    found = run(stage)
    assert found.made == len(names)
    assert found.survivors == ("no-force on shop.things",)


def test_what_cannot_be_done_is_no_survivor(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [
        Mutation("absurd", "shop.none", "open_table", "ALTER TABLE shop.none ADD x int"),
        Mutation("idle", "x", "open_table", "SELECT 1"),
    ]
    monkeypatch.setattr(mutations, "all_of", lambda *_: wanted)
    found = run(stage)
    assert found.barred == ("absurd on shop.none",)
    assert found.survivors == ("idle on x",)


OTHERWISE = {  # each breaks something, but not what its kind says
    "another finding": Mutation("m", "shop.things", "not_forced", "GRANT TRUNCATE ON shop.things TO stella_app"),
    "probes that fail": Mutation("m", "shop.things", "not_forced", "ALTER TABLE shop.things RENAME tenant_id TO t"),
    "probes that meet no row": Mutation(
        "m", "shop.things", "not_forced", "DROP POLICY tenant_isolation ON shop.things"
    ),
}


@pytest.mark.parametrize("why", OTHERWISE)
def test_what_is_noticed_for_another_reason_survives(stage: Stage, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutations, "all_of", lambda *_: [OTHERWISE[why]])
    assert run(stage).survivors == ("m on shop.things",)


def test_kinds_are_those_of_the_gate(stage: Stage) -> None:
    assert {one.kind for one in mutations.all_of(stage.schema, "x")} <= mutations.gate.WHY.keys()
