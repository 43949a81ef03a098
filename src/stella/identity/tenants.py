"""The life of a tenant: made, stopped, let go on, marked for its erasure.

Rules:
- A change, its audit event and its revocation are one transaction, and that transaction is the tenant's own.
- What ends a tenant's work revokes every token that was issued for it; a tenant that goes on needs new ones.
- What it has in the store of objects follows when the change is committed, see `accounts`.
- Nothing is erased here: a sweep does that when the grace period is over, see `erasure`.
"""

from __future__ import annotations

from typing import Any, TypeVar

from stella.identity import events, rules
from stella.identity.accounts import settle
from stella.identity.errors import NoGraceLeft, NoTenant, TenantStops, TenantTaken
from stella.identity.model import (
    CreateTenant,
    ListTenants,
    NameTenant,
    State,
    StopTenant,
    TenantCreated,
    TenantDeleted,
    TenantFacts,
    TenantResumed,
    TenantRow,
    TenantShown,
    TenantsListed,
    TenantSuspended,
)
from stella.identity.reach import PACKAGE, changing, tenant_of, transaction
from stella.identity.rules import Event
from stella.kernel.cursor import make_cursor, read_cursor
from stella.kernel.instant import Instant, format_time, parse_duration
from stella.kernel.tenant import parse_tenant
from stella.operations import Context
from stella.runtime.roles import ISSUER
from stella.runtime.transaction import Transaction
from stella.tenancy.model import MAX_LIFE, SKEW

LEAST_GRACE = "1h"

Facts = TypeVar("Facts", bound=TenantFacts)


def create(ctx: Context, want: CreateTenant) -> TenantCreated:
    """A new tenant."""
    tenant = tenant_of(ctx, parse_tenant(want.tenant))
    with changing(ctx, tenant) as t:
        if t.one(PACKAGE, "put_tenant", title=want.name or tenant, now=_now(ctx)) is None:
            raise TenantTaken(tenant=tenant)
        events.tell(ctx, t, "tenant.create", tenant)
        made = _shown(t, TenantCreated)
    settle(ctx, tenant)
    return made


def list_(ctx: Context, want: ListTenants) -> TenantsListed:
    """All tenants, by id."""
    query = ("tenant.list",)
    after = read_cursor(want.cursor, query, tuple[str])[0] if want.cursor else ""
    found = ctx.duty(ISSUER).all(PACKAGE, "every_tenant", after=after, limit=want.limit + 1)
    page = found[: want.limit]
    return TenantsListed(
        tenants=tuple(TenantRow(**_facts(row)) for row in page),
        next=make_cursor(query, (page[-1][0],)) if len(found) > want.limit else None,
    )


def show(ctx: Context, want: NameTenant) -> TenantShown:
    """One tenant."""
    with transaction(ctx, tenant_of(ctx, want.tenant)) as t:
        return _shown(t, TenantShown)


def suspend(ctx: Context, want: StopTenant) -> TenantSuspended:
    """Let nobody work for a tenant any more."""
    return _move(ctx, TenantSuspended, want.tenant, Event.SUSPEND, want.reason, want.ticket)


def resume(ctx: Context, want: NameTenant) -> TenantResumed:
    """Let a tenant work again."""
    return _move(ctx, TenantResumed, want.tenant, Event.RESUME)


def delete(ctx: Context, want: StopTenant) -> TenantDeleted:
    """Mark a tenant; it is erased when its grace period is over."""
    return _move(ctx, TenantDeleted, want.tenant, Event.DELETE, want.reason, want.ticket)


def _move(ctx: Context, kind: type[Facts], text: str, event: Event, reason: str = "", ticket: str = "") -> Facts:
    tenant, now = tenant_of(ctx, text), _now(ctx)
    until = now + _grace(ctx) if event is Event.DELETE else None
    with changing(ctx, tenant) as t:
        row = t.one(PACKAGE, "hold_tenant")
        if row is None:
            raise NoTenant(tenant=tenant)
        state = rules.moved(tenant, State(row[0]), event)
        _check_whole(t, event)
        t.run(PACKAGE, "move_tenant", state=state.value, erase_after=until, now=now)
        revoke(t, "tenant", tenant, now)  # when it goes on too: one may have been signed while it was being stopped
        after = {} if until is None else {"erase_after": format_time(until)}
        events.tell(ctx, t, f"tenant.{event}", tenant, reason=reason, ticket=ticket, after=after)
        found = _shown(t, kind)
    settle(ctx, tenant)
    return found


def _check_whole(t: Transaction, event: Event) -> None:
    """Raise TenantStops for a tenant whose erasure has begun: a part of it may be gone. Else forget that it was due."""
    if event is Event.RESUME:
        row = t.one(PACKAGE, "erasure")
        if row is not None and row[0] is not None:
            raise TenantStops(tenant=t.tenant, state="being erased", verb=event)
        t.run(PACKAGE, "drop_erasure")


def revoke(t: Transaction, kind: str, name: str, now: Instant) -> None:
    """Let no token of the tenant, subject or client count that was issued until now."""
    t.run(PACKAGE, "revoke", kind=kind, id=name, before=now, until=now + MAX_LIFE + SKEW)


def _grace(ctx: Context) -> int:
    given = ctx.settings.identity.grace
    if parse_duration(given) < parse_duration(LEAST_GRACE):
        raise NoGraceLeft(found=given, least=LEAST_GRACE)
    return parse_duration(given)


def _shown(t: Transaction, kind: type[Facts]) -> Facts:
    row = t.one(PACKAGE, "tenant")
    if row is None:
        raise NoTenant(tenant=t.tenant)
    return kind(**_facts(row), proof=bytes(row[6]).decode() if row[6] is not None else None, problem=row[7] or None)


def _facts(row: tuple[Any, ...]) -> dict[str, Any]:
    tenant, name, state, created, changed, erase_after, *_ = row
    return {
        "tenant": tenant,
        "name": name,
        "state": State(state),
        "created": format_time(created),
        "changed": format_time(changed),
        "erase_after": None if erase_after is None else format_time(erase_after),
    }


def _now(ctx: Context) -> Instant:
    return ctx.clock.read().wall
