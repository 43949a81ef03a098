"""What somebody tries who wants a version to decide that should not; on a real PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from stella.policy import canary, evidence, lifecycle, promotion
from stella.policy.model import AskGate, DecidePolicy, GateAsked
from stella.policy.rules import BAD
from tests.contract.test_policy_promotion import ASSETS, placed, second
from tests.database import postgres
from tests.identity import World
from tests.policy_team import WHY, D, Team, laid, text, world

__all__ = ["laid", "postgres", "world"]  # fixtures
pytestmark = [pytest.mark.network]
ARTIFACT = "a1" * 32


@pytest.fixture
def team(world: World, tmp_path: Path) -> Team:
    made = Team(world, tmp_path)
    made.create()
    return made


def asked(team: Team, reference: str) -> GateAsked:
    with team.ada.tenant() as t:
        row = t.one("stella.policy", "version", policy="P-7", version=1)
    assert row is not None
    return evidence.gate(team.ada, AskGate("acme", "R-1", "prod", ARTIFACT, reference, str(row[4])))


def test_evidence_that_was_bad_about_an_artifact_is_not_shown_for_it_later(team: Team) -> None:
    """What is good about something else makes the gate allow; the reference must be a part of that."""
    about = team.frozen(sbom_digest=ARTIFACT)
    team.published()
    team.promote()
    team.record("simulation", inputs=about, digest="b" * 64, verdict=BAD)
    team.record("simulation", inputs=about, digest="c" * 64)
    assert asked(team, "b" * 64).decision == "pending"
    assert asked(team, "c" * 64).decision == "allow"
    team.record("simulation", inputs=about, digest="d" * 64)
    assert asked(team, "c" * 64).reason_codes == ("evidence_missing",)
    team.record("simulation")
    assert asked(team, "d" * 64).reason_codes == ("evidence_missing",)


def test_a_canary_beside_what_is_archived_decides_nowhere(team: Team) -> None:
    second(team)
    team.simulated(1, 2, ASSETS)
    team.promote(2, canary=5)
    assert (team.state(1), team.state(2)) == ("active", "active")
    lifecycle.archive(team.ben, DecidePolicy("P-7", 1, **WHY))
    assert placed(team) == (None, None, 0)
    assert (team.state(1), team.state(2)) == ("archived", "approved")
    team.promote(2)
    assert placed(team) == (2, None, 0)


@pytest.mark.parametrize("state", ["submitted", "approved", "active", "archived"])
def test_nothing_is_born_approved(team: Team, state: str) -> None:
    """A login that may add rows cannot leave out the way of a version."""
    columns = "tenant_id, policy_id, label, source, ir, ir_sha256, shadow, based_on, created, created_by"
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="begins as draft"):
        team.world.guarded.execute(
            f"INSERT INTO policy.policy_version (version, state, {columns}) "
            f"SELECT 9, '{state}', {columns.replace('label', chr(39) + '9.0.0' + chr(39))} FROM policy.policy_version"
        )


def test_no_exception_is_born_approved(team: Team) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="begins as requested"):
        team.world.guarded.execute(
            "INSERT INTO policy.policy_exception (tenant_id, id, policy_id, matcher, matcher_ir, status, justification,"
            " author, created, expires_at, permanent, state)"
            " VALUES ('acme', 'EX-9', 'P-7', 'kev', '{}', 'ignored', 'x', 'acme.ada', 1, 2, false, 'approved')"
        )


def test_a_version_is_in_its_bucket_by_the_formula_of_the_contract() -> None:
    import hashlib

    for asset in ("host-1", "ü", "", "a\0b"):
        digest = hashlib.sha256(D["other"].encode() + b"\x00" + asset.encode()).hexdigest()
        assert canary.bucket(D["other"], asset) == int(digest, 16) % 10_000
        for percent in (1, 5, 50, 99, 100):
            assert canary.is_in(D["other"], asset, percent) is (int(digest, 16) % 10_000 < percent * 100)


def test_a_full_promotion_is_not_allowed_on_a_simulation_against_something_else(team: Team) -> None:
    """The limits were kept against version 2, which decides in staging; in production version 1 decides."""
    second(team)
    team.promote(2, "staging")
    team.bump(text("ignored"))
    team.published(3)
    team.simulated(2, 3, ASSETS)
    with pytest.raises(promotion.NoPrediction):
        team.promote(3, "prod")
    assert placed(team) == (1, None, 0)
    team.promote(3, "staging")
