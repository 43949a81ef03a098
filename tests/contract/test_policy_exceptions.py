"""Exceptions from policies on a real PostgreSQL, and runs over frozen inputs that honour them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from stella.kernel.instant import format_time
from stella.language.interpret import Facts, truth
from stella.policy import exceptions, inputs, promotion, running, versions
from stella.policy.errors import (
    BadMatcher,
    BadSnapshot,
    BadWord,
    ExceptionMoved,
    ExceptionTaken,
    InputsStale,
    InputsUnfrozen,
    LoginTooOld,
    Misplaced,
    NoExpiry,
    NoSuchException,
    NoSuchPolicy,
    RunMissing,
    SelfApproval,
)
from stella.policy.exception_model import (
    ApproveException,
    CreateException,
    ListExceptions,
    NameException,
    RevokeException,
)
from stella.policy.model import ObservePolicy, ShowPolicy
from stella.policy.run_model import FreezeInputs, NameRun, PolicyRan, RunPolicy
from tests.contract.test_policy_life import at_once
from tests.database import postgres
from tests.identity import World
from tests.policy_team import WHY, D, Team, laid, rows_here, world

__all__ = ["laid", "postgres", "world"]  # fixtures
pytestmark = [pytest.mark.network]

HOUR = 3600
FINDINGS = [
    {"id": "b", "values": {"kev": True, "asset.id": "build-3"}},
    {"id": "a", "values": {"kev": True, "asset.id": "web-1"}},
    {"id": "c", "values": {"kev": False, "asset.id": "web-1"}},
    {"id": "d", "values": {"asset.tags": ["x"]}, "statements": [{"status": "fixed"}]},
]


@pytest.fixture
def team(world: World, tmp_path: Path) -> Team:
    made = Team(world, tmp_path)
    made.create()
    return made


def wanted(team: Team, name: str = "EX-1", **changes: Any) -> CreateException:
    given: dict[str, Any] = {
        "policy": "P-7",
        "when": 'asset.id == "build-3"',
        "status": "deferred",
        "justification": "replaced in May",
        "expires": format_time(team.ada.clock.read().wall + HOUR),
    }
    return CreateException(name, **given | changes)


def agree(name: str = "EX-1", **more: bool) -> ApproveException:
    return ApproveException(name, **WHY, **more)


def in_force(team: Team, after: int = 0) -> list[str]:
    with team.ada.tenant() as t:
        return [one.name for one in exceptions.in_force(t, "P-7", team.ada.clock.read().wall + after)]


def test_an_exception_counts_when_another_one_has_approved_it(team: Team) -> None:
    made = exceptions.create(team.ada, wanted(team))
    assert (made.state, made.in_force, made.author) == ("requested", False, "acme.ada")
    assert in_force(team) == []
    with pytest.raises(SelfApproval):
        exceptions.approve(team.ada, agree())
    with pytest.raises(LoginTooOld):
        exceptions.approve(team.person("ben", authenticated=0), agree())
    assert exceptions.approve(team.ben, agree()).in_force
    assert in_force(team) == ["EX-1"]
    ended = exceptions.revoke(team.ada, RevokeException("EX-1", reason="the host is gone"))
    assert [(one.state, one.actor) for one in ended.history] == [
        ("requested", "acme.ada"),
        ("approved", "acme.ben"),
        ("revoked", "acme.ada"),
    ]
    assert in_force(team) == []
    with pytest.raises(ExceptionMoved):
        exceptions.approve(team.ben, agree())


def test_an_exception_ends(team: Team) -> None:
    exceptions.create(team.ada, wanted(team))
    exceptions.approve(team.ben, agree())
    assert in_force(team, HOUR - 1) == ["EX-1"]
    assert in_force(team, HOUR) == []
    team.later(HOUR)
    assert not exceptions.show(team.ada, NameException("EX-1")).in_force


def test_one_that_never_ends_is_approved_as_such(team: Team) -> None:
    with pytest.raises(NoExpiry, match="none was given"):
        exceptions.create(team.ada, wanted(team, expires=None))
    with pytest.raises(NoExpiry):
        exceptions.create(team.ada, wanted(team, permanent=True))
    with pytest.raises(NoExpiry, match="is over"):
        exceptions.create(team.ada, wanted(team, expires=format_time(team.ada.clock.read().wall)))
    exceptions.create(team.ada, wanted(team, expires=None, permanent=True))
    exceptions.create(team.ada, wanted(team, "EX-2"))
    with pytest.raises(NoExpiry, match="never ends"):
        exceptions.approve(team.ben, agree())
    with pytest.raises(NoExpiry):
        exceptions.approve(team.ben, agree("EX-2", permanent=True))
    assert exceptions.approve(team.ben, agree(permanent=True)).in_force
    assert in_force(team, 10**9) == ["EX-1"]


def test_the_database_knows_no_exception_without_an_end(team: Team) -> None:
    exceptions.create(team.ada, wanted(team))
    for change in ("expires_at = NULL", "permanent = true"):
        with pytest.raises(psycopg.Error):
            team.world.guarded.execute(f"UPDATE policy.policy_exception SET {change}")
    with pytest.raises(psycopg.errors.CheckViolation):
        team.world.guarded.execute(
            "INSERT INTO policy.policy_exception (tenant_id, id, policy_id, matcher, matcher_ir, status, justification,"
            " author, created, expires_at, permanent) VALUES ('acme', 'x', 'P-7', '', '{}', '', '', '', 0, NULL, false)"
        )


def test_overlaps_are_all_recorded(team: Team) -> None:
    for name, status in (("EX-1", "deferred"), ("EX-2", "ignored"), ("EX-3", "deferred")):
        exceptions.create(team.ada, wanted(team, name, status=status))
        exceptions.approve(team.ben, agree(name))
    assert in_force(team) == ["EX-1", "EX-2", "EX-3"]
    page = exceptions.list_(team.ada, ListExceptions(limit=2))
    rest = exceptions.list_(team.ada, ListExceptions(limit=2, cursor=page.next))
    assert [one.exception for one in (*page.exceptions, *rest.exceptions)] == ["EX-1", "EX-2", "EX-3"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        'kev) then status := "blocked" because "x" } rule more { when (kev',
        'kev) then status := "blocked" else status := "fixed" because "x" } /*',
        'kev) then severity := "High" because "x" } invariant more { kev => (kev',
        "kev /*",
        "kev) //",
        "\0",
    ],
)
def test_a_matcher_is_a_condition_and_no_more(text: str) -> None:
    with pytest.raises(BadMatcher):
        exceptions.matcher(text)


def test_a_matcher_means_what_it_says() -> None:
    found = exceptions.matcher('asset.id == "a" or kev')
    assert truth(found, Facts({"asset.id": "a"})) is True
    assert truth(found, Facts({"asset.id": "b", "kev": False})) is False
    assert truth(found, Facts({"asset.id": "b"})) is None
    assert exceptions.matcher("kev // a comment\n") == exceptions.matcher("kev")


def test_what_an_exception_needs(team: Team) -> None:
    with pytest.raises(BadWord, match="defered"):
        exceptions.create(team.ada, wanted(team, status="defered"))
    with pytest.raises(NoSuchPolicy):
        exceptions.create(team.ada, wanted(team, policy="P-8"))
    with pytest.raises(NoSuchException):
        exceptions.show(team.ada, NameException("EX-1"))
    exceptions.create(team.ada, wanted(team))
    with pytest.raises(ExceptionTaken):
        exceptions.create(team.ada, wanted(team))


def test_exceptions_of_tenants_are_apart(team: Team, tmp_path: Path) -> None:
    team.world.tenant("beta")
    other = Team(team.world, tmp_path, "beta")
    exceptions.create(team.ada, wanted(team))
    with pytest.raises(NoSuchException):
        exceptions.approve(other.ben, agree())
    assert exceptions.list_(other.ada, ListExceptions()).exceptions == ()


def test_of_two_who_decide_about_an_exception_at_once_one_does(team: Team) -> None:
    exceptions.create(team.ada, wanted(team))
    ends = at_once([lambda who=who: exceptions.approve(team.person(who), agree()) for who in ("ben", "eve")])
    assert sorted(ends) == ["ExceptionApproved", "ExceptionMoved"]


# --- runs -------------------------------------------------------------------------------------------------------------


def stored(team: Team, findings: Any = FINDINGS) -> tuple[str, str]:
    """A stored snapshot and frozen inputs that it is a part of."""
    digest = team.ada.blobs().put(running.FINDINGS, b"\n".join(msgspec.json.encode(one) for one in findings))
    return digest, inputs.freeze(team.ada, FreezeInputs(inventory=digest)).digest


def run(team: Team, snapshot: str, frozen: str) -> PolicyRan:
    return running.run(team.ada, RunPolicy("P-7", frozen, snapshot))


def test_a_run_judges_what_was_stored(team: Team) -> None:
    done = run(team, *stored(team))
    assert (done.status, done.counts) == ("succeeded", {"affected": 2, "blocked": 2, "undecided": 1})
    lines = team.ada.blobs().get(running.DECISIONS, done.result).splitlines()
    assert [(one["id"], one["status"], one["true"]) for one in map(msgspec.json.decode, lines)] == [
        ("a", "blocked", "1"),
        ("b", "blocked", "1"),
        ("c", "affected", "0"),
        ("d", "affected", "0"),
    ]
    assert running.show(team.ada, NameRun(done.run)).determinism == done.determinism


def test_a_run_is_the_same_again_and_in_another_order(team: Team) -> None:
    snapshot, frozen = stored(team)
    first, again = run(team, snapshot, frozen), run(team, snapshot, frozen)
    assert first.run != again.run
    assert (first.determinism, first.result) == (again.determinism, again.result)
    exceptions.create(team.ada, wanted(team))
    exceptions.approve(team.ben, agree())
    excepted = run(team, snapshot, frozen)
    assert excepted.counts == {"affected": 2, "blocked": 1, "deferred": 1, "undecided": 1}
    assert excepted.determinism != first.determinism


def known(team: Team) -> dict[str, tuple[str, str]]:
    shown = versions.show(team.ada, ShowPolicy("P-7", 1))
    return {one.kind: (one.verdict, one.digest) for one in shown.evidence}


def test_a_run_in_shadow_and_one_that_is_the_same_again_are_evidence(team: Team) -> None:
    snapshot, frozen = stored(team)
    first = run(team, snapshot, frozen)
    assert known(team) == {}
    running.run(team.ada, RunPolicy("P-7", frozen, snapshot, mode="shadow"))
    assert known(team) == {"shadow": ("passed", first.result), "determinism": ("passed", first.result)}
    team.world.guarded.execute("ALTER TABLE policy.policy_run DISABLE TRIGGER policy_run_stays")
    team.world.guarded.execute("UPDATE policy.policy_run SET determinism = 'other'")
    run(team, snapshot, frozen)
    assert known(team)["determinism"] == ("failed", first.result)


def test_a_run_that_is_killed_leaves_nothing(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot, frozen = stored(team)
    before = rows_here(team.world)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    for name in ("_judged", "_end"):
        monkeypatch.setattr(running, name, killed)
        with pytest.raises(KeyboardInterrupt):
            run(team, snapshot, frozen)
        monkeypatch.undo()
        assert rows_here(team.world) == before
    assert run(team, snapshot, frozen).status == "succeeded"


def test_an_exception_that_is_over_counts_in_no_run(team: Team) -> None:
    exceptions.create(team.ada, wanted(team))
    exceptions.approve(team.ben, agree())
    team.later(HOUR)
    assert run(team, *stored(team)).counts == {"affected": 2, "blocked": 2, "undecided": 1}


def test_inputs_that_are_not_frozen_or_old_are_refused(team: Team) -> None:
    snapshot, frozen = stored(team)
    for digest in (D["other"], "", "x"):
        with pytest.raises(InputsUnfrozen) as caught:
            inputs.admit(team.ada, RunPolicy("P-7", digest, snapshot))
        assert (caught.value.status, caught.value.exit) == (409, 2)
    team.later(24 * HOUR)
    inputs.admit(team.ada, RunPolicy("P-7", frozen, snapshot))
    team.later(1)
    for call in (
        lambda: inputs.admit(team.ada, RunPolicy("P-7", frozen, snapshot)),
        lambda: run(team, snapshot, frozen),
    ):
        with pytest.raises(InputsStale) as stale:
            call()
        assert (stale.value.status, stale.value.exit) == (409, 6)
    assert team.frozen(inventory=snapshot) != frozen  # the same parts, at another instant
    again = inputs.freeze(team.ada, FreezeInputs(inventory=snapshot, as_of="2026-01-01T00:00:00Z"))
    assert inputs.freeze(team.ada, FreezeInputs(inventory=snapshot, as_of="2026-01-01T00:00:00Z")) == again


def test_inputs_are_digests(team: Team) -> None:
    for parts in ({}, {"vex_set": "x"}):
        with pytest.raises(BadWord):
            inputs.freeze(team.ada, FreezeInputs(**parts))


def test_a_snapshot_of_another_form_fails_the_run(team: Team) -> None:
    snapshot, frozen = stored(team, [{"id": 1}])
    with pytest.raises(BadSnapshot, match="line 1"):
        run(team, snapshot, frozen)
    other, _ = stored(team)
    with pytest.raises(BadSnapshot, match="no part"):
        run(team, other, frozen)
    with pytest.raises(BadSnapshot, match="no such object"):
        run(team, D["other"], team.frozen(inventory=D["other"]))
    rows = team.world.guarded.execute("SELECT status, finished IS NULL FROM policy.policy_run").fetchall()
    assert rows == [("failed", False)] * 3
    with pytest.raises(RunMissing):
        running.show(team.ada, NameRun("run:P-7:x"))


def test_where_there_is_no_canary_nothing_is_observed(team: Team) -> None:
    team.published()
    team.promote()
    with pytest.raises(Misplaced):
        promotion.observe(team.ben, ObservePolicy("P-7", "prod", ("a>b=1",)))
