"""Runs, simulations and evidence over snapshots of an inventory, on a real PostgreSQL and by the engine."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stella.kernel.errors import StellaError
from stella.key import service as keys
from stella.key.model import CreateKey, RevokeKey
from stella.policy import exceptions, inputs, lifecycle, promotion, results, running, versions
from stella.policy import records as stored
from stella.policy.errors import (
    GateShut,
    InputsStale,
    InputsUnfrozen,
    Misplaced,
    NotSignedAs,
    OtherInputs,
    OtherPolicy,
    RunMissing,
)
from stella.policy.exception_model import ApproveException, CreateException
from stella.policy.model import ObservePolicy, PublishPolicy, ShowPolicy, SubmitPolicy
from stella.policy.pipeline.ci import ci
from stella.policy.pipeline.model import CheckPolicies, PoliciesChecked
from stella.policy.rules import KINDS
from stella.policy.run_model import NameRun, PolicyRan, RunPolicy
from stella.policy.signature import signing
from stella.policy.signature.model import SignPolicy
from stella.policy.simulation.errors import NoActivePolicy
from stella.policy.simulation.model import PolicySimulated, SimulatePolicy
from stella.policy.simulation.simulating import simulate
from stella.runtime.counts import Counts
from stella.signing import cosign_pem
from tests.database import postgres
from tests.identity import World
from tests.policy_fleet import load
from tests.policy_team import WHY, D, Team, laid, rows_here, text, world

__all__ = ["laid", "postgres", "world"]  # fixtures
pytestmark = [pytest.mark.network]

HOUR = 3600
ASSETS = {f"host-{number}": "prod" for number in range(8)} | {"build": "dev"}
FIXTURES = """[[fixture]]
name = "exploited"
expect = { status = "STATUS", rule = "exploited" }
[fixture.finding]
kev = true

[[fixture]]
name = "not exploited"
expect = { status = "affected" }
[fixture.finding]
kev = false
"""


@pytest.fixture
def team(world: World, tmp_path: Path) -> Team:
    made = Team(world, tmp_path)
    made.create()
    return made


@pytest.fixture
def snapshot(team: Team, tmp_path: Path) -> str:
    return load(team.ada, tmp_path, ASSETS).path


def run(team: Team, snapshot: str, **more: Any) -> PolicyRan:
    return running.run(team.ada, RunPolicy("P-7", snapshot, **more))


def known(team: Team, number: int = 1) -> dict[str, tuple[str, str]]:
    shown = versions.show(team.ada, ShowPolicy("P-7", number))
    return {one.kind: (one.verdict, one.digest) for one in shown.evidence}


def excepted(team: Team) -> None:
    wanted = CreateException("EX-1", "P-7", 'asset.id == "build"', "deferred", "soon gone", "2099-01-01T00:00:00Z")
    exceptions.create(team.ada, wanted)
    exceptions.approve(team.ben, ApproveException("EX-1", **WHY))


def test_a_run_judges_a_snapshot_and_keeps_every_decision(team: Team, snapshot: str) -> None:
    team.ada = dataclasses.replace(team.ada, counts=Counts())
    done = run(team, snapshot)
    assert (done.status, done.counts) == ("succeeded", {"affected": 9, "blocked": 9, "undecided": 0})
    frame = pl.read_parquet(io.BytesIO(team.ada.blobs().get(running.DECISIONS, done.result)))
    assert frame.columns == ["finding", "m0", "winner", "status", "severity", "undecided"]
    assert frame["finding"].to_list() == list(range(18))
    assert sorted(set(zip(frame["winner"], frame["status"], strict=True))) == [
        ("default", "affected"),
        ("exploited", "blocked"),
    ]
    assert running.show(team.ada, NameRun(done.run)).determinism == done.determinism


def test_a_run_is_the_same_again_and_another_with_an_exception(team: Team, snapshot: str) -> None:
    first, again = run(team, snapshot), run(team, snapshot)
    assert first.run != again.run
    assert (first.determinism, first.result) == (again.determinism, again.result)
    excepted(team)
    other = run(team, snapshot)
    assert other.counts == {"affected": 8, "blocked": 8, "deferred": 2, "undecided": 0}
    assert other.determinism != first.determinism


def test_a_run_in_shadow_and_one_that_is_the_same_again_are_evidence(team: Team, snapshot: str) -> None:
    first = run(team, snapshot)
    assert known(team) == {}
    run(team, snapshot, mode="shadow")
    assert known(team) == {"shadow": ("passed", first.result), "determinism": ("passed", first.result)}
    team.world.guarded.execute("ALTER TABLE policy.policy_run DISABLE TRIGGER policy_run_stays")
    team.world.guarded.execute("UPDATE policy.policy_run SET determinism = 'other'")
    run(team, snapshot)
    assert known(team)["determinism"] == ("failed", first.result)


def test_a_run_that_is_killed_leaves_nothing_of_itself(
    team: Team, snapshot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(team, snapshot)  # what freezes the inputs
    before = rows_here(team.world)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    for name in ("_judged", "_kept", "_end"):
        monkeypatch.setattr(running, name, killed)
        with pytest.raises(KeyboardInterrupt):
            run(team, snapshot)
        monkeypatch.undo()
        tables = {name for name, rows in rows_here(team.world).items() if rows != before[name]}
        assert not {one for one in tables if one.startswith("policy.")}


def test_inputs_that_are_not_frozen_other_or_old_are_refused(team: Team, snapshot: str, tmp_path: Path) -> None:
    digest = Path(snapshot).name
    frozen = team.frozen(inventory=digest)
    assert run(team, snapshot, inputs=frozen).inputs == frozen
    cases = (
        (RunPolicy("P-7", snapshot, inputs=D["other"]), InputsUnfrozen, 409, 2),
        (RunPolicy("P-7", str(tmp_path)), InputsUnfrozen, 409, 2),
        (RunPolicy("P-7", snapshot, inputs=team.frozen()), OtherInputs, 409, 6),
    )
    for want, kind, status, code in cases:
        for call in (inputs.admit, running.run):
            with pytest.raises(kind) as caught:
                call(team.ada, want)
            assert (caught.value.status, caught.value.exit) == (status, code)  # type: ignore[attr-defined]  # a status of its own
    team.later(24 * HOUR + 1)
    for want in (RunPolicy("P-7", snapshot), RunPolicy("P-7", snapshot, inputs=frozen)):
        for call in (inputs.admit, running.run):
            with pytest.raises(StellaError) as stale:
                call(team.ada, want)
            assert (stale.value.reason, stale.value.exit) == ("inputs_stale", 6)
            assert stale.value.status == 409  # type: ignore[attr-defined]  # as above
    with pytest.raises(InputsStale):
        run(team, snapshot, inputs=frozen)
    with pytest.raises(RunMissing):
        running.show(team.ada, NameRun("run:P-7:x"))


# --- what decides today -----------------------------------------------------------------------------------------------


def compared(team: Team, snapshot: str, before: str = "active", **more: Any) -> PolicySimulated:
    proposed = team.file(text("deferred"))
    return simulate(team.ada, SimulatePolicy(proposed, snapshot, before=before, **more))


def test_a_simulation_compares_with_what_decides_in_an_environment(team: Team, snapshot: str) -> None:
    with pytest.raises(NoActivePolicy, match="no version of it is active"):
        compared(team, snapshot)
    team.published()
    team.promote()
    excepted(team)
    (team.top / "limits.toml").write_text("max_unblocked_kev = 100\n")
    limits = str(team.top / "limits.toml")
    found = compared(team, snapshot, limits=limits)
    assert (found.verdict, found.exceptions, found.total.unblocked) == ("passed", 1, 8)
    assert compared(team, snapshot, "P-7@1", limits=limits).transitions == found.transitions
    assert compared(team, snapshot, policy="P-7", limits=limits).result == found.result
    (team.top / "none.toml").write_text("")
    none = compared(team, snapshot, exceptions=str(team.top / "none.toml"), limits=limits)
    assert (none.exceptions, none.total.unblocked) == (0, 9)
    kept = json.loads(team.ada.blobs().get(results.KIND, found.result))
    assert (kept["schema"], kept["findings"], kept["result"]) == ("stella.policy.simulate@1", 18, "")
    for more in ({"env": "staging"}, {"env": "staging", "policy": "P-7"}):
        with pytest.raises(NoActivePolicy, match="staging"):
            compared(team, snapshot, **more)
    team.create("P-8", text("fixed"))
    team.published(policy="P-8")
    team.promote(policy="P-8")
    with pytest.raises(NoActivePolicy, match="more than one policy"):
        compared(team, snapshot)
    with pytest.raises(NoActivePolicy, match="no database"):
        simulate(
            dataclasses.replace(team.ada, database=None),
            SimulatePolicy(team.file(text()), snapshot, before="active"),
        )


# --- evidence ---------------------------------------------------------------------------------------------------------


def checked(team: Team, status: str, number: int, snapshot: str, **more: Any) -> PoliciesChecked:
    folder = team.top / f"checked-{status}"
    folder.mkdir(exist_ok=True)
    (folder / "p.stella").write_text(text(status))
    (folder / "p.fixtures.toml").write_text(FIXTURES.replace("STATUS", status))
    limits = folder / "limits.toml"
    limits.write_text("max_unblocked_kev = 100\n")
    record = f"P-7@{number}"
    want = CheckPolicies(
        paths=(str(folder / "p.stella"),), inventory=snapshot, limits=str(limits), record=record, **more
    )
    return ci(team.ada, want)


def test_what_all_checks_find_opens_the_gate(team: Team, snapshot: str) -> None:
    made = checked(team, "blocked", 1, snapshot)
    assert made.verdict == "passed", made.steps
    assert {one.kind: one.verdict for one in made.recorded} == dict.fromkeys(
        ("lint", "fixtures", "coverage", "simulation", "determinism"), "passed"
    )
    assert {one.kind: one.digest for one in made.recorded} == {kind: row[1] for kind, row in known(team).items()}
    assert json.loads(team.ada.blobs().get(results.KIND, made.result))["verdict"] == "passed"
    lifecycle.submit(team.ada, SubmitPolicy("P-7", 1))


def test_what_fails_is_recorded_as_failed(team: Team, snapshot: str) -> None:
    checked(team, "blocked", 1, snapshot)
    folder = team.top / "checked-blocked"
    (folder / "p.fixtures.toml").write_text(FIXTURES.replace("STATUS", "fixed"))
    (folder / "limits.toml").write_text("max_newly_blocked = 0\n")
    want = CheckPolicies(paths=(str(folder),), inventory=snapshot, limits=str(folder / "limits.toml"), record="P-7@1")
    assert ci(team.ada, want).verdict == "failed"
    assert {kind: row[0] for kind, row in known(team).items()} == {
        "lint": "passed",
        "fixtures": "failed",
        "coverage": "passed",
        "simulation": "failed",
        "determinism": "passed",
    }


def test_evidence_is_about_the_version_that_was_checked(team: Team, snapshot: str) -> None:
    with pytest.raises(OtherPolicy) as caught:
        checked(team, "deferred", 1, snapshot)
    assert (caught.value.reason, caught.value.status) == ("policy_ir_hash_mismatch", 409)
    assert known(team) == {}


def test_a_simulation_of_an_old_snapshot_is_no_evidence(team: Team, snapshot: str) -> None:
    team.later(25 * HOUR)
    made = checked(team, "blocked", 1, snapshot, max_age="any")
    assert (made.verdict, made.reason) == ("failed", "inputs_stale")
    assert "simulation" not in known(team)


# --- signatures -------------------------------------------------------------------------------------------------------


def test_a_signature_is_verified_when_a_version_is_published(
    team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cosign_pem, "COST", 2)
    monkeypatch.setattr(cosign_pem, "COSTS", frozenset({2}))
    monkeypatch.chdir(tmp_path)
    team.world.secrets["env:STELLA_KEY_PASSPHRASE"] = b"correct horse"
    made = keys.create(team.ada, CreateKey())
    team.approved()
    out = str(tmp_path / "a.sigstore")

    def signed(version: int = 1, status: str = "blocked") -> PublishPolicy:
        file = team.file(text(status))
        signing.sign(team.ada, SignPolicy(file=file, policy_id="P-7", version=version, out=out, **WHY))
        return PublishPolicy("P-7", 1, **WHY, attestation=out)

    with pytest.raises(NotSignedAs):
        lifecycle.publish(team.ben, signed(2))
    with pytest.raises(StellaError) as caught:
        lifecycle.publish(team.ben, signed(status="fixed"))
    assert caught.value.reason == "subject_digest"
    assert "signature" not in known(team)
    lifecycle.publish(team.ben, signed())
    verdict, digest = known(team)["signature"]
    assert (verdict, team.ada.blobs().get("policy-attestations", digest)) == ("passed", Path(out).read_bytes())
    for kind in set(KINDS) - {"signature"}:
        team.record(kind)
    assert team.promote(1, "staging").gate.decision == "allow"
    keys.revoke(team.ada, RevokeKey(keyid=made.key.keyid, **WHY))
    with pytest.raises(GateShut, match="deny: policy_attestation_invalid"):
        team.promote(1, "prod")


# --- canaries ---------------------------------------------------------------------------------------------------------


def test_the_engine_sees_what_a_canary_does(team: Team, snapshot: str, tmp_path: Path) -> None:
    team.published()
    team.promote()
    number = team.bump(text("deferred"))
    team.published(number)
    made = checked(team, "deferred", number, snapshot, before="active")
    assert made.verdict == "passed", made.steps
    team.promote(number, canary=50)
    with team.ada.tenant() as t:
        placed = stored.placements(t, "P-7")["prod"]
    assert placed.predicted
    assert sum(placed.predicted.values()) < 18
    look = ObservePolicy("P-7", "prod", inventory=snapshot)
    assert not promotion.observe(team.ben, look).rolled_back
    (tmp_path / "other").mkdir()
    other = load(team.ada, tmp_path / "other", ASSETS, "CVE-2020-0000").path
    seen = promotion.observe(team.ben, ObservePolicy("P-7", "prod", inventory=other))
    assert seen.rolled_back
    assert [one.transition for one in seen.differences] == ["default>default", "exploited>exploited"]
    assert (team.state(1), team.state(number)) == ("active", "approved")
    with pytest.raises(Misplaced, match="no canary"):
        promotion.observe(team.ben, look)
