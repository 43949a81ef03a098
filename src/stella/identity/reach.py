"""Which tenant a request is about, whether whoever asks may reach it, and what may be granted there."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

from stella.identity.errors import OtherTenant, ScopeNotOwn
from stella.kernel.tenant import DEFAULT_TENANT, parse_tenant
from stella.operations import Context
from stella.runtime.errors import NoDatabase
from stella.runtime.transaction import Transaction

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
