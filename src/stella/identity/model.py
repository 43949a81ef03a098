"""What the operations of identity take and give.

Rules:
- A tenant is named where a request is about one; everything else is about the tenant of whoever asks, or about the one
  that `tenant` names, for which the right to run the installation is needed.
- A secret is in one result only: that of the operation that made it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from stella.operations import Reason, Ticket, arg

Kind = Literal["person", "service"]
Method = Literal["secret", "key", "certificate"]
Limit = Annotated[int, msgspec.Meta(ge=1, le=1000), arg("Rows of a page, at most 1000.", metavar="N")]
Cursor = Annotated[str | None, arg("Where the page before ended: its `next`.", metavar="CURSOR")]
OfTenant = Annotated[
    str | None, arg("The tenant, where it is not your own; needs the scope `tenant:write`.", metavar="TENANT")
]


class State(StrEnum):
    """Where a tenant stands. What is not `active` gets no token, and no token of it counts."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETING = "deleting"
    ERASED = "erased"


class CreateTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of tenant.create."""

    tenant: Annotated[str, arg("Id: small letters, digits and hyphens.", positional=True, metavar="TENANT")]
    name: Annotated[str, msgspec.Meta(max_length=200), arg("Name for people.", metavar="TEXT")] = ""


class ListTenants(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of tenant.list."""

    limit: Limit = 50
    cursor: Cursor = None


class NameTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of tenant.show and tenant.resume."""

    tenant: Annotated[str, arg("Id of the tenant.", positional=True, metavar="TENANT")]


class StopTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of tenant.suspend and tenant.delete."""

    tenant: Annotated[str, arg("Id of the tenant.", positional=True, metavar="TENANT")]
    reason: Reason
    ticket: Ticket


class ExportTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of tenant.export."""

    tenant: Annotated[str, arg("Id of the tenant.", positional=True, metavar="TENANT")]
    out: Annotated[str, arg("File to write: a tar.", "file_out", metavar="FILE")]
    reason: Reason
    ticket: Ticket


class TenantRow(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant in a list; `erase_after` is when the grace period of one that is deleted ends."""

    tenant: str
    name: str
    state: State
    created: str
    changed: str
    erase_after: str | None


class TenantFacts(TenantRow, frozen=True, kw_only=True):
    """One tenant; `proof` is the envelope that says what was erased, `problem` what holds an erasure back."""

    proof: str | None
    problem: str | None = None


class TenantCreated(TenantFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.tenant.create@1"):
    """Result of tenant.create."""


class TenantShown(TenantFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.tenant.show@1"):
    """Result of tenant.show."""


class TenantSuspended(TenantFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.tenant.suspend@1"):
    """Result of tenant.suspend."""


class TenantResumed(TenantFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.tenant.resume@1"):
    """Result of tenant.resume."""


class TenantDeleted(TenantFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.tenant.delete@1"):
    """Result of tenant.delete; it is erased later."""


class TenantsListed(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.tenant.list@1"):
    """Result of tenant.list, by id; `next` is the cursor of the page behind, None on the last one."""

    tenants: tuple[TenantRow, ...]
    next: str | None


class TableRows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows that a tenant has in a table: how many, and the SHA-256 of them as lines of JSON."""

    table: str
    rows: int
    sha256: str


class TenantExported(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.tenant.export@1"):
    """Result of tenant.export. `left_out` are tables that only the sealer of the audit log reads."""

    tenant: str
    out: str
    sha256: str
    bytes: int
    tables: tuple[TableRows, ...]
    left_out: tuple[str, ...]


class CreatePrincipal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of principal.create."""

    name: Annotated[
        str, arg("Name: small letters, digits, `_` and `-`.", positional=True, metavar="NAME", personal=True)
    ]
    scope: Annotated[tuple[str, ...], arg("Scope that it may have; may be given again.", metavar="SCOPE")]
    kind: Annotated[Kind, arg("Whether it is a person or a service.")] = "person"
    tenant: OfTenant = None


class ListPrincipals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of principal.list."""

    tenant: OfTenant = None
    limit: Limit = 50
    cursor: Cursor = None


class NamePrincipal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of principal.show."""

    name: Annotated[str, arg("Name of the principal.", positional=True, metavar="NAME", personal=True)]
    tenant: OfTenant = None


class DisablePrincipal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of principal.disable."""

    name: Annotated[str, arg("Name of the principal.", positional=True, metavar="NAME", personal=True)]
    tenant: OfTenant = None
    undo: Annotated[bool, arg("Let it act again.")] = False


class DeletePrincipal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of principal.delete."""

    name: Annotated[str, arg("Name of the principal.", positional=True, metavar="NAME", personal=True)]
    reason: Reason
    ticket: Ticket
    tenant: OfTenant = None


class PrincipalRow(msgspec.Struct, frozen=True, kw_only=True):
    """A principal; `subject` is what tokens and the audit log call it."""

    subject: str
    tenant: str
    name: str
    kind: Kind
    scopes: tuple[str, ...]
    disabled: bool
    created: str


class PrincipalShown(PrincipalRow, frozen=True, kw_only=True, tag_field="schema", tag="stella.principal.show@1"):
    """Result of principal.show."""


class PrincipalDisabled(PrincipalRow, frozen=True, kw_only=True, tag_field="schema", tag="stella.principal.disable@1"):
    """Result of principal.disable."""


class PrincipalMade(PrincipalRow, frozen=True, kw_only=True, tag_field="schema", tag="stella.principal.create@1"):
    """Result of principal.create; nobody can show the secret again."""

    secret: str


class PrincipalsListed(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.principal.list@1"):
    """Result of principal.list, by name; `next` is the cursor of the page behind, None on the last one."""

    tenant: str
    principals: tuple[PrincipalRow, ...]
    next: str | None


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    """A subject that is gone, and its tokens revoked."""

    subject: str


class PrincipalDeleted(Deleted, frozen=True, kw_only=True, tag_field="schema", tag="stella.principal.delete@1"):
    """Result of principal.delete."""


class CreateClient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of client.create. With `key` or `certificate` there is no secret."""

    name: Annotated[str, arg("Name: small letters, digits, `_` and `-`.", positional=True, metavar="NAME")]
    scope: Annotated[tuple[str, ...], arg("Scope that it may have; may be given again.", metavar="SCOPE")]
    key: Annotated[
        str | None, arg("Public JWK that its assertions are signed with (private_key_jwt).", metavar="JWK")
    ] = None
    certificate: Annotated[
        str | None, arg("Thumbprint `x5t#S256` of the certificate that it connects with.", metavar="THUMBPRINT")
    ] = None
    tenant: OfTenant = None


class ListClients(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of client.list."""

    tenant: OfTenant = None
    limit: Limit = 50
    cursor: Cursor = None


class NameClient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of client.show."""

    name: Annotated[str, arg("Name of the client.", positional=True, metavar="NAME")]
    tenant: OfTenant = None


class RotateClient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of client.rotate."""

    name: Annotated[str, arg("Name of the client.", positional=True, metavar="NAME")]
    reason: Reason
    ticket: Ticket
    key: Annotated[str | None, arg("Its new public JWK, if it has one.", metavar="JWK")] = None
    certificate: Annotated[str | None, arg("Its new thumbprint, if it has one.", metavar="THUMBPRINT")] = None
    tenant: OfTenant = None


class DeleteClient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of client.delete."""

    name: Annotated[str, arg("Name of the client.", positional=True, metavar="NAME")]
    reason: Reason
    ticket: Ticket
    tenant: OfTenant = None


class ClientRow(msgspec.Struct, frozen=True, kw_only=True):
    """A client: its id for OAuth, and how it proves itself."""

    client_id: str
    tenant: str
    name: str
    method: Method
    scopes: tuple[str, ...]
    created: str
    rotated: str


class ClientShown(ClientRow, frozen=True, kw_only=True, tag_field="schema", tag="stella.client.show@1"):
    """Result of client.show."""


class ClientMade(ClientRow, frozen=True, kw_only=True, tag_field="schema", tag="stella.client.create@1"):
    """Result of client.create; nobody can show the secret again. It has none with another method."""

    secret: str | None


class ClientRotated(ClientRow, frozen=True, kw_only=True, tag_field="schema", tag="stella.client.rotate@1"):
    """Result of client.rotate, as of client.create."""

    secret: str | None


class ClientDeleted(Deleted, frozen=True, kw_only=True, tag_field="schema", tag="stella.client.delete@1"):
    """Result of client.delete."""


class ClientsListed(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.client.list@1"):
    """Result of client.list, by name; `next` is the cursor of the page behind, None on the last one."""

    tenant: str
    clients: tuple[ClientRow, ...]
    next: str | None


class ShowKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of issuer.keys."""


class RotateKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of issuer.rotate-key."""

    reason: Reason
    ticket: Ticket


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A signing key: `next` is published and does not sign yet, `active` signs, `retired` is only published."""

    kid: str
    alg: str
    state: Literal["next", "active", "retired"]
    made: str
    starts: str
    retired: str | None


class KeysShown(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.issuer.keys@1"):
    """Result of issuer.keys, in the order in which they begin to sign."""

    keys: tuple[KeyRow, ...]


class KeyRotated(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.issuer.rotate-key@1"):
    """Result of issuer.rotate-key: all keys as they are then."""

    keys: tuple[KeyRow, ...]
