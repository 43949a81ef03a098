"""The audit events of identity, each in the transaction of its change and in the log of the tenant that was changed.

Rules:
- Who works on another tenant is in that tenant's log by these, and in the log of its own as for every operation.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec

from stella.audit import tell as log
from stella.audit.model import Marked
from stella.operations import Context
from stella.runtime.transaction import Transaction


def tell(ctx: Context, t: Transaction, action: str, resource: str | Marked, **rest: Any) -> None:  # noqa: ANN401  # fields of an event
    """Write down what the principal has done to the transaction's tenant; `rest` are fields of an event."""
    principal = dataclasses.replace(ctx.principal, tenant=t.tenant)
    log.tell(dataclasses.replace(ctx, principal=principal), t, action, resource, **rest)


def within(ctx: Context, want: msgspec.Struct) -> bool:
    """Whether a request is about the tenant of whoever asks, so that its event is in that log already."""
    return getattr(want, "tenant", None) in {None, ctx.principal.tenant}
