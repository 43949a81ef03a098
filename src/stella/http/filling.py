"""Data migrations, run by a service beside its work.

Rules:
- One thread does one batch of one file at a time, so that whoever uses the rows hardly notices.
- What somebody paused stays paused. A stop is obeyed between two batches; the next start goes on where they were.
- A failure is told and stops nothing else; only what may pass by itself is tried again.
"""

from __future__ import annotations

import contextlib
import threading

from stella.database.apply import fill
from stella.database.model import FileRow
from stella.http.feed import Feed, Stop
from stella.http.jobs import trace_of
from stella.http.logs import Log
from stella.kernel.errors import Exit, StellaError
from stella.operations import Context
from stella.runtime.postgres import Login

RETRY = 60.0  # seconds between tries while the database is away or somebody else runs the same file


class Filling:
    """The data migrations of one service."""

    def __init__(self, ctx: Context, login: Login, log: Log) -> None:
        self._ctx = ctx
        self._login = login
        self._log = log
        self._stopping = threading.Event()
        self._feed = Feed(lambda _: None)
        self._thread = threading.Thread(target=self._work, name="data-migrations", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no further batch."""
        self._feed.stop(cancel=False)
        self._stopping.set()

    def join(self, patience: float) -> None:
        """Wait for the end of a batch that runs, for so many seconds at most; what is cut off was never done."""
        if self._thread.is_alive():
            self._thread.join(patience)

    def _work(self) -> None:
        with contextlib.suppress(Stop):
            while not self._through():
                self._pause(RETRY)

    def _through(self) -> bool:
        """Do all that is pending; whether another try is of no use."""
        try:
            fill(self._login, self._ctx.schemas, self._ctx.actor, self._ctx.clock, self._pause, self._feed, self._tell)
        except StellaError as error:
            self._log.event("data_migration_failed", {"problem": f"{error.code}: {error.message}"})
            return error.exit is not Exit.TRANSIENT
        except Exception as error:  # noqa: BLE001  # the last guard of a thread
            self._log.event("data_migration_failed", {"problem": type(error).__name__, "traceback": trace_of(error)})
        return True

    def _pause(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise Stop

    def _tell(self, row: FileRow) -> None:
        facts = {"file": f"{row.module}/{row.name}", "state": row.state, "rows": row.touched, "ms": row.duration_ms}
        self._log.event("data_migration", facts)
