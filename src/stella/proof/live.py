"""The database that is used: read, never written, so that the proof can be carried over to it.

Rules:
- The login of the service is judged first; one that passes row-level security ends the proof.
- A proof holds for equal policies and an equal schema alone; what differs is named.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from stella.kernel.canonical import dump
from stella.kernel.digest import sha256
from stella.operations import Context
from stella.proof.errors import BypassingLogin, GateUnreadable, Unguarded
from stella.proof.schema import PACKAGE
from stella.runtime.connections import Connections
from stella.runtime.errors import DatabaseDenied
from stella.runtime.postgres import Connection, Login, duty_login, login, names_in_full, service_login, speaking
from stella.runtime.roles import OWNER
from stella.runtime.transaction import Row, ask
from stella.tenancy import gate, guard

SHOWN = 50  # differences that a result names
PARTS = ("snapshot_policies", "snapshot_objects")

Rows = tuple[tuple[object, ...], ...]


class Snapshot(NamedTuple):
    """What the protection of a database is made of, as the catalogue prints it: policies, and every other object."""

    policies: Rows
    schema: Rows

    def digests(self) -> tuple[str, str]:
        """SHA-256 of the policies, and of the schema."""
        return digest(self.policies), digest(self.schema)


class Live(NamedTuple):
    """A database that is used: the login of the service, which database it is, findings, and its protection."""

    login: str
    identity: str
    findings: tuple[gate.Finding, ...]
    snapshot: Snapshot


def digest(rows: object) -> str:
    """SHA-256 of rows in canonical JSON."""
    return sha256(dump(rows))


def snapshot(connection: Connection) -> Snapshot:
    """The protection of the database of a connection."""
    with speaking("the catalogue"), names_in_full(connection):
        schemas = [name for (name,) in ask(connection, "stella.tenancy", "schemas")]
        found = (ask(connection, "stella.tenancy", name, schemas=schemas) for name in PARTS)
        return Snapshot(*(tuple(sorted(map(_settled, rows), key=repr)) for rows in found))


def examine(ctx: Context, dsn: str | None) -> Live | None:
    """The live database, None where none is configured.

    Raises BypassingLogin, Unguarded, GateUnreadable, or as `postgres.connect`.
    """
    settings = ctx.settings.database
    if dsn is not None:
        settings = msgspec.structs.replace(settings, dsn=dsn, owner_dsn="")
    elif not settings.dsn:
        return None
    into = service_login(settings, ctx.secret)
    with Connections(into, keep=0).one() as connection, speaking(into.where):
        name = _judge(connection)
    owner = login(settings, ctx.secret, owner=True) or duty_login(settings, ctx.secret, OWNER)
    with _owned(owner) as connection:
        if not guard.installed(connection):
            raise Unguarded(where=owner.where)
        identity = _run(connection, "identity")
        return Live(name, digest(identity), tuple(gate.findings(connection)), snapshot(connection))


def findings_of(ctx: Context) -> tuple[Login, int, list[gate.Finding]]:
    """The gate of the configured database: where it is, how many tables are protected, what is wrong."""
    settings = ctx.settings.database
    into = login(settings, ctx.secret, owner=True) or service_login(settings, ctx.secret)
    with _owned(into) as connection:
        if not guard.installed(connection):
            raise Unguarded(where=into.where)
        return into, len(_run(connection, "protected")), gate.findings(connection)


def differences(proved: Snapshot, found: Snapshot) -> tuple[str, ...]:
    """What the live database has otherwise, in words."""
    said: list[str] = []
    for what, ours, theirs in (
        ("policy", proved.policies, found.policies),
        ("object", proved.schema, found.schema),
    ):
        mine, live = set(map(_line, ours)), set(map(_line, theirs))
        said += [f"{what} is missing or other: {line}" for line in sorted(mine - live)]
        said += [f"{what} was not proved: {line}" for line in sorted(live - mine)]
    return tuple(said[:SHOWN])


def _settled(row: tuple[object, ...]) -> tuple[object, ...]:
    """A row whose lists are in one order."""
    return tuple(sorted(cell) if isinstance(cell, list) else cell for cell in row)


def _line(row: tuple[object, ...]) -> str:
    return " ".join(", ".join(map(str, cell)) if isinstance(cell, list) else str(cell) for cell in row).strip()


def _judge(connection: Connection) -> str:
    """The name of the role that is connected; raises BypassingLogin."""
    name, superuser, bypasses, owns = _run(connection, "login")[0]
    problem = (
        "it is, or may become, a superuser"
        if superuser
        else "it has, or may have, BYPASSRLS"
        if bypasses
        else f"it owns {owns}"
        if owns
        else ""
    )
    if problem:
        raise BypassingLogin(role=name, problem=problem)
    return str(name)


@contextlib.contextmanager
def _owned(into: Login) -> Iterator[Connection]:
    """A connection that may read the exceptions of the guard."""
    with Connections(into, keep=0).one() as connection:
        try:
            with speaking(into.where):
                yield connection
        except DatabaseDenied as error:
            raise GateUnreadable(role=into.where, problem=error.facts["problem"]) from None


def _run(connection: Connection, name: str) -> list[Row]:
    return ask(connection, PACKAGE, name)
