"""The logs of all tenants as the sealer reaches them: with a login of its own, whose duty spans tenants."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from stella.runtime.connections import Connections
from stella.runtime.roles import SEALER
from stella.runtime.transaction import Duty, TenantDatabase, Transaction

PACKAGE = "stella.audit"


class Logs:
    """What waits to be sealed in a database; `connections` are the sealer's."""

    def __init__(self, connections: Connections) -> None:
        self._duty = Duty(connections, SEALER)
        self._database = TenantDatabase(connections, None)

    def tenants(self) -> Sequence[str]:
        """Tenants that have events without a place in their chain."""
        return [str(row[0]) for row in self._duty.all(PACKAGE, "list_waiting_tenants")]

    def forgotten(self) -> int:
        """Let events wait that neither have a place nor wait for one; how many."""
        found = self._duty.one(PACKAGE, "find_forgotten")
        return int(found[0]) if found else 0

    def transaction(self, tenant: str) -> AbstractContextManager[Transaction]:
        """A transaction for one of them."""
        return self._database.transaction(tenant)

    def close(self) -> None:
        """Close what is kept."""
        self._database.close()
