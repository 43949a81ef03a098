"""Writing events: one more row in the transaction of the change that it tells of.

Rules:
- The event and its change are committed together, or neither is.
- A key of the tenant is made when the first personal text needs one; while it is made, others wait for it.
"""

from __future__ import annotations

from stella.audit.model import Event, Record, Sealed
from stella.audit.personal import TenantKey, Vault, close, needs_key
from stella.audit.ports import Transaction
from stella.audit.rules import check, check_size
from stella.operations import Principal

PACKAGE = "stella.audit"


def insert(t: Transaction, principal: Principal, event: Event, vault: Vault) -> Record:
    """Write an event of the principal's tenant; what was stored. Raises BadEvent or WrongWrapKey."""
    check(event, principal.tenant)
    key = current_key(t, principal.tenant, vault) if needs_key(event) else None
    record = close(event, key, vault.entropy)
    t.run(
        PACKAGE,
        "put_event",
        id=record.id,
        action=record.action,
        actor=record.actor.mark if isinstance(record.actor, Sealed) else record.actor,
        outcome=record.outcome,
        body=check_size(record),
    )
    return record


def current_key(t: Transaction, tenant: str, vault: Vault) -> TenantKey:
    """The newest key of the tenant, made when there is none that lives; raises WrongWrapKey."""
    for _ in range(2):
        last = t.one(PACKAGE, "last_key")
        if last is not None and last[1] is not None:
            return vault.unwrap(tenant, last[0], last[1])
        number = 1 if last is None else last[0] + 1
        t.run(PACKAGE, "put_key", number=number, wrapped=vault.make(tenant, number))
    last = t.one(PACKAGE, "last_key")
    if last is None or last[1] is None:  # erased again in the same moment; whoever asked asks again
        return current_key(t, tenant, vault)
    return vault.unwrap(tenant, last[0], last[1])


def live_keys(t: Transaction, tenant: str, vault: Vault) -> dict[int, TenantKey]:
    """Every key of the tenant that was not erased, by its number; raises WrongWrapKey."""
    return {number: vault.unwrap(tenant, number, wrapped) for number, wrapped in t.all(PACKAGE, "list_keys")}


def erase_keys(t: Transaction) -> int:
    """Erase every key of the tenant: nobody reads its personal texts again. The chain stays as it is. How many."""
    return t.run(PACKAGE, "erase_keys")
