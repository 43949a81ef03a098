"""Exceptions from policies on a real PostgreSQL, and runs over frozen inputs that honour them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from stella.kernel.instant import format_time
from stella.language.interpret import Facts, truth
from stella.policy import exceptions, inputs, promotion
from stella.policy.errors import (
    BadMatcher,
    BadWord,
    ExceptionMoved,
    ExceptionTaken,
    LoginTooOld,
    Misplaced,
    NoExpiry,
    NoSuchException,
    NoSuchPolicy,
    SelfApproval,
)
from stella.policy.exception_model import (
    ApproveException,
    CreateException,
    ListExceptions,
    NameException,
    RevokeException,
)
from stella.policy.model import ObservePolicy
from stella.policy.run_model import FreezeInputs
from tests.contract.test_policy_life import at_once
from tests.database import postgres
from tests.identity import World
from tests.policy_team import WHY, Team, laid, world

__all__ = ["laid", "postgres", "world"]  # fixtures
pytestmark = [pytest.mark.network]

HOUR = 3600


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


def test_inputs_are_digests(team: Team) -> None:
    for parts in ({}, {"vex_set": "x"}):
        with pytest.raises(BadWord):
            inputs.freeze(team.ada, FreezeInputs(**parts))


def test_where_there_is_no_canary_nothing_is_observed(team: Team) -> None:
    team.published()
    team.promote()
    with pytest.raises(Misplaced):
        promotion.observe(team.ben, ObservePolicy("P-7", "prod", ("a>b=1",)))
