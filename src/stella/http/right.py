"""The right to be the one service of a database.

Rules:
- It is an advisory lock that lives as long as its connection. When the database comes back after a restart the right is
  taken first; if another service has it, everything raises ServiceRuns.
- What must be done by one service alone is done on that connection. No other connection is made without the right:
  `held` is their permit.
"""

# stella: allow-file STL001, STL002, STL003 until 2027-11-30: the right is a lock that lives with one connection

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import psycopg

from stella.http.errors import ServiceRuns
from stella.kernel.errors import StellaError
from stella.runtime.connections import Connections, spoken_to
from stella.runtime.postgres import Connection, speaking
from stella.runtime.statements import statements


class Right:
    """The right, over connections of the role that has the duty of jobs. `term` grows each time that it is taken."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._owner: Connection | None = None
        self._owning = threading.Lock()  # for the connection of the owner
        self._failure: tuple[float, StellaError] | None = None  # when the right could last not be taken, and why
        self.term = 0

    @contextlib.contextmanager
    def held(self) -> Iterator[Connection]:
        """The connection that has the right, for one thread at a time; raises ServiceRuns or as `postgres.connect`."""
        asked = time.monotonic()
        with self._owning, speaking(self._connections.login.where):
            if self._failure is not None and self._failure[0] > asked:
                raise self._failure[1]  # whoever waited for that try need not wait for another one
            try:
                with speaking(self._connections.login.where):
                    owner = self._taken()
            except StellaError as error:
                self._failure = time.monotonic(), error
                raise
            yield owner

    def _taken(self) -> Connection:
        """The connection that has the right, made anew if the server has closed it."""
        if self._owner is not None:
            if not spoken_to(self._owner):
                return self._owner
            with contextlib.suppress(psycopg.OperationalError):  # it may be a mere notice
                self._owner.execute(statements("stella.http")["ping"].sql)
                return self._owner
            self._owner.close()
            self._owner = None
        owner = self._connections.connect()
        try:
            row = owner.execute(statements("stella.http")["own_service"].sql).fetchone()
            if row is None or not row[0]:
                raise ServiceRuns
        except BaseException:
            owner.close()
            raise
        self._owner = owner
        self.term += 1
        return owner

    def close(self) -> None:
        """Give it back. The server sees the end of a connection later than whoever ends it, so it is told first."""
        if self._owner is not None:
            with contextlib.suppress(psycopg.Error):
                self._owner.execute(statements("stella.http")["disown_service"].sql)
            self._owner.close()
            self._owner = None
