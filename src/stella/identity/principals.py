"""People and services that log in with a secret of their own.

Rules:
- A change, its audit event and the revocation that it causes are one transaction of the tenant.
- Nobody makes somebody who may do more than oneself.
"""

from __future__ import annotations

from typing import Any

from stella.audit.model import Marked
from stella.identity import events, rules, secret
from stella.identity.errors import NameTaken, NoSuchName
from stella.identity.model import (
    CreatePrincipal,
    DeletePrincipal,
    DisablePrincipal,
    ListPrincipals,
    NamePrincipal,
    PrincipalDeleted,
    PrincipalDisabled,
    PrincipalMade,
    PrincipalRow,
    PrincipalShown,
    PrincipalsListed,
)
from stella.identity.reach import PACKAGE, changing, hold, require_own, tenant_of, transaction
from stella.identity.tenants import revoke
from stella.kernel.cursor import make_cursor, read_cursor
from stella.kernel.instant import format_time
from stella.operations import Context
from stella.runtime.transaction import Transaction


def create(ctx: Context, want: CreatePrincipal) -> PrincipalMade:
    """A new principal and its secret."""
    tenant, name = tenant_of(ctx, want.tenant), rules.parse_name(want.name)
    scopes = rules.check_scopes(want.scope, ctx.scopes(), tenant, name)
    require_own(ctx, tenant, scopes)
    made, now = secret.make(ctx.entropy), ctx.clock.read().wall
    kept = secret.hashed(made, ctx.entropy)
    with transaction(ctx, tenant) as t:
        take_name(t, name)
        t.run(PACKAGE, "put_principal", who=name, kind=want.kind, scopes=list(scopes), secret=kept, now=now)
        told = {"kind": want.kind, "scopes": " ".join(scopes)}
        events.tell(ctx, t, "principal.create", Marked(rules.subject_of(tenant, name)), after=told)
        return PrincipalMade(**_facts(tenant, _found(t, name)), secret=made)


def list_(ctx: Context, want: ListPrincipals) -> PrincipalsListed:
    """The principals of a tenant, by name."""
    tenant = tenant_of(ctx, want.tenant)
    query = ("principal.list", tenant)
    after = read_cursor(want.cursor, query, tuple[str])[0] if want.cursor else ""
    with transaction(ctx, tenant) as t:
        found = t.all(PACKAGE, "principals", after=after, limit=want.limit + 1)
    page = found[: want.limit]
    return PrincipalsListed(
        tenant=tenant,
        principals=tuple(PrincipalRow(**_facts(tenant, row)) for row in page),
        next=make_cursor(query, (page[-1][0],)) if len(found) > want.limit else None,
    )


def show(ctx: Context, want: NamePrincipal) -> PrincipalShown:
    """One principal."""
    tenant = tenant_of(ctx, want.tenant)
    with transaction(ctx, tenant) as t:
        return PrincipalShown(**_facts(tenant, _found(t, want.name)))


def disable(ctx: Context, want: DisablePrincipal) -> PrincipalDisabled:
    """Let a principal do nothing more, or let it again."""
    tenant, now = tenant_of(ctx, want.tenant), ctx.clock.read().wall
    subject = rules.subject_of(tenant, want.name)
    with changing(ctx, tenant) as t:
        _found(t, want.name)
        t.run(PACKAGE, "disable_principal", who=want.name, disabled=not want.undo)
        if not want.undo:
            revoke(t, "subject", subject, now)
        events.tell(ctx, t, "principal.enable" if want.undo else "principal.disable", Marked(subject))
        return PrincipalDisabled(**_facts(tenant, _found(t, want.name)))


def delete(ctx: Context, want: DeletePrincipal) -> PrincipalDeleted:
    """Remove a principal; its tokens count no more."""
    tenant, now = tenant_of(ctx, want.tenant), ctx.clock.read().wall
    subject = rules.subject_of(tenant, want.name)
    with changing(ctx, tenant) as t:
        _found(t, want.name)
        t.run(PACKAGE, "drop_name", who=want.name)
        revoke(t, "subject", subject, now)
        events.tell(ctx, t, "principal.delete", Marked(subject), reason=want.reason, ticket=want.ticket)
    return PrincipalDeleted(subject=subject)


def take_name(t: Transaction, name: str) -> None:
    """Take a name in a tenant that stays for the length of the transaction; raises NameTaken, or as `hold`."""
    hold(t, "add to")
    if t.one(PACKAGE, "put_name", who=name) is None:
        raise NameTaken(name=name, tenant=t.tenant)


def _found(t: Transaction, name: str) -> tuple[Any, ...]:
    row = t.one(PACKAGE, "principal", who=name)
    if row is None:
        raise NoSuchName(tenant=t.tenant, kind="principal", name=ascii(name)[1:-1][: rules.MAX_SHOWN])
    return row


def _facts(tenant: str, row: tuple[Any, ...]) -> dict[str, Any]:
    name, kind, scopes, disabled, created = row
    return {
        "subject": rules.subject_of(tenant, name),
        "tenant": tenant,
        "name": name,
        "kind": kind,
        "scopes": tuple(scopes),
        "disabled": disabled,
        "created": format_time(created),
    }
