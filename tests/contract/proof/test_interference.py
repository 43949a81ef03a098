"""Answers do not change with another tenant's rows; where they do, the query is named."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from stella.proof import interference, statements
from stella.proof.errors import SameRows
from stella.proof.interference import Databases, Interference
from stella.proof.queries import Author
from stella.proof.stage import Stage
from stella.runtime.statements import Statement
from stella.testing import SilentProgress
from tests.proofs import broken, stage

__all__ = ["stage"]  # a fixture
pytestmark = [pytest.mark.network]


def run(
    stage: Stage, names: Databases | None = None, *, seed: int = 1, queries: int = 1500, packages: tuple[str, ...] = ()
) -> Interference:
    return interference.run(
        stage.server, names or stage.names, stage.seal, stage.schema, stage.pair, packages,
        seed=seed, queries=queries, progress=SilentProgress(),
    )  # fmt: skip


def test_nothing_differs_where_tenants_are_apart(stage: Stage) -> None:
    found = run(stage, queries=3000)
    assert found.differences == ()
    assert found.unstable == ()
    assert found.queries >= 3000
    assert found.texts > 100
    assert 0 < found.refused < found.texts


@pytest.mark.parametrize("text", ["DELETE FROM shop.parts WHERE tenant_id = 'proof-b'", "TRUNCATE shop.things CASCADE"])
def test_two_worlds_that_do_not_differ_prove_nothing(stage: Stage, text: str) -> None:
    with broken(stage, text) as name, pytest.raises(SameRows, match=r"shop\."):
        run(stage, Databases(stage.names.alone, name), queries=100)
    with pytest.raises(SameRows):
        run(stage, Databases(stage.names.both, stage.names.both), queries=100)


def test_the_seed_decides(stage: Stage) -> None:
    first, again, other = run(stage, queries=500), run(stage, queries=500), run(stage, queries=500, seed=2)
    assert first == again
    assert first.answers != other.answers


OPENED = {
    "reading": "ALTER TABLE shop.things DISABLE ROW LEVEL SECURITY",
    "a policy more": "CREATE POLICY more ON shop.parts USING (true)",
    "a key over tenants": "CREATE UNIQUE INDEX ON shop.things (word)",
    "a lasting limit": "CREATE FUNCTION shop.full() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $x$BEGIN"
    " IF (SELECT count(*) FROM shop.parts) > 5 THEN RAISE 'full'; END IF; RETURN NEW; END$x$;"
    " CREATE TRIGGER f BEFORE INSERT ON shop.parts FOR EACH ROW EXECUTE FUNCTION shop.full()",
}


@pytest.mark.parametrize("what", OPENED)
def test_what_reaches_over_is_found(stage: Stage, what: str) -> None:
    with broken(stage, OPENED[what]) as name:
        found = run(stage, Databases(stage.names.alone, name), queries=4000)
    assert found.differences
    assert all(one.without != one.beside for one in found.differences)


def test_every_shape_of_query_is_accepted(stage: Stage) -> None:
    """Queries fail by what rows hold, never by how they are written."""
    author = Author(3, stage.schema, stage.pair)
    with stage.server.line(stage.names.both, "stella_app") as line:
        for _ in range(400):
            line.enter(stage.seal, stage.pair.a.tenant.id)
            answers = line.ask_all(author.next().message())
            line.ask_all("ROLLBACK; DEALLOCATE ALL")
            assert not answers[0].state, answers[0]


CATALOGUE: Mapping[str, str] = {
    "list": "SELECT word, %(word)s FROM shop.things WHERE tenant_id = %(tenant)s AND id < %(id)s ORDER BY 1 LIMIT 3",
    "any": "SELECT word FROM shop.things WHERE tenant_id = %(tenant)s AND word = ANY(%(words)s::text[])",
    "chance": "SELECT gen_random_uuid()::text FROM shop.things WHERE tenant_id = %(tenant)s",
    "drop": "DELETE FROM shop.things WHERE tenant_id = %(tenant)s RETURNING word",
    "wrong": "SELECT nothing FROM shop.things WHERE tenant_id = %(tenant)s",
}


def test_the_statements_of_the_service_are_asked(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name: Statement(name, "", text) for name, text in CATALOGUE.items()}  # type: ignore[arg-type]
    known["duty"] = Statement("duty", "", "SELECT %(tenant)s", "stella_jobs")
    monkeypatch.setattr(statements, "statements", lambda _: known)
    found = run(stage, packages=("shop",))
    assert found.statements == 4
    assert found.unasked == ("shop/wrong",)
    assert found.unstable == ("shop/chance",)
    assert found.differences == ()


def test_a_statement_that_leaves_its_tenant_is_named(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"count": Statement("count", "", "SELECT count(*), %(tenant)s FROM shop.things")}
    monkeypatch.setattr(statements, "statements", lambda _: known)
    with broken(stage, "ALTER TABLE shop.things DISABLE ROW LEVEL SECURITY") as name:
        found = run(stage, Databases(stage.names.alone, name), packages=("shop",), queries=100)
    assert "shop/count" in {one.query for one in found.differences}
