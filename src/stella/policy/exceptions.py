"""Exceptions: decisions of somebody about some findings, which go before every rule of a policy.

Rules:
- An exception ends at a time. One that never ends counts only when somebody else has approved it as permanent.
- What an exception says never changes; it is requested, approved by another one, and revoked.
- Overlaps are allowed, and all of them are recorded: which of two decides is said by the language.
- The time at which one ends is part of what is evaluated, so that it ends on every path.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

import msgspec

from stella.audit import tell as log
from stella.kernel.cursor import cut_page, read_cursor
from stella.kernel.digest import sha256
from stella.kernel.instant import Instant, format_time, parse_time
from stella.kernel.nearest import did_you_mean
from stella.language.model import Condition, ExceptionRule
from stella.language.names import STATUS
from stella.operations import Context
from stella.policy import records, rules
from stella.policy.errors import BadMatcher, BadWord, ExceptionMoved, ExceptionTaken, NoExpiry, NoSuchException
from stella.policy.exception_model import (
    ApproveException,
    CreateException,
    ExceptionApproved,
    ExceptionCreated,
    ExceptionFacts,
    ExceptionMove,
    ExceptionRevoked,
    ExceptionRow,
    ExceptionShown,
    ExceptionsListed,
    ExceptionState,
    ListExceptions,
    NameException,
    RevokeException,
)
from stella.policy.lifecycle import require_fresh
from stella.policy.records import PACKAGE
from stella.runtime.transaction import Transaction

MOVES: dict[ExceptionState, frozenset[ExceptionState]] = {
    "requested": frozenset({"approved", "revoked"}),
    "approved": frozenset({"revoked"}),
    "revoked": frozenset(),
}

Shown = TypeVar("Shown", bound=ExceptionFacts)


def create(ctx: Context, want: CreateException) -> ExceptionCreated:
    """Ask for an exception."""
    rules.parse_id(want.exception)
    if want.status not in STATUS.words:
        nearest = did_you_mean(want.status, STATUS.words, f"one of {', '.join(STATUS.words)}")
        raise BadWord(what="status", text=ascii(want.status)[1:-1][: rules.MAX_SHOWN], form=nearest)
    now = records.now_of(ctx)
    expires = _expiry(want, now)
    condition = msgspec.json.encode(matcher(want.when)).decode()
    with ctx.tenant() as t:
        records.name_of(t, want.policy)
        values = {"id": want.exception, "policy": want.policy, "matcher": want.when, "ir": condition}
        row = t.one(
            PACKAGE,
            "put_exception",
            **values,
            status=want.status,
            justification=want.justification,
            actor=ctx.actor,
            now=now,
            expires=expires,
            permanent=want.permanent,
        )
        if row is None:
            raise ExceptionTaken(id=want.exception)
        _enter(ctx, t, want.exception, None, "requested", want.justification, "")
        told = {"policy": want.policy, "status": want.status, "expires": format_time(expires) if expires else "never"}
        log.tell(ctx, t, "exception.create", want.exception, after=told)
        return _shown(ctx, t, ExceptionCreated, want.exception)


def list_(ctx: Context, want: ListExceptions) -> ExceptionsListed:
    """The exceptions of the tenant, by id."""
    query = ("exception.list", ctx.principal.tenant, want.policy)
    after = read_cursor(want.cursor, query, tuple[str])[0] if want.cursor else ""
    now = records.now_of(ctx)
    with ctx.tenant() as t:
        found = t.all(PACKAGE, "exceptions", after=after, policy=want.policy, limit=want.limit + 1)
    rows, following = cut_page(found, want.limit, query, lambda row: (row[0],))
    return ExceptionsListed(exceptions=tuple(ExceptionRow(**_facts(row, now)) for row in rows), next=following)


def show(ctx: Context, want: NameException) -> ExceptionShown:
    """One exception."""
    with ctx.tenant() as t:
        return _shown(ctx, t, ExceptionShown, want.exception)


def approve(ctx: Context, want: ApproveException) -> ExceptionApproved:
    """Let an exception count; raises LoginTooOld, SelfApproval, NoExpiry or ExceptionMoved."""
    require_fresh(ctx)
    with ctx.tenant() as t:
        row = _held(t, want.exception, "approved")
        rules.check_other(ctx.actor, {row[5]}, want.exception)
        if row[8] and not want.permanent:
            raise NoExpiry(problem=f"{want.exception} never ends, and was approved without --permanent")
        if want.permanent and not row[8]:
            raise NoExpiry(problem=f"{want.exception} ends, and was approved with --permanent")
        _move(ctx, t, row, "approved", want.reason, want.ticket)
        return _shown(ctx, t, ExceptionApproved, want.exception)


def revoke(ctx: Context, want: RevokeException) -> ExceptionRevoked:
    """Let an exception count no more."""
    with ctx.tenant() as t:
        row = _held(t, want.exception, "revoked")
        _move(ctx, t, row, "revoked", want.reason, "")
        return _shown(ctx, t, ExceptionRevoked, want.exception)


def in_force(t: Transaction, policy: str, as_of: Instant) -> tuple[ExceptionRule, ...]:
    """What is excepted from a policy at a time, all overlaps with it, as the language takes it."""
    return tuple(
        ExceptionRule(name, msgspec.json.decode(when, type=Condition), status, justification, author, expires)
        for name, when, status, justification, author, expires in t.all(
            PACKAGE, "exceptions_in_force", policy=policy, as_of=as_of
        )
    )


def named(excepted: Collection[ExceptionRule]) -> str:
    """The digest of exceptions, in any order; empty for none."""
    shown = sorted(msgspec.json.encode(one) for one in excepted)
    return sha256(b"\n".join(shown)) if shown else ""


def matcher(text: str) -> Condition:
    """The condition that a text is; raises BadMatcher."""
    from stella.language.parser import parse_expression  # noqa: PLC0415  # only who makes an exception needs the parser
    from stella.language.resolve import Resolver  # noqa: PLC0415  # as above

    alone, resolver = parse_expression(text), Resolver(strict=True)
    condition = resolver.condition(alone.expression)
    wrong = [one for one in (*alone.diagnostics, *resolver.diagnostics) if one.level == "error"]
    if wrong:
        raise BadMatcher(problem=f"{wrong[0].code}: {wrong[0].message}")
    return condition


def _expiry(want: CreateException, now: Instant) -> Instant | None:
    if want.expires is None:
        if not want.permanent:
            raise NoExpiry(problem="none was given")
        return None
    if want.permanent:
        raise NoExpiry(problem="this one is to have an end and none")
    expires = parse_time(want.expires)
    if expires <= now:
        raise NoExpiry(problem=f"{want.expires} is over")
    return expires


def _held(t: Transaction, name: str, wanted: ExceptionState) -> tuple[Any, ...]:
    """An exception that may go to a state, held until the end; raises NoSuchException or ExceptionMoved."""
    row = t.one(PACKAGE, "hold_exception", id=name)
    if row is None:
        raise NoSuchException(id=ascii(name)[1:-1][: rules.MAX_SHOWN])
    if wanted not in MOVES[row[9]]:
        raise ExceptionMoved(id=name, state=row[9], wanted=wanted)
    return row


def _move(ctx: Context, t: Transaction, row: tuple[Any, ...], state: ExceptionState, reason: str, ticket: str) -> None:
    t.run(PACKAGE, "move_exception", id=row[0], state=state, before=row[9])
    _enter(ctx, t, row[0], row[9], state, reason, ticket)
    verb = "approve" if state == "approved" else "revoke"
    log.tell(ctx, t, f"exception.{verb}", row[0], reason=reason, ticket=ticket, after={"policy": row[1]})


def _enter(
    ctx: Context, t: Transaction, name: str, before: str | None, state: ExceptionState, reason: str, ticket: str
) -> None:
    values = {"id": name, "before": before, "state": state, "reason": reason, "ticket": ticket}
    t.run(PACKAGE, "put_exception_transition", actor=ctx.actor, now=records.now_of(ctx), **values)


def _shown(ctx: Context, t: Transaction, kind: type[Shown], name: str) -> Shown:
    row = t.one(PACKAGE, "exception", id=name)
    if row is None:
        raise NoSuchException(id=ascii(name)[1:-1][: rules.MAX_SHOWN])
    history = tuple(
        ExceptionMove(state=state, actor=actor, reason=reason, ticket=ticket, at=format_time(at))
        for _, state, actor, reason, ticket, at in t.all(PACKAGE, "exception_transitions", id=name)
    )
    return kind(**_facts(row, records.now_of(ctx)), history=history)


def _facts(row: tuple[Any, ...], now: Instant) -> dict[str, Any]:
    name, policy, when, status, justification, author, created, expires, _, state = row
    return {
        "exception": name,
        "policy": policy,
        "state": state,
        "status": status,
        "when": when,
        "justification": justification,
        "author": author,
        "created": format_time(created),
        "expires": None if expires is None else format_time(expires),
        "in_force": state == "approved" and (expires is None or now < expires),
    }
