"""A stored version is examined on a real PostgreSQL: what is found is what the gate then knows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import pytest

from stella.inventory import making
from stella.inventory.model import LoadInventory
from stella.kernel.instant import format_time
from stella.key import service as key
from stella.key.model import CreateKey
from stella.operations import Context
from stella.policy import lifecycle, promotion, records, versions
from stella.policy.examination.errors import NobodyTrusted, NothingToExamine
from stella.policy.examination.examining import examine
from stella.policy.examination.model import ExaminePolicy, PolicyExamined
from stella.policy.model import BumpPolicy, CreatePolicy, DecidePolicy, PromotePolicy, SubmitPolicy
from stella.policy.signature import signing
from stella.policy.signature.model import SignPolicy
from stella.policy.simulation.errors import NoActivePolicy
from stella.policy.simulation.model import SimulatePolicy
from stella.policy.simulation.simulating import simulate
from stella.runtime.settings import KeySettings
from tests.database import postgres
from tests.identity import World
from tests.policy_team import WHY, Team, laid, world

__all__ = ["laid", "postgres", "world"]  # fixtures
pytestmark = [pytest.mark.network]

FLEET = Path(__file__).parents[2] / "examples/fleet"
PASSPHRASE = "only for tests, long enough"
FIRST, SECOND = FLEET / "policies", FLEET / "next"


class Fleet:
    """The fleet of the examples, its policies as versions 1 and 2, and who works with them."""

    def __init__(self, team: Team) -> None:
        self.team = team
        now = format_time(team.ada.clock.read().wall)
        loaded = LoadInventory(
            dir=str(team.top / "I"),
            sbom=(str(FLEET / "sboms"),),
            advisories=(str(FLEET / "advisories"),),
            assets=str(FLEET / "assets.toml"),
            kev=str(FLEET / "kev.json"),
            as_of=now,
        )
        making.load(team.ada, loaded)
        key.create(self.ben, CreateKey(dir=str(team.top / "keys")))
        versions.create(team.ada, CreatePolicy("P-7", file=str(FIRST / "release.stella")))

    @property
    def ben(self) -> Context:
        """Who signs has the keys of the installation."""
        ben, top = self.team.ben, self.team.top
        keys = KeySettings(store=str(top / "keys"))
        settings = msgspec.structs.replace(ben.settings, keys=keys)

        def secret(reference: str) -> bytes:
            return PASSPHRASE.encode() if reference == settings.keys.passphrase else ben.secret(reference)

        return dataclasses.replace(ben, settings=settings, secret=secret)

    def examined(self, number: int, **given: str | int) -> PolicyExamined:
        return examine(self.ben, ExaminePolicy("P-7", number, **given))  # type: ignore[arg-type]  # as a test says

    def text(self, number: int, folder: Path, **more: int) -> PolicyExamined:
        return self.examined(number, fixtures=str(folder / "release.fixtures.toml"), **more)

    def counted(self, number: int, limits: Path = FLEET / "limits.toml") -> PolicyExamined:
        return self.examined(number, inventory=str(self.team.top / "I"), limits=str(limits))

    def signed(self, number: int, folder: Path, named: int = 0) -> PolicyExamined:
        out = str(self.team.top / f"{number}-{named}.sigstore")
        keys, file = str(self.team.top / "keys"), str(folder / "release.stella")
        want = SignPolicy(file=file, policy_id="P-7", version=named or number, out=out, dir=keys, **WHY)
        signing.sign(self.ben, want)
        return self.examined(number, attestation=out)

    def published(self, number: int, folder: Path) -> None:
        self.text(number, folder)
        lifecycle.submit(self.team.ada, SubmitPolicy("P-7", number))
        lifecycle.approve(self.ben, DecidePolicy("P-7", number, **WHY))
        self.counted(number)
        assert self.signed(number, folder).missing == ()
        lifecycle.publish(self.ben, DecidePolicy("P-7", number, **WHY))


@pytest.fixture
def fleet(world: World, tmp_path: Path) -> Fleet:
    return Fleet(Team(world, tmp_path))


def verdicts(result: PolicyExamined) -> dict[str, str]:
    return {one.kind: one.verdict for one in result.evidence}


def test_from_a_draft_to_a_canary_by_what_was_found(fleet: Fleet) -> None:
    fleet.published(1, FIRST)
    promotion.promote(fleet.ben, PromotePolicy("P-7", 1, "prod", **WHY))
    versions.bump(fleet.team.ada, BumpPolicy("P-7", str(SECOND / "release.stella"), level="minor"))
    fleet.published(2, SECOND)
    assert fleet.counted(2).against == "P-7@1"
    promotion.promote(fleet.ben, PromotePolicy("P-7", 2, "prod", **WHY, canary=99))
    with fleet.team.ada.tenant() as t:
        foretold = records.placements(t, "P-7")["prod"].predicted
    assert foretold is not None
    assert foretold["exploited>exploited"] >= 1
    assert sum(foretold.values()) <= 15


def test_each_kind_is_recorded_with_its_verdict(fleet: Fleet) -> None:
    text = fleet.text(1, FIRST)
    assert verdicts(text) == {"lint": "passed", "fixtures": "passed", "coverage": "passed"}
    counted = fleet.counted(1)
    assert verdicts(counted) == {"shadow": "passed", "simulation": "passed", "determinism": "passed"}
    assert (counted.against, len(counted.inputs)) == ("none", 64)
    assert counted.missing == ("approval_missing", "policy_attestation_missing")
    with fleet.team.ada.tenant() as t:
        known = {one.kind: one for one in records.evidence(t, "P-7", 1)}
    assert known["simulation"].inputs == counted.inputs
    kind, digest = promotion.KIND, known["simulation"].digest
    kept = msgspec.json.decode(fleet.ben.blobs().get(kind, digest, 1 << 20), type=promotion.Simulated)
    assert sum(sum(matrix.values()) for matrix in kept.assets.values()) == 15
    assert kept.assets["shop-web"]["default>exploited"] == 1


def test_what_is_bad_is_recorded_too(fleet: Fleet, tmp_path: Path) -> None:
    fixture = '[[fixture]]\nname = "a"\nexpect = { status = "blocked" }\n[fixture.finding]\nkev = false\n'
    (tmp_path / "release.fixtures.toml").write_text(fixture)
    assert verdicts(fleet.text(1, tmp_path)) == {"lint": "passed", "fixtures": "failed", "coverage": "failed"}
    (tmp_path / "limits.toml").write_text("max_newly_blocked = 0\n")
    assert verdicts(fleet.counted(1, tmp_path / "limits.toml"))["simulation"] == "failed"
    other = fleet.signed(1, FIRST, named=2)
    assert verdicts(other) == {"signature": "failed"}
    assert "POLICY-402" in other.evidence[0].what
    assert verdicts(fleet.signed(1, SECOND)) == {"signature": "failed"}  # a good signature over another text
    assert {"policy_attestation_invalid", "threshold_exceeded", "fixtures_failed", "coverage_low"} <= set(other.missing)


def test_active_is_what_decides_now(fleet: Fleet) -> None:
    want = SimulatePolicy(str(SECOND / "release.stella"), str(fleet.team.top / "I"), before="active")
    with pytest.raises(NoActivePolicy, match="no version of it is active"):
        simulate(fleet.ben, want)
    fleet.published(1, FIRST)
    promotion.promote(fleet.ben, PromotePolicy("P-7", 1, "prod", **WHY))
    file = msgspec.structs.replace(want, before=str(FIRST / "release.stella"))
    shown, known = simulate(fleet.ben, want), simulate(fleet.ben, file)
    assert (shown.before.digest, shown.transitions) == (known.before.digest, known.transitions)
    elsewhere = dataclasses.replace(fleet.ben, database=None)
    with pytest.raises(NoActivePolicy, match="no database"):
        simulate(elsewhere, want)


def test_nobody_is_trusted(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "a.sigstore").write_text("{}")
    with pytest.raises(NobodyTrusted):
        examine(fleet.team.ada, ExaminePolicy("P-7", 1, attestation=str(tmp_path / "a.sigstore")))


def test_nothing_to_examine(fleet: Fleet) -> None:
    with pytest.raises(NothingToExamine):
        fleet.examined(1)
