"""The operations of `tenant` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from stella.client.remote import Caller
from stella.identity.model import (
    CreateTenant,
    ExportTenant,
    ListTenants,
    NameTenant,
    StopTenant,
    TenantCreated,
    TenantDeleted,
    TenantExported,
    TenantResumed,
    TenantShown,
    TenantsListed,
    TenantSuspended,
)


class TenantCalls:
    """The operations of `tenant` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def create(self, *, tenant: str, name: str = "") -> TenantCreated:
        """Make a tenant."""
        return self._call("tenant.create", CreateTenant(tenant=tenant, name=name), TenantCreated)

    def list(self, *, limit: int = 50, cursor: str | None = None) -> TenantsListed:
        """List all tenants of the installation."""
        return self._call("tenant.list", ListTenants(limit=limit, cursor=cursor), TenantsListed)

    def show(self, *, tenant: str) -> TenantShown:
        """Show a tenant; of one that was erased, the proof of what was erased."""
        return self._call("tenant.show", NameTenant(tenant=tenant), TenantShown)

    def suspend(self, *, tenant: str, reason: str, ticket: str) -> TenantSuspended:
        """Let nobody work for a tenant: it gets no token, and those that it has count no more."""
        return self._call("tenant.suspend", StopTenant(tenant=tenant, reason=reason, ticket=ticket), TenantSuspended)

    def resume(self, *, tenant: str) -> TenantResumed:
        """Let a tenant work again that was suspended, or deleted by mistake."""
        return self._call("tenant.resume", NameTenant(tenant=tenant), TenantResumed)

    def export(self, *, tenant: str, out: str, reason: str, ticket: str) -> TenantExported:
        """Write every row of a tenant to one file."""
        return self._call(
            "tenant.export", ExportTenant(tenant=tenant, out=out, reason=reason, ticket=ticket), TenantExported
        )

    def delete(self, *, tenant: str, reason: str, ticket: str) -> TenantDeleted:
        """Suspend a tenant and erase it after the grace period of `identity.grace`."""
        return self._call("tenant.delete", StopTenant(tenant=tenant, reason=reason, ticket=ticket), TenantDeleted)
