"""The audit logs of all tenants, sealed by a service beside its work.

Rules:
- One thread seals what waits, again and again, and once more when the service stops.
- A damaged chain is told and keeps no other tenant waiting; a database that is away is asked again the next time.
- No surprise ends it while the service lives: events that nobody seals would be missed by nobody.
"""

from __future__ import annotations

import threading

from stella.audit import sealer
from stella.audit.logs import Logs
from stella.audit.personal import read_key
from stella.audit.sealer import Pass, Sealer
from stella.http.jobs import trace_of
from stella.http.logs import Log
from stella.operations import Context
from stella.runtime.connections import Connections
from stella.runtime.postgres import duty_login
from stella.runtime.roles import SEALER


class Sealing:
    """The sealer of one service. Raises SecretMissing, BadAuditKey or BadDsn when it is made.

    The key that events are written with is looked at as well: without it every change would be made and then fail.
    """

    def __init__(self, ctx: Context, log: Log) -> None:
        settings = ctx.settings.audit
        login = duty_login(ctx.settings.database, ctx.secret, SEALER)
        self._logs = Logs(Connections(login, "stella seal", keep=1))
        key = sealer.signing_key(ctx.secret(settings.key))
        read_key(ctx.secret(settings.wrap_key), "audit.wrap_key")
        self._sealer = Sealer(self._logs, key, ctx.clock, sealer.retired_keys(settings))
        self._every = sealer.interval(settings)
        self._log = log
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="audit-sealer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Seal once more, then end."""
        self._stopping.set()

    def join(self, patience: float) -> None:
        """Wait for the end, for so many seconds at most; what is cut off is sealed by the next start."""
        if self._thread.is_alive():
            self._thread.join(patience)

    def _work(self) -> None:
        while True:
            try:
                sealer.run(self._sealer, self._every, self._stopping, self._tell)
                break
            except Exception as error:  # noqa: BLE001  # whatever it is, it is told and tried again
                self._log.event("failed", {"operation": "audit.seal", "traceback": trace_of(error)})
                if self._stopping.is_set():
                    break
        self._logs.close()

    def _tell(self, found: Pass) -> None:
        if found.forgotten:
            self._log.event("audit_forgotten", {"events": found.forgotten})
        if found.sealed:
            self._log.event("audit_sealed", {"events": sum(found.sealed.values()), "tenants": len(found.sealed)})
        for tenant, error in found.failed.items():
            self._log.event("audit_not_sealed", {"tenant": tenant, "code": error.code, "problem": error.message})
