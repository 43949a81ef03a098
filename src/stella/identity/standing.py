"""What the service knows of tenants and revocations while it answers: read from the database every few seconds.

Rules:
- A tenant that is not known as active has no valid token, whoever issued it.
- What could not be read leaves what was known before in force.
- Of two who read at once the one that read later is believed.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from stella.identity.errors import TenantNotActive
from stella.identity.model import State
from stella.identity.reach import PACKAGE
from stella.kernel.instant import Instant
from stella.runtime.transaction import Duty
from stella.tenancy.revocation import ANY_ISSUER, Revocation, Revocations

UNKNOWN = "not known here"


class Standing:
    """Tenants and their states, and the revocations of `issuer` handed on to a verifier's set."""

    def __init__(self, issuer: str, revocations: Revocations) -> None:
        self._issuer = issuer
        self._revocations = revocations
        self._states: Mapping[str, str] = {}
        self._seen: frozenset[tuple[str, str, Instant]] = frozenset()
        self._reading = threading.Lock()

    def refresh(self, duty: Duty, now: Instant) -> None:
        """Read everything again; raises as `Duty.all`."""
        with self._reading:
            self._read(duty, now)

    def _read(self, duty: Duty, now: Instant) -> None:
        self._states = {tenant: state for tenant, state in duty.all(PACKAGE, "states")}  # noqa: C416  # rows to a mapping
        rows = duty.all(PACKAGE, "live_revocations", now=now)
        self.revoke(*(Revocation(*row) for row in rows if tuple(row[:3]) not in self._seen))
        self._seen = frozenset((kind, name, before) for kind, name, before, _ in rows)
        self._revocations.forget(now)

    def revoke(self, *entries: Revocation) -> None:
        """Let revocations count from now on; that of a tenant counts whoever issued the token."""
        self._revocations.revoke(ANY_ISSUER, *(entry for entry in entries if entry.kind == "tenant"))
        self._revocations.revoke(self._issuer, *(entry for entry in entries if entry.kind != "tenant"))

    def knows(self, tenant: str) -> bool:
        """Whether there is such a tenant."""
        return tenant in self._states

    def has_log(self, tenant: str) -> bool:
        """Whether what happens to a tenant belongs into its log; that of one that was erased has ended."""
        return self._states.get(tenant, State.ERASED) != State.ERASED

    def stopped(self, tenant: str) -> str:
        """What a tenant is instead of active; empty for one that works, or that is not known yet."""
        state = self._states.get(tenant, State.ACTIVE)
        return "" if state == State.ACTIVE else state

    def require_active(self, tenant: str) -> None:
        """Raise TenantNotActive unless the tenant works here."""
        state = self._states.get(tenant)
        if state != State.ACTIVE:
            raise TenantNotActive(tenant=tenant, state=state or UNKNOWN)
