"""The way of a version: submitted, reviewed, approved, published, archived; and its history.

Rules:
- A move, what it depends on and its audit event are one transaction, in which the policy is held.
- Who approves, publishes or archives has logged in lately.
- Nothing is submitted that is not known to be sound: what it says is compared with its digest.
"""

from __future__ import annotations

import time
from typing import TypeVar

from stella.kernel.cursor import cut_page, read_cursor
from stella.kernel.instant import format_time
from stella.operations import Context
from stella.policy import metering, records, rules
from stella.policy.errors import GateShut, ShadowRequired
from stella.policy.evidence import record_in
from stella.policy.model import (
    Decided,
    DecidePolicy,
    Event,
    HistoryListed,
    HistoryRow,
    ListHistory,
    PolicyApproved,
    PolicyArchived,
    PolicyPublished,
    PolicyReviewed,
    PolicySubmitted,
    PublishPolicy,
    ReviewPolicy,
    State,
    SubmitPolicy,
    VersionFacts,
)
from stella.policy.records import PACKAGE, Version, held
from stella.policy.versions import shown
from stella.runtime.transaction import Transaction

NEWEST = 2**31 - 1  # above every number of a row
TO_SUBMIT = ("lint", "fixtures")  # what must be known before somebody else is asked to look

Shown = TypeVar("Shown", bound=VersionFacts)


def submit(ctx: Context, want: SubmitPolicy) -> PolicySubmitted:
    """Ask others to look at a draft; raises GateShut unless lint and fixtures are good and it asks for a shadow run."""
    with ctx.tenant() as t:
        found = held(t, want.policy, want.version)
        rules.moved(found.policy, found.number, found.state, Event.SUBMIT)
        found.checked()
        known = records.evidence(t, found.policy, found.number)
        said = rules.gate(found.digest, found.found_digest, known, records.now_of(ctx), needed=TO_SUBMIT)
        require(said if found.shadow or want.shadow else rules.joined(said, (rules.SAYS["shadow"][0],), deny=False))
        used = tuple(one.digest for one in known if one.kind in TO_SUBMIT)
        return _moved(ctx, t, PolicySubmitted, found, Event.SUBMIT, reason=want.reason, evidence=used)


def review(ctx: Context, want: ReviewPolicy) -> PolicyReviewed:
    """Send a version back to its author."""
    with ctx.tenant() as t:
        found = held(t, want.policy, want.version)
        return _moved(ctx, t, PolicyReviewed, found, Event.REVIEW, reason=want.reason)


def approve(ctx: Context, want: DecidePolicy) -> PolicyApproved:
    """Say that a version is good; raises LoginTooOld, SelfApproval or IllegalTransition."""
    begin = time.perf_counter()
    require_fresh(ctx)
    with ctx.tenant() as t:
        found = held(t, want.policy, want.version)
        rules.moved(found.policy, found.number, found.state, Event.APPROVE)
        rows = t.all(PACKAGE, "who_did", policy=found.policy, version=found.number, events=list(rules.WROTE))
        rules.check_other(ctx.actor, {found.author, *(row[0] for row in rows)}, found.name)
        found.checked()
        result = _moved(ctx, t, PolicyApproved, found, Event.APPROVE, reason=want.reason, ticket=want.ticket)
    metering.approved(ctx, time.perf_counter() - begin)
    return result


def publish(ctx: Context, want: PublishPolicy) -> PolicyPublished:
    """Say that an approved version may be promoted; raises GateShut unless its signature was verified.

    Raises as `attested.verified` for an attestation that is given.
    """
    require_fresh(ctx)
    signed = signature(ctx, want.policy, want.version, want.attestation)
    with ctx.tenant() as t:
        found = held(t, want.policy, want.version)
        rules.moved(found.policy, found.number, found.state, Event.PUBLISH)
        if signed is not None:
            record_in(ctx, t, found, found.digest, signed)
        used = check_signed(ctx, t, found)
        return _moved(
            ctx, t, PolicyPublished, found, Event.PUBLISH, reason=want.reason, ticket=want.ticket, evidence=used
        )


def archive(ctx: Context, want: DecidePolicy) -> PolicyArchived:
    """Let a version decide nowhere any more, and be promoted no more."""
    require_fresh(ctx)
    with ctx.tenant() as t:
        found = held(t, want.policy, want.version)
        rules.moved(found.policy, found.number, found.state, Event.ARCHIVE)
        _withdraw(ctx, t, found)
        result = _moved(ctx, t, PolicyArchived, found, Event.ARCHIVE, reason=want.reason, ticket=want.ticket)
        settle(ctx, t, found.policy, f"{found.name} was archived")
        return result


def history(ctx: Context, want: ListHistory) -> HistoryListed:
    """What happened to the versions of a policy, the newest first."""
    query = ("policy.history", ctx.principal.tenant, want.policy)
    before = read_cursor(want.cursor, query, tuple[int])[0] if want.cursor else NEWEST
    with ctx.tenant() as t:
        records.name_of(t, want.policy)
        found = t.all(PACKAGE, "transitions", policy=want.policy, before=before, limit=want.limit + 1)
    page, following = cut_page(found, want.limit, query, lambda row: (row[0],))
    rows = [
        HistoryRow(
            number=number,
            version=version,
            event=event,
            before=state_before,
            state=state,
            actor=actor,
            reason=reason,
            ticket=ticket,
            evidence=tuple(evidence),
            at=format_time(at),
        )
        for number, version, event, state_before, state, actor, reason, ticket, evidence, at in page
    ]
    return HistoryListed(policy=want.policy, rows=tuple(rows), next=following)


def require_fresh(ctx: Context) -> None:
    """Raise LoginTooOld unless whoever asks has logged in lately."""
    rules.check_fresh(ctx.principal.authenticated, records.now_of(ctx))


def require(said: Decided) -> None:
    """Raise GateShut or ShadowRequired unless a gate allows."""
    if said.decision == "allow":
        return
    reasons = ", ".join(said.reason_codes)
    if rules.SAYS["shadow"][0] in said.reason_codes:
        raise ShadowRequired(decision=said.decision, reasons=reasons)
    raise GateShut(decision=said.decision, reasons=reasons)


def check_signed(ctx: Context, t: Transaction, found: Version) -> tuple[str, ...]:
    """The digest of the verified signature of a version; raises IrHashMismatch or GateShut."""
    found.checked()
    known = records.evidence(t, found.policy, found.number)
    require(rules.gate(found.digest, found.found_digest, known, records.now_of(ctx), needed=("signature",)))
    return tuple(one.digest for one in known if one.kind == "signature")


def signature(ctx: Context, policy: str, number: int, attestation: str | None) -> rules.Evidence | None:
    """What an attestation that is given proves of a version; raises as `attested.verified`."""
    if attestation is None:
        return None
    from stella.policy import attested  # noqa: PLC0415  # only who shows a signature needs what verifies one

    with ctx.tenant() as t:
        found = records.version(t, policy, number)
    return attested.verified(ctx, found, attestation)


def is_published(t: Transaction, found: Version) -> bool:
    """Whether a version was published since it was approved; what is approved is so for good."""
    events = [Event.PUBLISH.value]
    return t.one(PACKAGE, "who_did", policy=found.policy, version=found.number, events=events) is not None


def _withdraw(ctx: Context, t: Transaction, found: Version) -> None:
    """Let nothing decide where that version did; where it was a canary, what was there before decides alone."""
    for env, placed in records.placements(t, found.policy).items():
        if found.number in {placed.version, placed.canary}:
            stable = None if placed.version == found.number else placed.version
            place(ctx, t, found.policy, env, "archive", stable)


def place(
    ctx: Context,
    t: Transaction,
    policy: str,
    env: str,
    event: str,
    version: int | None,
    **more: object,
) -> None:
    """Say what decides in an environment from now on: one row. `more` are canary, percent, and what is known of it."""
    values = {"canary": None, "percent": 0, "predicted": None, "decision": "", "incident": ""} | more
    row = {"policy": policy, "env": env, "event": event, "version": version, "actor": ctx.actor}
    t.run(PACKAGE, "put_placement", now=records.now_of(ctx), **row, **values)


def settle(ctx: Context, t: Transaction, policy: str, reason: str) -> None:
    """What decides nowhere any more is archived; a canary that never decided alone goes back to approved."""
    placed = records.placements(t, policy).values()
    deciding = {number for one in placed for number in (one.version, one.canary)}
    for one in records.versions(t, policy):
        if one.state is State.ACTIVE and one.number not in deciding:
            row = t.one(PACKAGE, "has_decided", policy=policy, env="", version=one.number)
            records.move(ctx, t, one, Event.RETURN if row is None else Event.SUPERSEDE, reason=reason)


def _moved(
    ctx: Context,
    t: Transaction,
    kind: type[Shown],
    found: Version,
    event: Event,
    *,
    reason: str,
    ticket: str = "",
    evidence: tuple[str, ...] = (),
) -> Shown:
    state: State = rules.moved(found.policy, found.number, found.state, event)
    moved = records.move(ctx, t, found, event, reason=reason, ticket=ticket, evidence=evidence)
    assert moved.state is state  # noqa: S101  # one table says both
    return shown(t, kind, moved)
