"""The life of policies on a real PostgreSQL: made, moved, refused, and written down."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from stella.kernel.errors import StellaError
from stella.operations import LOCAL
from stella.policy import evidence, lifecycle, records, rules, versions
from stella.policy.errors import (
    BadEvidence,
    DoesNotCompile,
    GateShut,
    IllegalTransition,
    IrHashMismatch,
    LoginTooOld,
    NoSuchPolicy,
    NoSuchVersion,
    NothingChanged,
    PolicyTaken,
    SelfApproval,
    ShadowRequired,
    TwoBeginnings,
)
from stella.policy.model import (
    MAX_SOURCE,
    BumpPolicy,
    CreatePolicy,
    DecidePolicy,
    DiffPolicy,
    ListHistory,
    ListPolicies,
    ReviewPolicy,
    ShowPolicy,
    State,
    SubmitPolicy,
)
from stella.runtime import roles
from stella.runtime.statements import statements
from tests.database import postgres
from tests.identity import World, erase
from tests.policy_team import WHY, D, Team, laid, rows_here, text, world

__all__ = ["laid", "postgres", "world"]  # fixtures
pytestmark = [pytest.mark.network]


@pytest.fixture
def team(world: World, tmp_path: Path) -> Team:
    return Team(world, tmp_path)


def decide(number: int = 1) -> DecidePolicy:
    return DecidePolicy("P-7", number, **WHY)


def test_the_gate_between_tenants_is_quiet(world: World) -> None:
    assert world.guarded.found() == set()


def test_every_statement_is_understood_by_the_database(team: Team) -> None:
    """Also those that no path of a test sends."""
    with team.ada.tenant() as t:
        for name, one in statements("stella.policy").items():
            text_ = one.sql.replace("%(", "%%(").replace("%%", "%")
            names = dict.fromkeys(_names(text_))
            t._connection.execute("SAVEPOINT one")
            try:
                t._connection.execute(one.sql, names | {"tenant": "acme"})
            except psycopg.errors.NotNullViolation:
                pass
            except psycopg.Error as error:
                raise AssertionError(f"{name}: {error}") from None
            t._connection.execute("ROLLBACK TO SAVEPOINT one")


def _names(sql: str) -> set[str]:
    return {part.split(")")[0] for part in sql.split("%(")[1:]}


def test_a_version_lives(team: Team) -> None:
    team.create()
    assert team.state() == "draft"
    team.submit()
    lifecycle.review(team.ben, ReviewPolicy("P-7", 1, reason="too wide"))
    assert team.state() == "draft"
    team.submit()
    lifecycle.approve(team.ben, decide())
    assert team.state() == "approved"
    lifecycle.archive(team.ben, decide())
    rows = lifecycle.history(team.ada, ListHistory("P-7")).rows
    assert [(row.event, row.before, row.state, row.actor) for row in reversed(rows)] == [
        ("create", None, "draft", "acme.ada"),
        ("submit", "draft", "submitted", "acme.ada"),
        ("review", "submitted", "draft", "acme.ben"),
        ("submit", "draft", "submitted", "acme.ada"),
        ("approve", "submitted", "approved", "acme.ben"),
        ("archive", "approved", "archived", "acme.ben"),
    ]
    assert (rows[0].reason, rows[0].ticket) == ("a test", "T-1")
    assert rows[-2].evidence == (D["fixtures"], D["lint"])
    actions = Counter(action for action, _ in team.world.events("acme") if action.startswith("policy."))
    once = dict.fromkeys(("policy.create", "policy.review", "policy.approve", "policy.archive"), 1)
    assert actions == once | {"policy.submit": 2, "policy.record": 4}


def test_the_history_has_pages(team: Team) -> None:
    team.create()
    team.submit()
    first = lifecycle.history(team.ada, ListHistory("P-7", limit=1))
    assert [row.event for row in first.rows] == ["submit"]
    last = lifecycle.history(team.ada, ListHistory("P-7", limit=1, cursor=first.next))
    assert ([row.event for row in last.rows], last.next) == (["create"], None)


def test_what_is_not_in_the_table_is_refused_with_what_is(team: Team) -> None:
    team.create()
    before = rows_here(team.world)
    for do in (
        lambda: lifecycle.approve(team.ben, decide()),
        lambda: lifecycle.review(team.ben, ReviewPolicy("P-7", 1, reason="x")),
        lambda: lifecycle.publish(team.ben, decide()),
        lambda: lifecycle.archive(team.ben, decide()),
        team.promote,
    ):
        with pytest.raises(IllegalTransition) as caught:
            do()
        assert caught.value.status == 409
        assert caught.value.problem()["facts"]["allowed"] == ["submit"]  # type: ignore[index]
        assert "what can be done: submit" in caught.value.message
        assert rows_here(team.world) == before


def test_nobody_approves_what_they_have_written_or_submitted(team: Team) -> None:
    team.create()
    for kind in lifecycle.TO_SUBMIT:
        team.record(kind)
    lifecycle.submit(team.ben, SubmitPolicy("P-7", 1))
    for who in (team.ada, team.ben):
        with pytest.raises(SelfApproval):
            lifecycle.approve(who, decide())
    assert lifecycle.approve(team.person("eve"), decide()).state is State.APPROVED


def test_a_login_of_long_ago_is_not_enough(team: Team) -> None:
    """Nor is one of which nobody knows, or one that is to come."""
    team.create()
    team.submit()
    now = team.ada.clock.read().wall
    for since in (0, now - rules.FRESH - 1, now + rules.SKEW + 1):
        with pytest.raises(LoginTooOld) as caught:
            lifecycle.approve(team.person("eve", authenticated=since), decide())
        assert caught.value.reason == "reauth_required"
        assert team.state() == "submitted"


def test_the_operating_system_has_just_asked(team: Team) -> None:
    assert LOCAL.authenticated is None
    team.create()
    team.submit()
    assert lifecycle.approve(team.person("eve", authenticated=None), decide()).state is State.APPROVED


def test_nothing_is_submitted_that_is_not_known_to_be_sound(team: Team) -> None:
    team.create()
    with pytest.raises(GateShut, match="fixtures_missing, lint_missing"):
        lifecycle.submit(team.ada, SubmitPolicy("P-7", 1))
    team.record("fixtures")
    team.record("lint", verdict=rules.BAD)
    with pytest.raises(GateShut, match="says deny: lint_failed"):
        lifecycle.submit(team.ada, SubmitPolicy("P-7", 1))
    team.record("lint")
    assert lifecycle.submit(team.ada, SubmitPolicy("P-7", 1)).state is State.SUBMITTED


def test_what_does_not_ask_for_a_shadow_run_is_not_submitted(team: Team) -> None:
    team.create(source=text(shadow=False))
    with pytest.raises(ShadowRequired) as caught:
        team.submit()
    assert (caught.value.status, caught.value.reason) == (412, "policy_shadow_required")
    assert lifecycle.submit(team.ada, SubmitPolicy("P-7", 1, shadow=True)).state is State.SUBMITTED


def test_publishing_needs_a_verified_signature(team: Team) -> None:
    team.create()
    team.approved()
    with pytest.raises(GateShut, match="policy_attestation_missing"):
        lifecycle.publish(team.ben, decide())
    team.record("signature", verdict=rules.BAD)
    with pytest.raises(GateShut, match="policy_attestation_invalid"):
        lifecycle.publish(team.ben, decide())
    team.record("signature")
    assert lifecycle.publish(team.ben, decide()).state is State.APPROVED


def test_what_does_not_compile_is_not_stored(team: Team) -> None:
    before = rows_here(team.world)
    with pytest.raises(DoesNotCompile) as caught:
        team.create(source=text(more="rule x { when nonsense then status := 1 }"))
    assert caught.value.reason.startswith("POL")
    path = team.top / "bytes"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DoesNotCompile, match="POL1002"):
        versions.create(team.ada, CreatePolicy("P-7", file=str(path)))
    with pytest.raises(DoesNotCompile, match="POL1004"):
        team.create(source=text() + " " * MAX_SOURCE)
    with pytest.raises(TwoBeginnings):
        versions.create(team.ada, CreatePolicy("P-7", template="blank", source="P-1@1"))
    assert rows_here(team.world) == before


def test_a_policy_begins_with_a_template_or_a_version(team: Team) -> None:
    for template in ("blank", "baseline", "serverless"):
        made = versions.create(team.ada, CreatePolicy(template, template=template))
        assert (made.version, made.label, made.shadow) == (1, "1.0.0", True)
    copied = versions.create(team.ada, CreatePolicy("copy", source="baseline@1"))
    assert copied.ir_sha256 == versions.show(team.ada, ShowPolicy("baseline")).ir_sha256
    with pytest.raises(NoSuchVersion):
        versions.create(team.ada, CreatePolicy("copy-2", source="baseline@2"))
    with pytest.raises(PolicyTaken):
        versions.create(team.ada, CreatePolicy("copy"))
    page = versions.list_(team.ada, ListPolicies(limit=3))
    assert [row.policy for row in page.policies] == ["baseline", "blank", "copy"]
    assert [row.policy for row in versions.list_(team.ada, ListPolicies(cursor=page.next)).policies] == ["serverless"]


def test_a_new_version_says_something_new(team: Team) -> None:
    team.create()
    with pytest.raises(NothingChanged):
        team.bump("// only a comment\n" + text())
    for level, label in (("minor", "1.1.0"), ("patch", "1.1.1"), ("major", "2.0.0")):
        path = team.file(text("deferred" if label != "1.1.1" else "ignored"))
        made = versions.bump(team.ada, BumpPolicy("P-7", path, level=level))  # type: ignore[arg-type]
        assert (made.label, made.based_on) == (label, made.version - 1)


def test_what_has_changed_between_two_versions(team: Team) -> None:
    team.create(source=text(more='rule old { when kev then status := "ignored" because "b" }'))
    team.bump(text("deferred", more='rule new { when kev then status := "ignored" because "b" }'))
    found = versions.diff(team.ada, DiffPolicy("P-7", 1))
    assert [(one.kind, one.what, one.name, one.fields) for one in found.changes] == [
        ("changed", "rule", "exploited", ("then",)),
        ("added", "rule", "new", ()),
        ("removed", "rule", "old", ()),
    ]
    assert versions.diff(team.ada, DiffPolicy("P-7", 1, 1)).changes == ()


def test_evidence_that_a_gate_could_not_read_is_refused(team: Team) -> None:
    team.create()
    for wrong in ({"verdict": "fine"}, {"digest": "x"}, {"inputs": "x"}, {"determinism": "x"}, {"made": -1}):
        with pytest.raises(BadEvidence):
            team.record("lint", **wrong)
    with pytest.raises(BadEvidence, match="no kind"):
        team.record("hearsay")
    one = rules.Evidence("lint", D["lint"], rules.GOOD, 0)
    with pytest.raises(BadEvidence, match="another identity"):
        evidence.record(team.ada, "P-7@1", D["other"], one)


KEPT = (
    ("UPDATE policy.policy_version SET source = 'x'", "never changes"),
    ("UPDATE policy.policy_version SET created_by = 'eve'", "never changes"),
    ("UPDATE policy.policy_version SET state = 'active'", "no version goes from draft to active"),
    ("DELETE FROM policy.policy_version", "keeps what there was"),
    ("UPDATE policy.policy_transition SET actor = 'eve'", "only grows"),
    ("DELETE FROM policy.policy_transition", "keeps what there was"),
    ("UPDATE policy.policy_evidence SET verdict = 'passed'", "only grows"),
    ("UPDATE policy.policy SET name = 'x'", "only grows"),
)


def test_the_database_keeps_what_happened(team: Team) -> None:
    """Whoever gets as far as SQL with the rights of the service changes nothing of it."""
    team.create()
    team.record("lint")
    for statement, problem in KEPT:
        with pytest.raises(StellaError, match=problem), team.ada.tenant() as t:
            t._connection.execute(statement)  # type: ignore[call-overload]  # the text of a test


def test_what_the_superuser_has_changed_is_seen(team: Team) -> None:
    team.create()
    team.world.guarded.execute("ALTER TABLE policy.policy_version DISABLE TRIGGER policy_version_keeps")
    team.world.guarded.execute("""UPDATE policy.policy_version SET ir = jsonb_set(ir, '{rules}', '[]')""")
    with pytest.raises(IrHashMismatch) as caught:
        team.submit()
    assert caught.value.reason == "policy_ir_hash_mismatch"


def test_tenants_are_apart(team: Team, tmp_path: Path) -> None:
    team.world.tenant("beta")
    other = Team(team.world, tmp_path, "beta")
    team.create()
    other.create(source=text("deferred"))
    other.submit()
    assert team.state() == "draft"
    with pytest.raises(IllegalTransition):
        lifecycle.approve(team.ben, decide())
    lifecycle.approve(other.ben, decide())
    assert (team.state(), other.state()) == ("draft", "approved")
    assert {row.actor for row in lifecycle.history(other.ada, ListHistory("P-7")).rows} == {"beta.ada", "beta.ben"}
    other.create("P-9")
    with pytest.raises(NoSuchPolicy):
        team.state(policy="P-9")


def test_of_two_who_approve_at_once_one_does(team: Team) -> None:
    team.create()
    team.submit()
    ends = at_once([lambda who=who: lifecycle.approve(team.person(who), decide()) for who in ("ben", "eve", "kim")])
    assert sorted(ends) == ["IllegalTransition", "IllegalTransition", "PolicyApproved"]
    events = [row.event for row in lifecycle.history(team.ada, ListHistory("P-7")).rows]
    assert events == ["approve", "submit", "create"]


def test_of_two_who_bump_at_once_none_is_lost(team: Team) -> None:
    team.create()
    ends = at_once([lambda word=word: team.bump(text(word)) for word in ("deferred", "ignored", "fixed")])
    assert ends == ["int"] * 3
    shown = versions.show(team.ada, ShowPolicy("P-7"))
    assert [(one.version, one.label) for one in shown.versions] == [
        (4, "1.0.3"),
        (3, "1.0.2"),
        (2, "1.0.1"),
        (1, "1.0.0"),
    ]


def at_once(calls: list[Callable[[], object]]) -> list[str]:
    """Let calls begin together; what each gives, by the name of its type."""
    barrier = threading.Barrier(len(calls))

    def end(call: Callable[[], object]) -> str:
        barrier.wait()
        try:
            return type(call()).__name__
        except StellaError as error:
            return type(error).__name__

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(end, calls))


@pytest.mark.parametrize("at", ["put_transition", "put_event"])
def test_what_stops_between_two_steps_leaves_nothing(team: Team, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """Whatever is not committed is not there: neither the state, nor the history, nor the audit event."""
    from stella.runtime.transaction import Transaction

    team.create()
    team.submit()
    before = rows_here(team.world)
    real = Transaction.run

    def run(self: Transaction, package: str, name: str, **values: Any) -> int:
        if name == at:
            self._connection.close()  # as when the process is killed
        return real(self, package, name, **values)

    monkeypatch.setattr(Transaction, "run", run)
    with pytest.raises(StellaError):
        lifecycle.approve(team.ben, decide())
    monkeypatch.undo()
    assert rows_here(team.world) == before
    assert lifecycle.approve(team.ben, decide()).state is State.APPROVED


def test_all_of_it_goes_with_its_tenant(team: Team) -> None:
    team.create()
    team.published()
    team.promote()
    team.frozen()
    assert erase(team.world) == ["acme"]
    for name in ("policy", "policy_version", "policy_transition", "policy_placement", "policy_evidence"):
        rows = team.world.guarded.execute(f"SELECT count(*) FROM policy.{name}").fetchone()
        assert rows == (0,), name


def test_the_owner_cannot_change_the_past_either(team: Team) -> None:
    team.create()
    with team.world.guarded.connect(roles.OWNER) as connection, pytest.raises(psycopg.Error, match="only grows"):
        connection.execute("TRUNCATE policy.policy_transition")


def test_times_and_authors_are_those_of_whoever_asked(team: Team) -> None:
    team.create()
    with team.ada.tenant() as t:
        found = records.version(t, "P-7", 1)
    assert (found.author, found.created) == ("acme.ada", team.ada.clock.read().wall)
