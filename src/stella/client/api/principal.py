"""The operations of `principal` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from typing import Literal

from stella.client.remote import Caller
from stella.identity.model import (
    CreatePrincipal,
    DeletePrincipal,
    DisablePrincipal,
    ListPrincipals,
    NamePrincipal,
    PrincipalDeleted,
    PrincipalDisabled,
    PrincipalMade,
    PrincipalShown,
    PrincipalsListed,
)


class PrincipalCalls:
    """The operations of `principal` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def create(
        self,
        *,
        name: str,
        scope: tuple[str, ...],
        kind: Literal["person", "service"] = "person",
        tenant: str | None = None,
    ) -> PrincipalMade:
        """Make a principal, who logs in with `stella login`; its secret is shown once."""
        return self._call(
            "principal.create", CreatePrincipal(name=name, scope=scope, kind=kind, tenant=tenant), PrincipalMade
        )

    def list(self, *, tenant: str | None = None, limit: int = 50, cursor: str | None = None) -> PrincipalsListed:
        """List the principals of a tenant."""
        return self._call("principal.list", ListPrincipals(tenant=tenant, limit=limit, cursor=cursor), PrincipalsListed)

    def show(self, *, name: str, tenant: str | None = None) -> PrincipalShown:
        """Show a principal."""
        return self._call("principal.show", NamePrincipal(name=name, tenant=tenant), PrincipalShown)

    def disable(self, *, name: str, tenant: str | None = None, undo: bool = False) -> PrincipalDisabled:
        """Let a principal do nothing more: it gets no token, and those that it has count no more."""
        return self._call("principal.disable", DisablePrincipal(name=name, tenant=tenant, undo=undo), PrincipalDisabled)

    def delete(self, *, name: str, reason: str, ticket: str, tenant: str | None = None) -> PrincipalDeleted:
        """Delete a principal; its tokens count no more."""
        return self._call(
            "principal.delete",
            DeletePrincipal(name=name, reason=reason, ticket=ticket, tenant=tenant),
            PrincipalDeleted,
        )
