"""What a service refuses to somebody it knows, written into the audit log of that one's tenant.

Rules:
- A denial has a transaction of its own, in a thread of its own: whoever is refused waits for no log.
- What waits is bounded. A flood of denials is counted and told as one line of the log, and costs no memory.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
from typing import NamedTuple

from stella.audit import tell
from stella.http.logs import Log
from stella.kernel.errors import StellaError
from stella.operations import Context, Principal

ROOM = 1000  # denials that wait to be written; more in a moment is a flood


class Denial(NamedTuple):
    """What was refused to whom, and why, in short facts."""

    principal: Principal
    action: str
    resource: str
    facts: dict[str, str]


class Denials:
    """Denials of one service."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._queue: queue.Queue[Denial | None] = queue.Queue(ROOM)
        self._lost = 0
        self._thread: threading.Thread | None = None

    def tell(self, principal: Principal, action: str, resource: str, **facts: str) -> None:
        """Let a denial be written; returns at once."""
        try:
            self._queue.put_nowait(Denial(principal, action, resource, facts))
        except queue.Full:
            self._lost += 1

    def start(self, ctx: Context) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._work, args=(ctx,), name="denials", daemon=True)
        self._thread.start()

    def end(self, patience: float) -> None:
        """Write what waits, for so many seconds at most."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(patience)

    def _work(self, ctx: Context) -> None:
        while (denial := self._queue.get()) is not None:
            try:
                own = dataclasses.replace(ctx, principal=denial.principal, actor=denial.principal.name)
                tell.denied(own, denial.action, denial.resource, **denial.facts)
            except StellaError as error:
                self._log.event("denial_not_written", {"action": denial.action, "code": error.code})
            if self._lost:
                lost, self._lost = self._lost, 0
                self._log.event("denials_not_written", {"count": lost})
