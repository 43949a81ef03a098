"""What is too old or has changed counts for nothing, whoever claims that it is of today."""

from __future__ import annotations

from pathlib import Path

import pytest

from stella.policy import exceptions, inputs, records
from stella.policy.errors import GateShut, InputsStale
from stella.policy.exception_model import ApproveException, CreateException
from stella.policy.run_model import FreezeInputs
from tests.database import postgres
from tests.identity import World
from tests.policy_team import WHY, D, Team, laid, world

__all__ = ["laid", "postgres", "world"]  # fixtures
pytestmark = [pytest.mark.network]

HOUR = 3600


@pytest.fixture
def team(world: World, tmp_path: Path) -> Team:
    made = Team(world, tmp_path)
    made.create()
    return made


def use(team: Team, digest: str) -> inputs.Inputs:
    with team.ada.tenant() as t:
        return inputs.usable(t, digest, records.now_of(team.ada))


def test_inputs_are_as_old_as_the_instant_that_they_are_about(team: Team) -> None:
    for as_of in ("2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"):
        digest = team.frozen(inventory=D["other"], as_of=as_of)
        with pytest.raises(InputsStale):
            use(team, digest)
    assert use(team, team.frozen()).parts


def test_another_part_makes_inputs_no_younger(team: Team) -> None:
    first = inputs.freeze(team.ada, FreezeInputs(inventory=D["other"]))
    assert use(team, first.digest).parts
    team.later(30 * HOUR)
    more = team.frozen(inventory=D["other"], vex_set=D["lint"], as_of=first.as_of)
    assert more != first.digest
    with pytest.raises(InputsStale):
        use(team, more)


def test_a_shadow_run_of_long_ago_says_nothing_of_today(team: Team) -> None:
    team.published()
    team.later(25 * HOUR)
    team.record("simulation")
    with pytest.raises(GateShut, match="pending: determinism_stale, shadow_stale, signature_stale"):
        team.promote()
    team.again()
    assert team.promote().gate.decision == "allow"


def test_an_exception_that_was_approved_since_the_simulation_waits_for_another_one(team: Team) -> None:
    team.published()
    exceptions.create(team.ada, CreateException("EX-1", "P-7", "kev", "ignored", "all of it", None, permanent=True))
    exceptions.approve(team.ben, ApproveException("EX-1", **WHY, permanent=True))
    with pytest.raises(GateShut, match="pending: exceptions_changed"):
        team.promote()
    team.record("simulation")
    assert team.promote().gate.decision == "allow"
