"""The bypass matrix is quiet on what is protected, and finds each way that is opened."""

from __future__ import annotations

from collections import Counter

import pytest

from stella.proof import matrix
from stella.proof.matrix import Leak, Matrix, judge
from stella.proof.probes import LEAK, all_of, of_table
from stella.proof.rows import tenants
from stella.proof.stage import Stage
from stella.runtime.throwaway import Answer
from stella.testing import SilentProgress
from tests.proofs import broken, probe, stage

__all__ = ["stage"]  # a fixture
pytestmark = [pytest.mark.network]
B = tenants(7)[1]


def run(stage: Stage, name: str = "") -> Matrix:
    return matrix.run(stage.server, name or stage.names.both, stage.seal, stage.schema, stage.pair, SilentProgress())


def test_nothing_gets_through_what_is_protected(stage: Stage) -> None:
    found = run(stage)
    assert found.leaks == ()
    assert found.probes == found.refused + found.empty
    assert found.refused > 200
    assert found.empty > 100


def test_every_object_is_probed(stage: Stage) -> None:
    about = Counter(one.object for one in all_of(stage.schema, stage.pair))
    assert all(about[table.name] >= 60 for table in stage.schema.tables)
    objects = [one.name for one in stage.schema.partitions] + [name for _, name in stage.schema.others]
    assert all(about[name] >= 3 for name in objects)


def test_the_probes_of_a_table_have_names_of_their_own(stage: Stage) -> None:
    for table in stage.schema.tables:
        names = [one.name for one in of_table(table, stage.pair, stage.schema.by_oid())]
        assert len(names) == len(set(names))


TELLING = """\
CREATE FUNCTION shop.n() RETURNS trigger LANGUAGE plpgsql AS
$x$BEGIN PERFORM pg_notify('stella', NEW.word); RETURN NEW; END$x$;
CREATE TRIGGER n BEFORE UPDATE ON shop.things FOR EACH ROW EXECUTE FUNCTION shop.n()
"""
OPENED = {
    "row security is off": ("ALTER TABLE shop.things DISABLE ROW LEVEL SECURITY", "shop.things", "select-all"),
    "rows are written": (
        "ALTER POLICY tenant_isolation ON shop.things WITH CHECK (true)",
        "shop.things",
        "insert-theirs",
    ),
    "rows are changed": ("CREATE POLICY m ON shop.things FOR ALL USING (true)", "shop.things", "update-theirs"),
    "without the seal": (
        "ALTER POLICY tenant_isolation ON shop.things USING (tenant_id = current_setting('app.tenant_id', true))",
        "shop.things",
        "context-name-alone",
    ),
    "nobody is enough": (
        "ALTER POLICY tenant_isolation ON shop.things USING (tenant_id = current_setting('app.tenant_id', true))",
        "shop.things",
        "nobody-select",
    ),
    "a partition": ("GRANT SELECT ON shop.parts_0, shop.parts_1 TO stella_app", "shop.parts_", "partition-select"),
    "a view of a superuser": (
        "ALTER VIEW shop.seen RESET (security_invoker); ALTER VIEW shop.seen OWNER TO stella_super",
        "shop.seen",
        "view-select",
    ),
    "a key over tenants": ("CREATE UNIQUE INDEX ON shop.things (word)", "shop.things", "unique-oracle"),
    "truncate": ("GRANT TRUNCATE ON shop.things, shop.parts TO stella_app", "shop.parts", "truncate"),
    "a sequence": ("GRANT ALL ON SEQUENCE shop.internal_id_seq TO stella_app", "shop.internal_id_seq", "sequence-next"),
    "another table": ("GRANT SELECT ON shop.internal TO stella_app", "shop.internal", "other-select"),
    "the key of the seal": ("GRANT SELECT ON tenancy.seal_key TO stella_app", "the server", "seal-key"),
    "set_config": (
        "GRANT EXECUTE ON FUNCTION set_config(text, text, boolean) TO stella_app",
        "the server",
        "set-config",
    ),
    "statistics": ("GRANT SELECT ON pg_catalog.pg_stats TO PUBLIC", "the server", "pg_stats"),
    "large objects": ("GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC", "the server", "lo-create"),
    "making tables": ("GRANT CREATE ON SCHEMA shop TO stella_app", "shop.things", "like"),
    "telling": (TELLING, "the server", "notify"),
}


@pytest.mark.parametrize("what", OPENED)
def test_each_way_that_is_opened_is_found(stage: Stage, what: str) -> None:
    text, target, name = OPENED[what]
    with broken(stage, text) as database:
        leaks = run(stage, database).leaks
    assert any(leak.object.startswith(target) and leak.probe == name for leak in leaks), leaks


def test_a_reference_onto_what_another_has(stage: Stage) -> None:
    text = (
        "ALTER TABLE shop.parts DROP CONSTRAINT parts_tenant_id_thing_fkey;"
        " ALTER TABLE shop.parts ADD CONSTRAINT parts_tenant_id_thing_fkey CHECK (thing > 0)"
    )
    with broken(stage, text) as database:
        leaks = run(stage, database).leaks
    assert {leak.probe for leak in leaks} == {"reference parts_tenant_id_thing_fkey"}


def test_a_probe_that_a_superuser_cannot_send_either_is_no_proof(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    blunt = probe(steps=("SELECT x FROM shop.there_is_no_such",), expect="refused", control="passes")
    monkeypatch.setattr(matrix, "all_of", lambda *_: [blunt])
    assert any(leak.probe == "p" and "blunt" in leak.problem for leak in run(stage).leaks)


MARKED = f"x{B.mark}y".encode()
JUDGED = {
    "data": (probe(), Answer(((MARKED,),)), "shows data"),
    "data in an error": (probe(), Answer((), b"", "42501", MARKED), "shows data"),
    "data after all": (probe(expect="refused"), Answer(((MARKED,),), b"", "42501"), "shows data"),
    "raw bytes": (probe(), Answer(((bytes.fromhex(B.mark),),)), "shows data"),
    "a number": (probe(), Answer(((f"{B.number}0001".encode(),),)), "shows data"),
    "the name": (probe(), Answer(((b"proof-b",),)), "names"),
    "an answer": (probe(echo="all"), Answer(((LEAK.encode(),),)), "answers a question"),
    "passed": (probe(expect="refused"), Answer((), b"TRUNCATE TABLE"), "is not refused"),
    "other error": (probe(expect="refused"), Answer((), b"", "42601", b"syntax error"), "is not refused"),
    "unclear": (probe(), Answer((), b"", "42703", b"no such column"), "another reason"),
    "changed": (probe(control="changes"), Answer((), b"DELETE 3"), "changes 3 rows"),
    "unique": (probe(never=frozenset({"23505"})), Answer((), b"", "23505"), "by its error"),
}


@pytest.mark.parametrize("what", JUDGED)
def test_what_is_a_leak(what: str) -> None:
    asked, answer, word = JUDGED[what]
    assert word in judge(asked, [answer], B)


def test_what_is_none() -> None:
    assert judge(probe(), [Answer(((b"mine",),))], B) == ""
    assert judge(probe(echo="tenant"), [Answer(((b"proof-b",),))], B) == ""
    assert judge(probe(echo="all"), [Answer((), b"", "42501", MARKED)], B) == ""
    assert judge(probe(expect="refused"), [Answer((), b"", "42501")], B) == ""
    assert judge(probe(states=frozenset({"23503"})), [Answer((), b"", "23503")], B) == ""


def test_a_step_that_shows_is_seen_even_when_the_last_is_refused() -> None:
    steps = [Answer(((MARKED,),)), Answer((), b"", "42501")]
    assert "shows" in judge(probe(expect="refused"), steps, B)


def test_leaks_are_named() -> None:
    assert Leak("select-all", "shop.things", "shows").object == "shop.things"
