"""Which tenant a request is about, whether whoever asks may reach it, and what may be granted there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

from stella.identity.errors import NoTenant, OtherTenant, ScopeNotOwn, TenantStops
from stella.identity.model import State
from stella.kernel.tenant import DEFAULT_TENANT, parse_tenant
from stella.operations import Context
from stella.runtime.errors import NoDatabase
from stella.runtime.transaction import Row, Transaction

PACKAGE = "stella.identity"  # whose statements are used here
OVER_TENANTS = "tenant:write"  # in the tenant `default`: who has it runs the installation


def tenant_of(ctx: Context, asked: str | None) -> str:
    """The tenant that is asked for, else that of whoever asks; raises BadTenant or OtherTenant."""
    own = ctx.principal.tenant
    if asked is None or parse_tenant(asked) == own:
        return own
    if own != DEFAULT_TENANT or not ctx.principal.may(OVER_TENANTS):
        raise OtherTenant(principal=ctx.principal.name, own=own, tenant=asked)
    return asked


def require_own(ctx: Context, tenant: str, scopes: Iterable[str]) -> None:
    """Raise ScopeNotOwn unless whoever asks may let others have these scopes; reaching over tenants is enough there."""
    if tenant != ctx.principal.tenant:
        return
    for scope in sorted(scopes):
        if not ctx.principal.may(scope):
            raise ScopeNotOwn(principal=ctx.principal.name, scope=scope)


def transaction(ctx: Context, tenant: str, *, snapshot: bool = False) -> AbstractContextManager[Transaction]:
    """A transaction of a tenant that may be reached; raises NoDatabase, or as it says."""
    if ctx.database is None:
        raise NoDatabase
    return ctx.database().transaction(tenant, snapshot=snapshot)


def hold(t: Transaction, verb: str) -> None:
    """Keep the tenant as it is until the transaction ends; raises NoTenant, or TenantStops for one that was erased."""
    require(t, t.one(PACKAGE, "hold_tenant"), verb)


def require(t: Transaction, row: Row | None, verb: str) -> None:
    """As `hold`, of a row that begins with the tenant's state; nobody is kept from changing it."""
    if row is None:
        raise NoTenant(tenant=t.tenant)
    if row[0] == State.ERASED:
        raise TenantStops(tenant=t.tenant, state=State.ERASED, verb=verb)


@contextmanager
def changing(ctx: Context, tenant: str) -> Iterator[Transaction]:
    """A transaction that changes who may act: a service that does it knows when it is committed. Raises as above."""
    with transaction(ctx, tenant) as t:
        yield t
    ctx.heed()
