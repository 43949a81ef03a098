"""Connections to PostgreSQL that are kept for the next who needs one.

Rules:
- A connection is used by one thread at a time. One that broke, or in which something failed, is thrown away, so that
  nothing of one user is left for the next.
- Whoever must not connect at some time says so through `permit`, which is entered for as long as a connection is made.
- Nothing is sent twice. A kept connection that the server has closed is known before it is used: its socket has
  something to read.
"""

from __future__ import annotations

import contextlib
import functools
import queue
import select
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import psycopg

from stella.runtime.postgres import Connection, Login, connect

LIMITS = {"lock_timeout": "60000"}  # milliseconds; a writer that hangs is not waited for without end
IDLE = 8  # connections kept open; more threads than that rarely wait for the database at once


class Connections:
    """Connections of one login in autocommit; `keep` of them stay open. `settings` are run-time parameters of each.

    What `permit` raises keeps a connection from being made; `connect` alone does not ask it.
    """

    def __init__(
        self,
        login: Login,
        application: str = "stella",
        *,
        keep: int = IDLE,
        permit: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext,
        **settings: str,
    ) -> None:
        self.login = login
        self.keep = keep
        self._permit = permit
        self._application = application
        self._settings = {**LIMITS, **settings}
        self._idle: queue.SimpleQueue[Connection] = queue.SimpleQueue()

    @functools.cached_property
    def where(self) -> str:
        """Where the database is, for messages; read once, since every transaction may need to say it."""
        return self.login.where

    @contextlib.contextmanager
    def one(self) -> Iterator[Connection]:
        """A connection for the length of the block; raises as `postgres.connect` and as `permit`."""
        connection = self._kept() or self._fresh()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE and self._idle.qsize() < self.keep:
            self._idle.put(connection)
        else:
            connection.close()

    def connect(self) -> Connection:
        """A connection of its own, which the caller closes."""
        return connect(self.login, self._application, **self._settings)

    def close(self) -> None:
        """Close what is kept; a later use opens new ones."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def _fresh(self) -> Connection:
        with self._permit():
            return self.connect()

    def _kept(self) -> Connection | None:
        with contextlib.suppress(queue.Empty):
            while True:
                connection = self._idle.get_nowait()
                if not spoken_to(connection):
                    return connection
                connection.close()
        return None


def spoken_to(connection: Connection) -> bool:
    """Whether the server has something to say that nobody asked for: nearly always that the connection ends."""
    return connection.closed or bool(select.select([connection.fileno()], [], [], 0)[0])
