"""What some schemas are at a moment: their policies, their protected tables, and a digest of everything they hold.

Rules:
- It says the same of two databases that went through the same migrations, whoever owns them: no row, no number that the
  server gave, no name of an owner is part of it.
- The history of migrations is not part of it; that is compared by itself.
- The digest covers what the server prints of a definition, so it holds for one major version of PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from stella.kernel.canonical import dump
from stella.kernel.digest import sha256
from stella.runtime.postgres import Connection, names_in_full, speaking
from stella.runtime.transaction import ask
from stella.tenancy.guard import installed


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """A policy: for which command and roles, and its two expressions as the server prints them."""

    table: str
    name: str
    command: str
    permissive: bool
    roles: tuple[str, ...]
    using: str
    check: str


class Snapshot(msgspec.Struct, frozen=True):
    """The policies, the tables that are protected, and the digest of every object."""

    policies: tuple[Policy, ...]
    protected: tuple[str, ...]
    schema_digest: str

    @property
    def policies_digest(self) -> str:
        """Names exactly these policies."""
        return sha256(dump(list(self.policies)))


def take(connection: Connection, schemas: Sequence[str], without: Collection[str] = ()) -> Snapshot:
    """The snapshot of some schemas, without the indexes of some names; what is not there yet holds nothing."""
    named = {"schemas": list(schemas)}
    with speaking("the catalogue"), names_in_full(connection):
        policies = [
            Policy(row[0], row[1], row[2], row[3], tuple(sorted(row[4])), row[5], row[6])
            for row in ask(connection, "stella.tenancy", "snapshot_policies", **named)
        ]
        found = sorted(ask(connection, "stella.tenancy", "snapshot_objects", **named))
        objects = [row for row in found if row[0] != "index" or row[1].rpartition(".")[2].strip('"') not in without]
        guarded = installed(connection)
        rows = ask(connection, "stella.tenancy", "snapshot_protected", **named) if guarded else []
    protected = tuple(sorted(row[0] for row in rows))
    return Snapshot(tuple(sorted(policies)), protected, sha256(dump([list(row) for row in objects])))
