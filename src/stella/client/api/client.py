"""The operations of `client` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from stella.client.remote import Caller
from stella.identity.model import (
    ClientDeleted,
    ClientMade,
    ClientRotated,
    ClientShown,
    ClientsListed,
    CreateClient,
    DeleteClient,
    ListClients,
    NameClient,
    RotateClient,
)


class ClientCalls:
    """The operations of `client` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def create(
        self,
        *,
        name: str,
        scope: tuple[str, ...],
        key: str | None = None,
        certificate: str | None = None,
        tenant: str | None = None,
    ) -> ClientMade:
        """Make an OAuth client for a service; its secret is shown once."""
        return self._call(
            "client.create",
            CreateClient(name=name, scope=scope, key=key, certificate=certificate, tenant=tenant),
            ClientMade,
        )

    def list(self, *, tenant: str | None = None, limit: int = 50, cursor: str | None = None) -> ClientsListed:
        """List the clients of a tenant."""
        return self._call("client.list", ListClients(tenant=tenant, limit=limit, cursor=cursor), ClientsListed)

    def show(self, *, name: str, tenant: str | None = None) -> ClientShown:
        """Show a client."""
        return self._call("client.show", NameClient(name=name, tenant=tenant), ClientShown)

    def rotate(
        self,
        *,
        name: str,
        reason: str,
        ticket: str,
        key: str | None = None,
        certificate: str | None = None,
        tenant: str | None = None,
    ) -> ClientRotated:
        """Give a client a new secret, key or certificate; what it had counts no more, and neither do its tokens."""
        return self._call(
            "client.rotate",
            RotateClient(name=name, reason=reason, ticket=ticket, key=key, certificate=certificate, tenant=tenant),
            ClientRotated,
        )

    def delete(self, *, name: str, reason: str, ticket: str, tenant: str | None = None) -> ClientDeleted:
        """Delete a client; its tokens count no more."""
        return self._call(
            "client.delete", DeleteClient(name=name, reason=reason, ticket=ticket, tenant=tenant), ClientDeleted
        )
