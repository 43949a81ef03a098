"""The operations of `tenancy` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from stella.client.remote import Caller
from stella.proof.model import GateRead, PrintRoles, Prove, Proved, ReadGate, RolesPrinted


class TenancyCalls:
    """The operations of `tenancy` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def gate(self, *, report: tuple[str, ...] = ()) -> GateRead:
        """Read the catalogue of the database for whatever would let one tenant reach another."""
        return self._call("tenancy.gate", ReadGate(report=report), GateRead)

    def roles(self, *, database: str = "stella") -> RolesPrinted:
        """Print what an administrator runs once on a PostgreSQL of his own: roles, database, what is closed."""
        return self._call("tenancy.roles", PrintRoles(database=database), RolesPrinted)

    def prove(self, *, queries: int = 100000, seed: int = 1, key: str | None = None, out: str | None = None) -> Proved:
        """Prove that tenants are apart: in the schema of this release, and in the database that is used."""
        return self._call("tenancy.prove", Prove(queries=queries, seed=seed, key=key, out=out), Proved)
