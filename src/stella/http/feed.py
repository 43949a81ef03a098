"""How far running jobs are, in memory: written by the threads that do the work, read by whoever watches.

Rules:
- An operation reports through the Progress port thousands of times a second. That costs it an addition; watchers look
  when they like, so progress is coalesced by nature.
- The beginning of a task is an event that is kept, up to a limit; advances are not.
- A job is stopped by an exception in its next report, as Ctrl-C stops a command; operations unwind from both alike.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from stella.http.model import Reached

MAX_TASKS = 200  # events of one job that begin a task; bounds what a job can make the store keep


class Stop(KeyboardInterrupt):
    """The job is to end now: somebody cancelled it, or the service stops."""


class Quiet:
    """The Progress port of an operation that is answered at once: nobody watches."""

    def start(self, task: str, total: int | None, unit: str) -> None:
        """Ignore."""

    def advance(self, amount: int) -> None:
        """Ignore."""


class Feed:
    """The Progress port of one job. `keep` is called with each new task, from the thread that reports it."""

    def __init__(self, keep: Callable[[Reached], None]) -> None:
        self._keep = keep
        self._lock = threading.Lock()
        self._task: tuple[str, int | None, str] | None = None
        self._done = 0
        self._tasks = 0
        self._stopped = False
        self.kept = 0  # the newest number of an event in the store, as far as is known here
        self.cancelled = False

    def start(self, task: str, total: int | None, unit: str) -> None:
        with self._lock:
            self._task, self._done = (task, total, unit), 0
            self._tasks += 1
            worth_keeping = self._tasks <= MAX_TASKS
        self._check()
        if worth_keeping:
            self._keep(Reached(task, 0, total, unit))

    def advance(self, amount: int) -> None:
        with self._lock:
            self._done += amount
        self._check()

    def reached(self) -> Reached | None:
        """How far the present task is."""
        with self._lock:
            if self._task is None:
                return None
            task, total, unit = self._task
            return Reached(task, self._done, total, unit)

    def stop(self, *, cancel: bool) -> None:
        """Let the next report end the job; `cancel` for good, otherwise until the next start of the service."""
        self.cancelled = self.cancelled or cancel
        self._stopped = True

    def _check(self) -> None:
        if self._stopped:
            raise Stop
