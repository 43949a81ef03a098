"""What people see of tenants, principals, clients and signing keys."""

from __future__ import annotations

from stella.formats.view import Cell, Facts, Table, Text, Tone, View, human_bytes, human_count
from stella.identity.model import (
    ClientMade,
    ClientRotated,
    ClientRow,
    ClientShown,
    ClientsListed,
    Deleted,
    KeyRotated,
    KeysShown,
    PrincipalMade,
    PrincipalRow,
    PrincipalsListed,
    State,
    TenantExported,
    TenantFacts,
    TenantsListed,
)

SHORT = 16  # characters of a digest or key id that tell two apart by eye
ONCE = "This is the only time that the secret is shown."

_TONES: dict[State, Tone] = {State.ACTIVE: "good", State.SUSPENDED: "warn", State.DELETING: "bad", State.ERASED: "dim"}


def tenants(result: TenantsListed) -> View:
    """One line a tenant."""
    rows = [
        (row.tenant, row.name, Cell(row.state, _TONES[row.state]), row.created, row.erase_after or "")
        for row in result.tenants
    ]
    table = Table(("tenant", "name", "state", "created", "erased after"), rows, empty="No tenant.")
    return [table, *_more(result.next)]


def tenant(result: TenantFacts) -> View:
    """One tenant."""
    rows: list[tuple[str, str | Cell]] = [
        ("tenant", result.tenant),
        ("name", result.name),
        ("state", Cell(result.state, _TONES[result.state])),
        ("created", result.created),
        ("changed", result.changed),
    ]
    if result.erase_after:
        rows.append(("erased after", result.erase_after))
    if result.problem:
        rows.append(("erasure waits", Cell(result.problem, "bad")))
    if result.proof:
        rows.append(("proof of erasure", f"a DSSE envelope of {len(result.proof)} bytes: see --json"))
    return [Facts(rows)]


def exported(result: TenantExported) -> View:
    """After tenant export."""
    tables = [(one.table, human_count(one.rows), one.sha256[:SHORT]) for one in result.tables]
    left = [Text(f"left out: {', '.join(result.left_out)}", "dim")] if result.left_out else []
    return [
        Facts([("file", f"{result.out}, {human_bytes(result.bytes)}"), ("sha256", result.sha256)]),
        Table(("table", "rows", "sha256"), tables, right=("rows",)),
        *left,
    ]


def principals(result: PrincipalsListed) -> View:
    """One line a principal."""
    rows = [
        (row.name, row.kind, Cell("disabled", "warn") if row.disabled else "", " ".join(row.scopes))
        for row in result.principals
    ]
    table = Table(("name", "kind", "", "scopes"), rows, f"Tenant {result.tenant}", empty="No principal.")
    return [table, *_more(result.next)]


def principal(result: PrincipalRow) -> View:
    """One principal."""
    return [Facts(_principal(result))]


def principal_made(result: PrincipalMade) -> View:
    """A new principal with its secret."""
    return [Facts([*_principal(result), ("secret", result.secret)]), Text(ONCE, "warn")]


def _principal(row: PrincipalRow) -> list[tuple[str, str | Cell]]:
    return [
        ("subject", row.subject),
        ("kind", row.kind),
        ("scopes", " ".join(row.scopes)),
        ("state", Cell("disabled", "warn") if row.disabled else Cell("may act", "good")),
        ("created", row.created),
    ]


def clients(result: ClientsListed) -> View:
    """One line a client."""
    rows = [(row.client_id, row.method, row.rotated, " ".join(row.scopes)) for row in result.clients]
    table = Table(
        ("client id", "proves itself by", "since", "scopes"), rows, f"Tenant {result.tenant}", empty="No client."
    )
    return [table, *_more(result.next)]


def client(result: ClientShown) -> View:
    """One client."""
    return [Facts(_client(result))]


def client_made(result: ClientMade | ClientRotated) -> View:
    """A new client, or one that was rotated, with its secret if it has one."""
    if result.secret is None:
        return [Facts(_client(result))]
    return [Facts([*_client(result), ("secret", result.secret)]), Text(ONCE, "warn")]


def _client(row: ClientRow) -> list[tuple[str, str | Cell]]:
    return [
        ("client id", row.client_id),
        ("proves itself by", row.method),
        ("scopes", " ".join(row.scopes)),
        ("created", row.created),
        ("since", row.rotated),
    ]


def deleted(result: Deleted) -> View:
    """After a deletion."""
    return [Facts([("deleted", result.subject), ("its tokens", "revoked")])]


def keys(result: KeysShown | KeyRotated) -> View:
    """One line a signing key."""
    tones: dict[str, Tone] = {"active": "good", "retired": "dim"}
    rows = [
        (row.kid[:SHORT], row.alg, Cell(row.state, tones.get(row.state, "plain")), row.starts, row.retired or "")
        for row in result.keys
    ]
    return [Table(("key", "alg", "state", "signs from", "retired"), rows, empty="No key yet.")]


def _more(following: str | None) -> list[Text]:
    return [Text(f"more: add --cursor {following}", "dim")] if following else []
