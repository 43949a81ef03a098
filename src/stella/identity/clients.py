"""OAuth clients: services that ask for tokens by themselves.

Rules:
- A client proves itself in one way: with a secret, with assertions by its key, or with its certificate.
- Rotation takes effect at once: what the client had before proves nothing, and its tokens count no more.
- Who makes or rotates a client knows its secret, so it may do no more than the one who asks.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from stella.identity import events, rules, secret
from stella.identity.errors import BadClientKey, NoSuchName
from stella.identity.model import (
    ClientDeleted,
    ClientMade,
    ClientRotated,
    ClientRow,
    ClientShown,
    ClientsListed,
    CreateClient,
    DeleteClient,
    ListClients,
    Method,
    NameClient,
    RotateClient,
)
from stella.identity.principals import take_name
from stella.identity.reach import PACKAGE, changing, require_own, tenant_of, transaction
from stella.identity.tenants import revoke
from stella.kernel.cursor import make_cursor, read_cursor
from stella.kernel.instant import format_time
from stella.operations import Context
from stella.runtime.transaction import Transaction
from stella.tenancy.keys import holds_secret, read_key

MAX_JWK = 8 * 1024  # characters

_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}\Z", re.ASCII)


def create(ctx: Context, want: CreateClient) -> ClientMade:
    """A new client, and its secret if it has one."""
    tenant, name = tenant_of(ctx, want.tenant), rules.parse_name(want.name)
    scopes = rules.check_scopes(want.scope, ctx.scopes(), tenant, name)
    require_own(ctx, tenant, scopes)
    method, proof, made = _proof(ctx, want.key, want.certificate)
    with transaction(ctx, tenant) as t:
        take_name(t, name)
        now = ctx.clock.read().wall
        t.run(PACKAGE, "put_client", who=name, method=method, proof=proof, scopes=list(scopes), now=now)
        told = {"method": method, "scopes": " ".join(scopes)}
        events.tell(ctx, t, "client.create", rules.subject_of(tenant, name), after=told)
        return ClientMade(**_facts(tenant, _found(t, name)), secret=made)


def list_(ctx: Context, want: ListClients) -> ClientsListed:
    """The clients of a tenant, by name."""
    tenant = tenant_of(ctx, want.tenant)
    query = ("client.list", tenant)
    after = read_cursor(want.cursor, query, tuple[str])[0] if want.cursor else ""
    with transaction(ctx, tenant) as t:
        found = t.all(PACKAGE, "clients", after=after, limit=want.limit + 1)
    page = found[: want.limit]
    return ClientsListed(
        tenant=tenant,
        clients=tuple(ClientRow(**_facts(tenant, row)) for row in page),
        next=make_cursor(query, (page[-1][0],)) if len(found) > want.limit else None,
    )


def show(ctx: Context, want: NameClient) -> ClientShown:
    """One client."""
    tenant = tenant_of(ctx, want.tenant)
    with transaction(ctx, tenant) as t:
        return ClientShown(**_facts(tenant, _found(t, want.name)))


def rotate(ctx: Context, want: RotateClient) -> ClientRotated:
    """Let a client prove itself with something new, in the way that it did before."""
    tenant = tenant_of(ctx, want.tenant)
    subject = rules.subject_of(tenant, want.name)
    method, proof, made = _proof(ctx, want.key, want.certificate)
    with changing(ctx, tenant) as t:
        _, kind, scopes, *_ = _found(t, want.name)
        if kind != method:
            raise BadClientKey(problem=f"the client proves itself by its {kind}")
        require_own(ctx, tenant, scopes)
        now = ctx.clock.read().wall
        t.run(PACKAGE, "rotate_client", who=want.name, proof=proof, now=now)
        revoke(t, "client", subject, now)
        events.tell(ctx, t, "client.rotate", subject, reason=want.reason, ticket=want.ticket)
        return ClientRotated(**_facts(tenant, _found(t, want.name)), secret=made)


def delete(ctx: Context, want: DeleteClient) -> ClientDeleted:
    """Remove a client; its tokens count no more."""
    tenant, now = tenant_of(ctx, want.tenant), ctx.clock.read().wall
    subject = rules.subject_of(tenant, want.name)
    with changing(ctx, tenant) as t:
        _found(t, want.name)
        t.run(PACKAGE, "drop_name", who=want.name)
        revoke(t, "client", subject, now)
        events.tell(ctx, t, "client.delete", subject, reason=want.reason, ticket=want.ticket)
    return ClientDeleted(subject=subject)


def _proof(ctx: Context, key: str | None, certificate: str | None) -> tuple[Method, str, str | None]:
    """How a client proves itself, what is kept for it, and the secret if there is one. Raises BadClientKey."""
    if key is not None and certificate is not None:
        raise BadClientKey(problem="both were given")
    if certificate is not None:
        if not _THUMBPRINT.match(certificate):
            raise BadClientKey(problem="the thumbprint is not 43 characters of base64url")
        return "certificate", certificate, None
    if key is not None:
        return "key", _public(key), None
    made = secret.make(ctx.entropy)
    return "secret", secret.hashed(made, ctx.entropy), made


def _public(text: str) -> str:
    """The JWK of a public key; raises BadClientKey, and never repeats any of it."""
    if len(text) > MAX_JWK:
        raise BadClientKey(problem=f"it is longer than {MAX_JWK} characters")
    try:
        jwk = msgspec.json.decode(text.encode(), type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise BadClientKey(problem="it is no JSON object") from None
    if holds_secret(jwk):
        raise BadClientKey(problem="it holds a private or symmetric key, which is nobody else's business")
    if read_key(jwk) is None:
        raise BadClientKey(problem="it is no public key that signs with ES256, EdDSA or RS256")
    return msgspec.json.encode(jwk).decode()


def _found(t: Transaction, name: str) -> tuple[Any, ...]:
    row = t.one(PACKAGE, "client", who=name)
    if row is None:
        raise NoSuchName(tenant=t.tenant, kind="client", name=ascii(name)[1:-1][: rules.MAX_SHOWN])
    return row


def _facts(tenant: str, row: tuple[Any, ...]) -> dict[str, Any]:
    name, method, scopes, created, rotated = row
    return {
        "client_id": rules.subject_of(tenant, name),
        "tenant": tenant,
        "name": name,
        "method": method,
        "scopes": tuple(scopes),
        "created": format_time(created),
        "rotated": format_time(rotated),
    }
