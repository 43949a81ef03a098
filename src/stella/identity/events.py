"""The audit events of identity, each in the transaction of its change."""

from __future__ import annotations

from collections.abc import Mapping

from stella.audit import write
from stella.audit.model import Given, Outcome
from stella.audit.personal import Vault, read_key
from stella.audit.rules import event_of
from stella.kernel.ids import RANDOM_BYTES
from stella.operations import Context, Principal
from stella.runtime.transaction import Transaction


def tell(
    ctx: Context,
    t: Transaction,
    action: str,
    resource: str,
    *,
    outcome: Outcome = "success",
    reason: str = "",
    ticket: str = "",
    after: Mapping[str, Given] | None = None,
) -> None:
    """Write down in the log of the transaction's tenant what the principal has done there."""
    vault = Vault(read_key(ctx.secret(ctx.settings.audit.wrap_key), "audit.wrap_key"), ctx.entropy)
    actor = Principal(ctx.principal.name, ctx.principal.scopes, t.tenant)
    now, random = ctx.clock.read().wall, ctx.entropy(RANDOM_BYTES)
    event = event_of(
        actor, now, random, action, resource, outcome=outcome, reason=reason, ticket=ticket, after=after or {}
    )
    write.insert(t, actor, event, vault)
