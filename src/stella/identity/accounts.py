"""The accounts of tenants in the store of objects, where this installation keeps them.

Rules:
- The database says what a tenant is; its account follows, and is never changed but while the tenant is held.
- A change of a tenant is committed before its account follows: nobody is kept from being suspended by a store that is
  away. It is not reported as done before the store has confirmed it.
- What was left behind, by a kill or by a store that was away, is found by comparing all tenants with their accounts.
"""

from __future__ import annotations

from stella.identity.errors import AccountLags
from stella.identity.model import State
from stella.identity.reach import PACKAGE, transaction
from stella.kernel.errors import StellaError
from stella.operations import Context
from stella.runtime.ports import StoreAccounts
from stella.runtime.roles import ISSUER


def settle(ctx: Context, tenant: str) -> None:
    """Let the account of a tenant be what the tenant is, and wait for it; raises AccountLags, or as the database."""
    accounts = ctx.accounts
    if accounts is None:
        return
    with transaction(ctx, tenant) as t:
        row = t.one(PACKAGE, "hold_tenant")
        state = State(row[0]) if row else State.ERASED
        try:
            if state is State.ACTIVE:
                accounts.admit(tenant)
            elif state is not State.ERASED:  # its keys were removed before
                accounts.shut_out(tenant)
        except StellaError as problem:
            raise AccountLags(tenant=tenant, state=state, problem=f"{problem.code}: {problem.message}") from None


class Follower:
    """Looks again and again whether every account is what its tenant is."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._seen: object = None
        self._lagging: set[str] = set()  # tenants whose account is written and not confirmed

    @property
    def lags(self) -> bool:
        """Whether some account did not follow the last time."""
        return bool(self._lagging)

    def follow(self) -> list[str]:
        """Settle what differs; whose account did. When all were tried it raises the first problem that is a new one.

        What fails again and again would fill the log of a service while its store is away.
        """
        accounts = self._ctx.accounts
        if accounts is None:
            return []
        self._seen = accounts.refresh(self._seen)
        settled, problems = [], {}
        for tenant, state in self._ctx.duty(ISSUER).all(PACKAGE, "states"):
            try:
                if tenant in self._lagging or _differs(accounts, tenant, state):
                    settle(self._ctx, tenant)
                    settled.append(tenant)
            except StellaError as problem:
                problems[tenant] = problem
        new = [problem for tenant, problem in problems.items() if tenant not in self._lagging]
        self._lagging = set(problems)
        if new:
            raise new[0]
        return settled


def _differs(accounts: StoreAccounts, tenant: str, state: str) -> bool:
    return state != State.ERASED and accounts.is_open(tenant) != (state == State.ACTIVE)
