"""The rows of the operation table about tenants, principals, clients and the keys of the issuer."""

from __future__ import annotations

from stella.identity import views
from stella.identity.events import within
from stella.identity.model import (
    ClientDeleted,
    ClientMade,
    ClientRotated,
    ClientShown,
    ClientsListed,
    CreateClient,
    CreatePrincipal,
    CreateTenant,
    DeleteClient,
    DeletePrincipal,
    DisablePrincipal,
    ExportTenant,
    KeyRotated,
    KeysShown,
    ListClients,
    ListPrincipals,
    ListTenants,
    NameClient,
    NamePrincipal,
    NameTenant,
    PrincipalDeleted,
    PrincipalDisabled,
    PrincipalMade,
    PrincipalShown,
    PrincipalsListed,
    RotateClient,
    RotateKey,
    ShowKeys,
    StopTenant,
    TenantCreated,
    TenantDeleted,
    TenantExported,
    TenantResumed,
    TenantShown,
    TenantsListed,
    TenantSuspended,
)
from stella.operations import Context, operation

WHY = '--reason "contract ended" --ticket OPS-7'


@operation(
    "tenant.create",
    "POST /v1/tenants",
    scope="tenant:write",
    view=views.tenant,
    example='stella tenant create acme --name "Acme Ltd"',
    creates=True,
    tells=within,
)
def create_tenant(ctx: Context, want: CreateTenant) -> TenantCreated:
    """Make a tenant.

    Its id is its own for ever, also when it is erased. Where Stella keeps the accounts of its store of objects, it gets
    keys of its own, which open its prefix alone.
    """
    from stella.identity import tenants

    return tenants.create(ctx, want)


@operation("tenant.list", "GET /v1/tenants", scope="tenant:read", view=views.tenants, example="stella tenant list")
def list_tenants(ctx: Context, want: ListTenants) -> TenantsListed:
    """List all tenants of the installation."""
    from stella.identity import tenants

    return tenants.list_(ctx, want)


@operation(
    "tenant.show",
    "GET /v1/tenants/{tenant}",
    scope="tenant:read",
    view=views.tenant,
    example="stella tenant show acme",
)
def show_tenant(ctx: Context, want: NameTenant) -> TenantShown:
    """Show a tenant; of one that was erased, the proof of what was erased."""
    from stella.identity import tenants

    return tenants.show(ctx, want)


@operation(
    "tenant.suspend",
    "POST /v1/tenants/{tenant}/suspension",
    scope="tenant:write",
    view=views.tenant,
    example=f"stella tenant suspend acme {WHY}",
    tells=within,
)
def suspend_tenant(ctx: Context, want: StopTenant) -> TenantSuspended:
    """Let nobody work for a tenant: it gets no token, and those that it has count no more.

    Its jobs that wait go on waiting, and start when it is resumed; one that runs is interrupted and waits as well.
    Uploads, downloads and streams that are under way end; an upload goes on later where it stopped. Where Stella keeps
    the accounts of its store of objects, the tenant's keys open nothing.
    """
    from stella.identity import tenants

    return tenants.suspend(ctx, want)


@operation(
    "tenant.resume",
    "DELETE /v1/tenants/{tenant}/suspension",
    scope="tenant:write",
    view=views.tenant,
    example="stella tenant resume acme",
    tells=within,
)
def resume_tenant(ctx: Context, want: NameTenant) -> TenantResumed:
    """Let a tenant work again that was suspended, or deleted by mistake.

    Tokens from before stay revoked. Jobs that wait start. It is refused when the erasure of the tenant has begun.
    """
    from stella.identity import tenants

    return tenants.resume(ctx, want)


@operation(
    "tenant.export",
    "POST /v1/tenants/{tenant}/exports",
    scope="tenant:write",
    view=views.exported,
    example=f"stella tenant export acme --out acme.tar {WHY}",
    long=True,
    tells=within,
)
def export_tenant(ctx: Context, want: ExportTenant) -> TenantExported:
    """Write every row of a tenant to one file.

    The tar has a manifest and one file of JSON Lines for each table. The same rows give the same bytes.
    """
    from stella.identity import export

    return export.export(ctx, want)


@operation(
    "tenant.delete",
    "POST /v1/tenants/{tenant}/deletion",
    scope="tenant:delete",
    view=views.tenant,
    example=f"stella tenant delete acme {WHY}",
    tells=within,
)
def delete_tenant(ctx: Context, want: StopTenant) -> TenantDeleted:
    """Suspend a tenant and erase it after the grace period of `identity.grace`.

    Until then it can be resumed; its jobs that wait stay, and one that runs is cancelled. Then the service erases its
    rows, files and objects, and its account in the store, and leaves a proof of what was erased, with counts and
    digests: `stella tenant show`. What cannot be reached keeps the erasure pending, and `show` says what it is.
    """
    from stella.identity import tenants

    return tenants.delete(ctx, want)


@operation(
    "principal.create",
    "POST /v1/principals",
    scope="principal:write",
    view=views.principal_made,
    example="stella principal create ada --scope mirror:read --scope site:read --tenant acme",
    creates=True,
    tells=within,
)
def create_principal(ctx: Context, want: CreatePrincipal) -> PrincipalMade:
    """Make a principal, who logs in with `stella login`; its secret is shown once."""
    from stella.identity import principals

    return principals.create(ctx, want)


@operation(
    "principal.list",
    "GET /v1/principals",
    scope="principal:read",
    view=views.principals,
    example="stella principal list --tenant acme",
)
def list_principals(ctx: Context, want: ListPrincipals) -> PrincipalsListed:
    """List the principals of a tenant."""
    from stella.identity import principals

    return principals.list_(ctx, want)


@operation(
    "principal.show",
    "GET /v1/principals/{name}",
    scope="principal:read",
    view=views.principal,
    example="stella principal show ada",
)
def show_principal(ctx: Context, want: NamePrincipal) -> PrincipalShown:
    """Show a principal."""
    from stella.identity import principals

    return principals.show(ctx, want)


@operation(
    "principal.disable",
    "POST /v1/principals/{name}/state",
    scope="principal:write",
    view=views.principal,
    example="stella principal disable ada\nstella principal disable ada --undo",
    tells=within,
)
def disable_principal(ctx: Context, want: DisablePrincipal) -> PrincipalDisabled:
    """Let a principal do nothing more: it gets no token, and those that it has count no more."""
    from stella.identity import principals

    return principals.disable(ctx, want)


@operation(
    "principal.delete",
    "POST /v1/principals/{name}/deletion",
    scope="principal:write",
    view=views.deleted,
    example=f"stella principal delete ada {WHY}",
    tells=within,
)
def delete_principal(ctx: Context, want: DeletePrincipal) -> PrincipalDeleted:
    """Delete a principal; its tokens count no more."""
    from stella.identity import principals

    return principals.delete(ctx, want)


@operation(
    "client.create",
    "POST /v1/clients",
    scope="client:write",
    view=views.client_made,
    example="stella client create ci --scope mirror:create --tenant acme",
    creates=True,
    tells=within,
)
def create_client(ctx: Context, want: CreateClient) -> ClientMade:
    """Make an OAuth client for a service; its secret is shown once.

    With `--key` it proves itself by assertions that its private key signs, with `--certificate` by its TLS certificate;
    then it has no secret.
    """
    from stella.identity import clients

    return clients.create(ctx, want)


@operation(
    "client.list",
    "GET /v1/clients",
    scope="client:read",
    view=views.clients,
    example="stella client list --tenant acme",
)
def list_clients(ctx: Context, want: ListClients) -> ClientsListed:
    """List the clients of a tenant."""
    from stella.identity import clients

    return clients.list_(ctx, want)


@operation(
    "client.show", "GET /v1/clients/{name}", scope="client:read", view=views.client, example="stella client show ci"
)
def show_client(ctx: Context, want: NameClient) -> ClientShown:
    """Show a client."""
    from stella.identity import clients

    return clients.show(ctx, want)


@operation(
    "client.rotate",
    "POST /v1/clients/{name}/secrets",
    scope="client:write",
    view=views.client_made,
    example=f"stella client rotate ci {WHY}",
    tells=within,
)
def rotate_client(ctx: Context, want: RotateClient) -> ClientRotated:
    """Give a client a new secret, key or certificate; what it had counts no more, and neither do its tokens."""
    from stella.identity import clients

    return clients.rotate(ctx, want)


@operation(
    "client.delete",
    "POST /v1/clients/{name}/deletion",
    scope="client:write",
    view=views.deleted,
    example=f"stella client delete ci {WHY}",
    tells=within,
)
def delete_client(ctx: Context, want: DeleteClient) -> ClientDeleted:
    """Delete a client; its tokens count no more."""
    from stella.identity import clients

    return clients.delete(ctx, want)


@operation("issuer.keys", "GET /v1/issuer/keys", scope="issuer:read", view=views.keys, example="stella issuer keys")
def keys(ctx: Context, want: ShowKeys) -> KeysShown:
    """List the keys that sign access tokens, and those that did."""
    from stella.identity import signing

    return signing.shown(ctx, want)


@operation(
    "issuer.rotate-key",
    "POST /v1/issuer/keys",
    scope="issuer:rotate",
    view=views.keys,
    example=f"stella issuer rotate-key {WHY}",
)
def rotate_key(ctx: Context, want: RotateKey) -> KeyRotated:
    """Make a new signing key.

    It is published now and signs when every verifier had time to fetch it; then the one before is retired, and stays
    published until all that it signed has expired. The service does this by itself every `identity.rotate_every`.
    """
    from stella.identity import signing

    return signing.rotate(ctx, want)
