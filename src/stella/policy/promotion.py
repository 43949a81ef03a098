"""Promotion: which version decides in which environment, for all assets or as a canary; and the way back.

Rules:
- What decides is the last row about an environment. A promotion and a rollback are one row each, and what follows from
  it for other versions is in the same transaction.
- Nothing is promoted that the gate does not allow, nor after the exceptions have changed that were in force when it was
  simulated. Who promotes or rolls back has logged in lately.
- A canary is compared with what a simulation foretold for its assets. When something else is seen, or a limit is
  exceeded, it is rolled back in the same transaction that says so.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import msgspec

from stella.audit import tell as log
from stella.kernel.canonical import dump
from stella.kernel.errors import StellaError
from stella.kernel.instant import Instant, format_time
from stella.operations import Context
from stella.policy import canary, exceptions, metering, records, rules
from stella.policy.errors import GateShut, Misplaced, NoPrediction, NotPublished
from stella.policy.evidence import decided, record, record_in
from stella.policy.lifecycle import is_published, place, require, require_fresh, settle, signature
from stella.policy.model import (
    ActivatePolicy,
    Decided,
    Event,
    ObservePolicy,
    Placed,
    PolicyActivated,
    PolicyObserved,
    PolicyPromoted,
    PolicyRolledBack,
    PromotePolicy,
    RollbackPolicy,
)
from stella.policy.records import PACKAGE, Placement, Version, held
from stella.policy.versions import shown
from stella.runtime.errors import ObjectMissing
from stella.runtime.transaction import Transaction

ALL = 100  # percent
ALREADY = "it decides there already"
KIND = "policy-simulation"  # of the object that a simulation leaves
MAX_SIMULATION = 256 * 1024 * 1024  # bytes; 100,000 assets with twenty transitions each take a fifth of it

Result = TypeVar("Result", bound=Placed)


class Simulated(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """What a simulation leaves for a promotion: from which identity to which, and the transitions of each asset.

    `excepted` names the exceptions that were in force, as `exceptions.named` does.
    """

    before: str
    after: str
    assets: dict[str, dict[str, int]]
    excepted: str = ""


class Wanted(NamedTuple):
    """A promotion: of which version, where, for what share, and why."""

    policy: str
    version: int
    env: str
    percent: int
    inputs: str
    reason: str
    ticket: str
    publish: bool
    attestation: str | None = None


def promote(ctx: Context, want: PromotePolicy) -> PolicyPromoted:
    """Let a published version decide in an environment."""
    env = rules.parse_env(want.env)
    wanted = Wanted(want.policy, want.version, env, want.canary, want.inputs, want.reason, want.ticket, publish=False)
    return _counted(ctx, wanted, PolicyPromoted)


def activate(ctx: Context, want: ActivatePolicy) -> PolicyActivated:
    """Publish an approved version and let it decide, in one step."""
    env = rules.parse_env(want.env)
    wanted = Wanted(want.policy, want.version, env, ALL, want.inputs, want.reason, want.ticket, publish=True)
    wanted = wanted._replace(attestation=want.attestation)
    return _counted(ctx, wanted, PolicyActivated)


def keep_simulation(  # what a promotion needs to know of it
    ctx: Context, reference: str, result: Simulated, inputs: str, verdict: str, *, made: Instant | None = None
) -> str:
    """Keep what a simulation of the version `P-7@3` leaves, and record it as evidence; the digest of its object.

    `inputs` are the frozen ones that it read, and `verdict` is one of `evidence.VERDICTS`. Raises as `evidence.record`.
    """
    now = records.now_of(ctx)
    digest = ctx.blobs().put(KIND, dump(result))
    found = rules.Evidence("simulation", digest, verdict, now if made is None else made, inputs)
    record(ctx, reference, result.after, found)
    return digest


def rollback(ctx: Context, want: RollbackPolicy) -> PolicyRolledBack:
    """Let a version decide again that did before."""
    env = rules.parse_env(want.env)
    require_fresh(ctx)
    with ctx.tenant() as t:
        found = held(t, want.policy, want.to)
        rules.moved(found.policy, found.number, found.state, Event.ROLLBACK)
        found.checked()
        placed = records.placements(t, found.policy).get(env)
        if t.one(PACKAGE, "has_decided", policy=found.policy, env=env, version=found.number) is None:
            raise Misplaced(version=found.name, env=env, problem="it has never decided there")
        if placed is not None and (placed.version, placed.canary) == (found.number, None):
            raise Misplaced(version=found.name, env=env, problem=ALREADY)
        place(ctx, t, found.policy, env, "rollback", found.number, incident=want.incident)
        told = {"env": env} | ({"incident": want.incident} if want.incident else {})
        moved = records.move(ctx, t, found, Event.ROLLBACK, reason=want.reason, ticket=want.ticket, after=told)
        settle(ctx, t, found.policy, f"rolled back to {found.name} in {env}")
        result = shown(t, PolicyRolledBack, moved, env=env)
    metering.promoted(ctx, "rolled_back")
    return result


def observe(ctx: Context, want: ObservePolicy) -> PolicyObserved:
    """Compare what a canary does with what was foretold; it is rolled back when that is something else."""
    env, observed, number = rules.parse_env(want.env), canary.read(want.transition), None
    if want.inventory is not None:
        from stella.policy import observing  # noqa: PLC0415  # only who gives a snapshot needs the engine

        number, observed = observing.seen(ctx, want.policy, env, want.inventory)
    with ctx.tenant() as t:
        records.name_of(t, want.policy, hold=True)
        placed = records.placements(t, want.policy).get(env)
        if placed is None or placed.canary is None:
            raise Misplaced(version=want.policy, env=env, problem="there is no canary")
        if number not in {None, placed.number}:
            raise Misplaced(version=want.policy, env=env, problem="what decides there has changed in this moment")
        found = canary.differences(placed.predicted or {}, observed)
        bad = bool(found or want.tripped)
        _note(ctx, t, want.policy, placed, observed)
        if bad:
            place(ctx, t, want.policy, env, "rollback", placed.version, incident="canary")
            words = ", ".join(want.tripped) or f"{len(found)} transitions differ, the first is {found[0].transition}"
            settle(ctx, t, want.policy, f"canary in {env}: {words}"[:1000])
        told = {"env": env, "rolled_back": str(bad).lower(), "differences": str(len(found))}
        log.tell(ctx, t, "policy.observe", f"{want.policy}@{placed.canary}", after=told)
    if bad:
        metering.promoted(ctx, "rolled_back")
    return PolicyObserved(
        policy=want.policy,
        env=env,
        canary=placed.canary,
        percent=placed.percent,
        rolled_back=bad,
        differences=found,
        tripped=want.tripped,
    )


def _counted(ctx: Context, wanted: Wanted, kind: type[Result]) -> Result:
    """A promotion, counted by how it ends."""
    try:
        require_fresh(ctx)
        result = _promoted(ctx, wanted, kind)
    except GateShut as error:
        metering.promoted(ctx, "pending" if error.facts["decision"] == "pending" else "denied")
        raise
    except StellaError:
        metering.promoted(ctx, "failed")
        raise
    metering.promoted(ctx, "success")
    return result


def _promoted(ctx: Context, wanted: Wanted, kind: type[Result]) -> Result:
    simulated = _simulated(ctx, wanted)
    signed = signature(ctx, wanted.policy, wanted.version, wanted.attestation)
    with ctx.tenant() as t:
        found = held(t, wanted.policy, wanted.version)
        if signed is not None:
            record_in(ctx, t, found, found.digest, signed)
        rules.moved(found.policy, found.number, found.state, Event.PROMOTE)
        placed = records.placements(t, found.policy).get(wanted.env)
        if wanted.publish and not is_published(t, found):
            found = records.move(ctx, t, found, Event.PUBLISH, reason=wanted.reason, ticket=wanted.ticket)
        if not is_published(t, found):
            raise NotPublished(version=found.name)
        _check_place(found, placed, wanted)
        said = decided(ctx, t, found, wanted.inputs)
        if simulated is not None and simulated[1].excepted != _excepted(ctx, t, found):
            said = rules.joined(said, (rules.EXCEPTED,), deny=False)
        require(_doubted(ctx, t, found, said))
        moved = _placed(ctx, t, found, placed, wanted, said, _prediction(t, found, placed, wanted, simulated))
        return shown(t, kind, moved, env=wanted.env, gate=said)


def _doubted(ctx: Context, t: Transaction, found: Version, said: Decided) -> Decided:
    """A decision, with what speaks today against the signature."""
    from stella.policy import attested  # noqa: PLC0415  # only who promotes needs what verifies one

    known = records.evidence(t, found.policy, found.number)
    kept = next((one for one in known if one.kind == "signature" and one.verdict == rules.GOOD), None)
    reason, bad = ("", False) if kept is None else attested.doubted(ctx, found, kept)
    return rules.joined(said, (reason,), deny=bad) if reason else said


def _excepted(ctx: Context, t: Transaction, found: Version) -> str:
    """What names the exceptions from a policy that are in force now."""
    return exceptions.named(exceptions.in_force(t, found.policy, records.now_of(ctx)))


def _check_place(found: Version, placed: Placement | None, wanted: Wanted) -> None:
    """Raise what speaks against a version in an environment as it is."""
    stable = placed.version if placed else None
    if placed is not None and placed.canary is None and stable == found.number:
        raise Misplaced(version=found.name, env=wanted.env, problem=ALREADY)
    if placed is not None and placed.canary not in {None, found.number}:
        raise Misplaced(version=found.name, env=wanted.env, problem=f"{placed.canary} is the canary there")
    if wanted.percent < ALL and stable is None:
        raise Misplaced(version=found.name, env=wanted.env, problem="a canary needs a version beside it")


def _placed(  # what is written in one row
    ctx: Context,
    t: Transaction,
    found: Version,
    placed: Placement | None,
    wanted: Wanted,
    said: Decided,
    predicted: dict[str, int] | None,
) -> Version:
    decision = dump(said).decode()
    if wanted.percent < ALL and placed is not None:
        matrix = dump(predicted or {}).decode()
        values = {"canary": found.number, "percent": wanted.percent, "predicted": matrix, "decision": decision}
        place(ctx, t, found.policy, wanted.env, "canary", placed.version, **values)
    else:
        place(ctx, t, found.policy, wanted.env, "promote", found.number, decision=decision)
    told = {"env": wanted.env, "percent": str(wanted.percent), "determinism": said.determinism_hash}
    used = tuple(sorted(one.digest for one in records.evidence(t, found.policy, found.number)))
    moved = records.move(
        ctx, t, found, Event.PROMOTE, reason=wanted.reason, ticket=wanted.ticket, evidence=used, after=told
    )
    settle(ctx, t, found.policy, f"{found.name} was promoted in {wanted.env}")
    return moved


def _simulated(ctx: Context, wanted: Wanted) -> tuple[str, Simulated] | None:
    """The last simulation of a version, and its digest; raises NoPrediction.

    None where the gate will say that there is none that counts.
    """
    with ctx.tenant() as t:
        found = records.version(t, wanted.policy, wanted.version)
        known = {one.kind: one for one in records.evidence(t, found.policy, found.number)}
    good = "simulation" in known and known["simulation"].verdict == rules.GOOD
    if wanted.percent == ALL and not good:
        return None
    if "simulation" not in known:
        raise NoPrediction(version=found.name, problem="it was not simulated")
    digest = known["simulation"].digest
    try:
        data = ctx.blobs().get(KIND, digest, MAX_SIMULATION)
        result = msgspec.json.decode(data, type=Simulated)
    except ObjectMissing:
        raise NoPrediction(version=found.name, problem="the result of its simulation is gone") from None
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise NoPrediction(version=found.name, problem="the result of its simulation has another form") from None
    if not all(canary.is_matrix(matrix) for matrix in result.assets.values()):
        raise NoPrediction(version=found.name, problem="the result of its simulation has another form")
    return digest, result


def _prediction(
    t: Transaction, found: Version, placed: Placement | None, wanted: Wanted, simulated: tuple[str, Simulated] | None
) -> dict[str, int] | None:
    """What is foretold for the assets of a canary, None for a whole promotion.

    Raises NoPrediction unless the simulation, whose limits were kept, holds a version against the one that decides in
    that very environment.
    """
    if simulated is None:
        raise NoPrediction(version=found.name, problem="it was simulated in this moment")
    digest, result = simulated
    last = {one.kind: one.digest for one in records.evidence(t, found.policy, found.number)}
    if last.get("simulation") != digest:
        raise NoPrediction(version=found.name, problem="it was simulated once more in this moment")
    if placed is None or placed.version is None:
        return None
    stable = records.version(t, found.policy, placed.version)
    if (result.before, result.after) != (stable.digest, found.digest):
        raise NoPrediction(version=found.name, problem=f"its simulation does not compare it with {stable.name}")
    return canary.foretold(result.assets, found.digest, wanted.percent) if wanted.percent < ALL else None


def _note(ctx: Context, t: Transaction, policy: str, placed: Placement, observed: dict[str, int]) -> None:
    """Keep what was seen of a canary, as a run of its own."""
    now, short = records.now_of(ctx), ctx.entropy(4).hex()
    t.run(
        PACKAGE,
        "put_run",
        id=f"run:{policy}:{format_time(now)}:{short}",
        policy=policy,
        version=placed.canary,
        mode="canary",
        status="succeeded",
        inputs="",
        plan="",
        counts=dump(observed).decode(),
        determinism="",
        result="",
        started=now,
        now=now,
        actor=ctx.actor,
    )
