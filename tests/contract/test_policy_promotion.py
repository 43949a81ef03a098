"""Promotion on a real PostgreSQL: the gate, canaries, rollbacks, and who wins when two try at once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stella.kernel.digest import sha256
from stella.kernel.errors import StellaError
from stella.policy import canary, evidence, lifecycle, promotion, records, rules, versions
from stella.policy.errors import (
    GateShut,
    IllegalTransition,
    IrHashMismatch,
    LoginTooOld,
    Misplaced,
    NoPrediction,
    NotPublished,
    ShadowRequired,
)
from stella.policy.model import (
    ActivatePolicy,
    AskGate,
    DecidePolicy,
    GateAsked,
    ObservePolicy,
    PublishPolicy,
    RollbackPolicy,
    ShowPolicy,
    State,
)
from stella.runtime.counts import Counts
from stella.runtime.transaction import Transaction
from tests.contract.test_policy_life import at_once
from tests.database import postgres
from tests.identity import World
from tests.policy_team import WHY, D, Team, laid, rows_here, text, world

__all__ = ["laid", "postgres", "world"]  # fixtures
pytestmark = [pytest.mark.network]

HOUR = 3600
ASSETS = {f"host-{number}": {"default>exploited": 1, "exploited>exploited": number} for number in range(40)}


@pytest.fixture
def team(world: World, tmp_path: Path) -> Team:
    made = Team(world, tmp_path)
    made.create()
    return made


def back(to: int, env: str = "prod") -> RollbackPolicy:
    return RollbackPolicy("P-7", to, env, **WHY, incident="INC-4")


def placed(team: Team, env: str = "prod") -> tuple[int | None, int | None, int]:
    with team.ada.tenant() as t:
        one = records.placements(t, "P-7")[env]
    return one.version, one.canary, one.percent


def second(team: Team) -> None:
    """One version decides, and the next one is published."""
    team.published(1)
    team.promote(1)
    team.bump(text("deferred"))
    team.published(2)


def test_a_version_decides_and_the_one_before_is_archived(team: Team) -> None:
    second(team)
    result = team.promote(2)
    assert (result.gate.decision, result.gate.reason_codes) == ("allow", ())
    assert (result.gate.policy_digest, result.gate.determinism_hash) == (result.ir_sha256, D["other"])
    assert placed(team) == (2, None, 0)
    assert (team.state(1), team.state(2)) == ("archived", "active")
    promotion.rollback(team.ben, back(1))
    assert placed(team) == (1, None, 0)
    assert (team.state(1), team.state(2)) == ("active", "archived")
    promotion.rollback(team.ben, back(2))
    assert (team.state(1), team.state(2)) == ("archived", "active")


def test_a_rollback_is_one_row(team: Team) -> None:
    second(team)
    team.promote(2)
    before = team.world.guarded.execute("SELECT count(*) FROM policy.policy_placement").fetchone()
    promotion.rollback(team.ben, back(1))
    after = team.world.guarded.execute("SELECT count(*) FROM policy.policy_placement").fetchone()
    assert before is not None
    assert after == (before[0] + 1,)


def test_what_decides_somewhere_is_not_archived(team: Team) -> None:
    team.published(1)
    team.promote(1, "staging")
    team.promote(1, "prod")
    team.bump(text("deferred"))
    team.published(2)
    team.promote(2, "staging")
    assert (team.state(1), team.state(2)) == ("active", "active")
    team.promote(2, "prod")
    assert (team.state(1), team.state(2)) == ("archived", "active")


FOUND = (
    ("lint", rules.BAD, "lint_failed", "deny"),
    ("fixtures", rules.BAD, "fixtures_failed", "deny"),
    ("coverage", rules.BAD, "coverage_low", "deny"),
    ("shadow", rules.BAD, "shadow_or_scope", "deny"),
    ("simulation", rules.BAD, "threshold_exceeded", "deny"),
    ("simulation", rules.DEGRADED, "simulation_degraded", "pending"),
    ("determinism", rules.BAD, "determinism_failed", "deny"),
    ("signature", rules.BAD, "policy_attestation_invalid", "deny"),
)


def test_the_gate_looks_at_the_last_evidence(team: Team) -> None:
    team.published()
    for kind, verdict, reason, decision in FOUND:
        team.record(kind, verdict=verdict)
        before = rows_here(team.world)
        with pytest.raises(GateShut) as caught:
            team.promote()
        assert (caught.value.facts["decision"], caught.value.facts["reasons"]) == (decision, reason)
        assert (caught.value.reason, caught.value.exit) == (reason, 6)
        assert rows_here(team.world) == before
        team.record(kind)
    assert team.promote().state is State.ACTIVE


def test_what_never_ran_in_shadow_is_not_promoted(team: Team) -> None:
    team.approved()
    for kind in set(rules.KINDS) - {"shadow"}:
        team.record(kind)
    lifecycle.publish(team.ben, PublishPolicy("P-7", 1, **WHY))
    with pytest.raises(ShadowRequired, match="policy_shadow_required"):
        team.promote()


def test_a_simulation_of_yesterday_is_too_old(team: Team) -> None:
    team.published()
    team.later(24 * HOUR)
    assert team.promote(1, "staging").state is State.ACTIVE
    team.later(1)
    with pytest.raises(GateShut, match="pending: determinism_stale, shadow_stale, signature_stale, simulation_stale"):
        team.promote()


def test_a_simulation_must_be_about_the_inputs_that_are_named(team: Team) -> None:
    from stella.policy.model import PromotePolicy

    team.published()
    frozen = team.frozen(vex_set=D["lint"])
    team.record("simulation", inputs=frozen)
    want = PromotePolicy("P-7", 1, "prod", **WHY, inputs=D["shadow"])
    with pytest.raises(GateShut, match="inputs_hash_mismatch"):
        promotion.promote(team.ben, want)
    want = msgspec.structs.replace(want, inputs=frozen)
    for other, reason in (("", "policy_inputs_unfrozen"), (D["other"], "policy_inputs_unfrozen")):
        team.record("simulation", inputs=other)
        with pytest.raises(GateShut, match=f"pending: {reason}"):
            promotion.promote(team.ben, msgspec.structs.replace(want, inputs=""))
    team.later(24 * HOUR + 1)
    team.again()
    team.record("simulation", inputs=frozen)
    with pytest.raises(GateShut, match="pending: inputs_stale"):
        promotion.promote(team.ben, want)
    frozen = team.frozen(vex_set=D["lint"])
    team.record("simulation", inputs=frozen)
    assert promotion.promote(team.ben, msgspec.structs.replace(want, inputs=frozen)).state is State.ACTIVE


def test_what_was_not_published_is_not_promoted(team: Team) -> None:
    team.approved()
    with pytest.raises(NotPublished):
        team.promote()
    for kind in rules.KINDS:
        team.record(kind)
    with pytest.raises(NotPublished):
        team.promote()
    done = promotion.activate(team.ben, ActivatePolicy("P-7", 1, "prod", **WHY))
    assert done.state is State.ACTIVE
    rows = [row.event for row in lifecycle.history(team.ada, records_of()).rows]
    assert rows[:2] == ["promote", "publish"]


def records_of() -> Any:
    from stella.policy.model import ListHistory

    return ListHistory("P-7")


def test_a_gate_that_says_no_publishes_nothing_either(team: Team) -> None:
    team.approved()
    before = rows_here(team.world)
    with pytest.raises(GateShut):
        promotion.activate(team.ben, ActivatePolicy("P-7", 1, "prod", **WHY))
    assert rows_here(team.world) == before


def test_promotion_and_rollback_ask_for_a_fresh_login(team: Team) -> None:
    second(team)
    team.world.clock.pass_time(rules.FRESH + 1)
    with pytest.raises(LoginTooOld):
        team.promote(2)
    with pytest.raises(LoginTooOld):
        promotion.rollback(team.ben, back(1))


def test_what_was_changed_behind_our_back_does_not_decide(team: Team) -> None:
    team.published()
    team.world.guarded.execute("ALTER TABLE policy.policy_version DISABLE TRIGGER policy_version_keeps")
    team.world.guarded.execute("UPDATE policy.policy_version SET ir = jsonb_set(ir, '{rules}', '[]')")
    with pytest.raises(GateShut, match="policy_ir_hash_mismatch") as caught:
        team.promote()
    assert caught.value.facts["decision"] == "deny"
    with pytest.raises(IrHashMismatch):
        lifecycle.publish(team.ben, PublishPolicy("P-7", 1, **WHY))


def test_a_canary_decides_for_a_share(team: Team) -> None:
    second(team)
    team.simulated(1, 2, ASSETS)
    team.promote(2, canary=25)
    assert placed(team) == (1, 2, 25)
    assert (team.state(1), team.state(2)) == ("active", "active")
    with team.ada.tenant() as t:
        found = records.placements(t, "P-7")["prod"].predicted
        digest = records.version(t, "P-7", 2).digest
    inside = [asset for asset in ASSETS if canary.is_in(digest, asset, 25)]
    assert 0 < len(inside) < len(ASSETS)
    assert found is not None
    assert found["default>exploited"] == len(inside)
    seen = tuple(f"{pair}={count}" for pair, count in found.items())
    goes_on = promotion.observe(team.ben, ObservePolicy("P-7", "prod", seen))
    assert (goes_on.rolled_back, goes_on.differences) == (False, ())
    team.promote(2, canary=50)
    team.promote(2)
    assert placed(team) == (2, None, 0)
    assert (team.state(1), team.state(2)) == ("archived", "active")


@pytest.mark.parametrize("tripped", [(), ("max_unblocked_kev",)])
def test_a_canary_that_does_something_else_is_rolled_back(team: Team, tripped: tuple[str, ...]) -> None:
    second(team)
    team.simulated(1, 2, {"host-1": {"default>exploited": 2}})
    team.promote(2, canary=99)
    with team.ada.tenant() as t:
        predicted = records.placements(t, "P-7")["prod"].predicted or {}
    seen = tuple(f"{pair}={count}" for pair, count in predicted.items()) if tripped else ("default>exploited=3",)
    ended = promotion.observe(team.ben, ObservePolicy("P-7", "prod", seen, tripped))
    assert ended.rolled_back
    assert ended.tripped == tripped
    if not tripped:
        assert [(one.transition, one.observed) for one in ended.differences] == [("default>exploited", 3)]
    assert placed(team) == (1, None, 0)
    assert (team.state(1), team.state(2)) == ("active", "approved")
    with pytest.raises(Misplaced, match="no canary"):
        promotion.observe(team.ben, ObservePolicy("P-7", "prod"))
    assert team.promote(2).state is State.ACTIVE


def test_what_a_canary_needs(team: Team) -> None:
    team.published(1)
    team.simulated(1, 1, ASSETS)
    with pytest.raises(Misplaced, match="needs a version"):
        team.promote(1, canary=5)
    team.promote(1)
    with pytest.raises(Misplaced, match="already"):
        team.promote(1)
    team.bump(text("deferred"))
    team.published(2)
    team.record("simulation", 2, digest=D["simulation"])
    for percent in (5, 100):
        with pytest.raises(NoPrediction, match="is gone"):
            team.promote(2, canary=percent)
    team.simulated(2, 2, ASSETS)
    with pytest.raises(NoPrediction, match="does not compare"):
        team.promote(2, canary=5)
    team.simulated(1, 2, {"host": {"no transition": 1}})
    with pytest.raises(NoPrediction, match="another form"):
        team.promote(2, canary=5)
    team.record("simulation", 2, digest=team.ada.blobs().put(promotion.KIND, b"[[["))
    with pytest.raises(NoPrediction, match="another form"):
        team.promote(2, canary=5)
    team.simulated(1, 2, ASSETS)
    team.promote(2, canary=5)
    team.bump(text("ignored"))
    team.published(3)
    with pytest.raises(Misplaced, match="is the canary"):
        team.promote(3)


def test_a_rollback_goes_to_what_was_there(team: Team) -> None:
    second(team)
    with pytest.raises(IllegalTransition):
        promotion.rollback(team.ben, back(2))
    with pytest.raises(Misplaced, match="never decided"):
        promotion.rollback(team.ben, back(1, "staging"))
    with pytest.raises(Misplaced, match="already"):
        promotion.rollback(team.ben, back(1))
    team.simulated(1, 2, ASSETS)
    team.promote(2, canary=10)
    promotion.rollback(team.ben, back(1))
    assert placed(team) == (1, None, 0)
    assert (team.state(1), team.state(2)) == ("active", "approved")


def test_what_is_archived_decides_nowhere(team: Team) -> None:
    team.published(1)
    team.promote(1)
    lifecycle.archive(team.ben, DecidePolicy("P-7", 1, **WHY))
    assert placed(team) == (None, None, 0)
    assert versions.show(team.ada, ShowPolicy("P-7")).placements == ()


def test_of_two_who_promote_at_once_one_does(team: Team) -> None:
    team.published()
    ends = at_once([team.promote] * 3)
    assert sorted(ends) == ["Misplaced", "Misplaced", "PolicyPromoted"]
    rows = team.world.guarded.execute("SELECT number, event FROM policy.policy_placement").fetchall()
    assert rows == [(1, "promote")]


def test_of_two_versions_that_are_promoted_at_once_one_is(team: Team) -> None:
    """What the other one was simulated against decides no more."""
    second(team)
    team.bump(text("ignored"))
    team.published(3)
    assert sorted(at_once([lambda: team.promote(2), lambda: team.promote(3)])) == ["NoPrediction", "PolicyPromoted"]
    states = sorted(team.state(number) for number in (2, 3))
    assert states == ["active", "approved"]
    assert team.state(placed(team)[0] or 0) == "active"


def killed_everywhere(team: Team, monkeypatch: pytest.MonkeyPatch, call: Callable[[], object]) -> int:
    """Do something that is killed at each of its statements in turn, and at last is not; how many there were."""
    before = rows_here(team.world)
    real = Transaction._send
    for point in itertools.count(1):
        sent = itertools.count(1)

        def send(self: Transaction, package: str, name: str, values: Any) -> Any:
            if next(sent) == point:  # noqa: B023  # called within the turn
                self._connection.close()
            return real(self, package, name, values)

        monkeypatch.setattr(Transaction, "_send", send)
        try:
            call()
        except StellaError:
            assert rows_here(team.world) == before, point
        else:
            return point
        finally:
            monkeypatch.undo()
    raise AssertionError


def test_what_is_killed_at_any_statement_leaves_nothing(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    second(team)
    team.simulated(1, 2, {"host-1": {"default>exploited": 2}})
    assert killed_everywhere(team, monkeypatch, lambda: team.promote(2, canary=99)) > 10
    assert placed(team) == (1, 2, 99)
    other = ObservePolicy("P-7", "prod", ("default>exploited=3",))
    assert killed_everywhere(team, monkeypatch, lambda: promotion.observe(team.ben, other)) > 6
    assert (placed(team), team.state(2)) == ((1, None, 0), "approved")
    team.promote(2)
    assert (team.state(1), team.state(2)) == ("archived", "active")
    assert killed_everywhere(team, monkeypatch, lambda: promotion.rollback(team.ben, back(1))) > 10
    assert (team.state(1), team.state(2)) == ("active", "archived")


def test_every_end_of_a_promotion_is_counted(team: Team) -> None:
    import dataclasses

    counts = Counts()
    person = team.person
    team.person = lambda *words, **named: dataclasses.replace(person(*words, **named), counts=counts)  # type: ignore[method-assign]
    team.later(0)
    second(team)
    with pytest.raises(Misplaced, match="already"):
        team.promote(1)
    team.record("lint", 2, verdict=rules.BAD)
    with pytest.raises(GateShut):
        team.promote(2)
    team.record("lint", 2)
    team.later(25 * HOUR)
    with pytest.raises(GateShut):
        team.promote(2)
    team.again(2)
    team.promote(2)
    promotion.rollback(team.ben, back(1))
    found = {one.labels[0]: one.value for one in counts.series("policy_promotion_total")}
    assert found == {"success": 2, "failed": 1, "denied": 1, "pending": 1, "rolled_back": 1}
    for name in ("policy_compile_duration_seconds", "policy_approval_latency_seconds"):
        [one] = counts.series(name)  # type: ignore[arg-type]  # two of the names
        assert sum(one.shares) >= 1


def ask(team: Team, **changes: str) -> GateAsked:
    shown = versions.show(team.ada, ShowPolicy("P-7", 1))
    given = {
        "tenant_id": "acme",
        "promotion_id": "R-1",
        "target_environment": "prod",
        "artifact_digest": D["lint"],
        "evidence_ref": D["simulation"],
        "policy_bundle_digest": shown.ir_sha256,
    }
    return evidence.gate(team.ben, AskGate(**given | changes))


def test_the_gate_for_an_artifact_fails_closed(team: Team) -> None:
    team.published()
    team.promote()
    frozen = team.frozen(sbom_digest=D["lint"])
    assert ask(team).reason_codes == ("evidence_missing",)
    team.record("simulation", inputs=frozen, digest=D["simulation"])
    said = ask(team)
    assert (said.decision, said.reason_codes) == ("allow", ())
    assert json.loads(msgspec.json.encode(said)).keys() == {
        "schema",
        "decision",
        "reasonCodes",
        "policyDigest",
        "determinismHash",
        "evaluatedAtUtc",
    }
    for changes, decision, reason in (
        ({"tenant_id": "beta"}, "deny", "tenant_mismatch"),
        ({"tenant_id": "no tenant"}, "deny", "tenant_mismatch"),
        ({"target_environment": "staging"}, "deny", "policy_not_active"),
        ({"policy_bundle_digest": sha256(b"x")}, "deny", "policy_unknown"),
        ({"artifact_digest": D["other"]}, "pending", "evidence_missing"),
        ({"artifact_digest": 'a","b'}, "pending", "evidence_missing"),
        ({"evidence_ref": D["other"]}, "pending", "evidence_missing"),
    ):
        said = ask(team, **changes)
        assert (said.decision, said.reason_codes) == (decision, (reason,)), changes
    team.later(25 * HOUR)
    assert ask(team).reason_codes == ("determinism_stale", "shadow_stale", "simulation_stale")
