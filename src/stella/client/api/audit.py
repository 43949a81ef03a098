"""The operations of `audit` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from typing import Literal

from stella.audit.model import EventsShown, ExportLog, ListEvents, LogExported, LogVerified, VerifyLog
from stella.client.remote import Caller


class AuditCalls:
    """The operations of `audit` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def list(
        self,
        *,
        action: str | None = None,
        actor: str | None = None,
        outcome: Literal["success", "failure", "denied", "locked_out", "rate_limited", "error"] | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> EventsShown:
        """List who did what, newest first."""
        return self._call(
            "audit.list",
            ListEvents(
                action=action, actor=actor, outcome=outcome, since=since, until=until, limit=limit, cursor=cursor
            ),
            EventsShown,
        )

    def export(self, *, out: str) -> LogExported:
        """Write everything that was sealed to one file: CloudEvents with signed checkpoints."""
        return self._call("audit.export", ExportLog(out=out), LogExported)

    def verify(self, *, file: str, key: tuple[str, ...], at_least: int = 0) -> LogVerified:
        """Prove that an exported log is complete and as it was signed, without a network, service or database."""
        return self._call("audit.verify", VerifyLog(file=file, key=key, at_least=at_least), LogVerified)
