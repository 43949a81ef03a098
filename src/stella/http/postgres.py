"""The Store over PostgreSQL.

Rules:
- A connection is used by one thread at a time and kept for the next; one that broke is thrown away.
- One service at a time owns the database, by an advisory lock that lives as long as its connection. Jobs are moved on
  that connection alone, so nobody moves one without the right to, and no other connection is made without it. When the
  database comes back after a restart, the right is taken first; if another service has it, everything raises
  ServiceRuns.
- Nothing is sent twice. A kept connection that the server has closed is known before it is used: its socket has
  something to read.
"""

# stella: allow-file STL001, STL002, STL003 until 2027-05-31: jobs of the one installation, by named statements

from __future__ import annotations

import contextlib
import queue
import select
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import psycopg
from psycopg.rows import class_row, kwargs_row, tuple_row

from stella.http.errors import DatabaseAway, NotMigrated, ServiceRuns
from stella.http.model import (
    JOB,
    Answered,
    Event,
    Job,
    JobEvent,
    JobState,
    NewJob,
    Upload,
    UploadState,
    sources,
)
from stella.http.store import Key, Outcome
from stella.runtime.postgres import UNAVAILABLE
from stella.runtime.statements import statements

IDLE = 8  # connections kept open; more threads than that rarely wait for the database at once
CONNECT_TIMEOUT = 5  # seconds
STATEMENT_TIMEOUT = 10_000  # milliseconds; every statement is a look-up or one row
NEWEST = 2**63 - 1  # above every number


def target(event: JobEvent) -> JobState:
    """The state that an event leads to."""
    return next(state for (_, known), state in JOB.moves.items() if known is event)


def state_data(state: JobState) -> bytes:
    """What an event says about a move."""
    return b'{"state":"%s"}' % state.value.encode()


class PostgresStore:
    """A Store in the schema `service` of a migrated database."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._idle: queue.SimpleQueue[psycopg.Connection[Any]] = queue.SimpleQueue()
        self._owner: psycopg.Connection[Any] | None = None
        self._owning = threading.Lock()  # for the connection of the owner
        self._failure: tuple[float, Exception] | None = None  # when the right could last not be taken, and why
        self.term = 0

    def own(self) -> None:
        """Become the one service of this database. Raises ServiceRuns, NotMigrated or DatabaseAway."""
        with self._owned() as owner:
            try:
                owner.execute(_statement("count_jobs"))
            except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege) as error:
                raise NotMigrated(problem=_words(error)) from None

    @contextlib.contextmanager
    def _owned(self) -> Iterator[psycopg.Connection[Any]]:
        """The connection that has the right to this database, for one thread at a time."""
        asked = time.monotonic()
        with self._owning, _translated():
            if self._failure is not None and self._failure[0] > asked:
                raise self._failure[1]  # whoever waited for that try need not wait for another one
            try:
                owner = self._taken()
            except (psycopg.Error, ServiceRuns) as error:
                self._failure = time.monotonic(), error
                raise
            yield owner

    def _taken(self) -> psycopg.Connection[Any]:
        """The connection that has the right, made anew if the server has closed it."""
        if self._owner is not None:
            if not _is_spoken_to(self._owner):
                return self._owner
            with contextlib.suppress(psycopg.OperationalError):  # it may be a mere notice
                self._owner.execute(_statement("ping"))
                return self._owner
            self._owner.close()
            self._owner = None
        owner = self._connect()
        try:
            row = owner.execute(_statement("own_service")).fetchone()
            if row is None or not row[0]:
                raise ServiceRuns
        except BaseException:
            owner.close()
            raise
        self._owner = owner
        self.term += 1
        return owner

    def close(self) -> None:
        """Close every connection; a later call opens new ones."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()
        if self._owner is not None:
            self._owner.close()
            self._owner = None

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self._dsn,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT,
            application_name="stella serve",
            options=f"-c statement_timeout={STATEMENT_TIMEOUT}",
            tcp_user_timeout=STATEMENT_TIMEOUT,  # a server that vanished says nothing
        )

    @contextlib.contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        with _translated():
            connection = self._kept() or self._fresh()
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            if self._idle.qsize() < IDLE:
                self._idle.put(connection)
            else:
                connection.close()

    def _kept(self) -> psycopg.Connection[Any] | None:
        """A kept connection that is still good."""
        with contextlib.suppress(queue.Empty):
            while True:
                connection = self._idle.get_nowait()
                if not _is_spoken_to(connection):
                    return connection
                connection.close()
        return None

    def _fresh(self) -> psycopg.Connection[Any]:
        with self._owned():
            return self._connect()

    def _rows(self, name: str, values: Mapping[str, Any], row: Any = tuple_row) -> list[Any]:
        """The rows of a statement, each statement being one transaction."""
        with self._connection() as connection, connection.cursor(row_factory=row) as cursor:
            cursor.execute(_statement(name), values, prepare=True)
            return cursor.fetchall() if cursor.description else []

    def _rows_of_owner(self, name: str, values: Mapping[str, Any], row: Any = tuple_row) -> list[Any]:
        """The same, on the connection that has the right to move jobs."""
        with self._owned() as connection, connection.cursor(row_factory=row) as cursor:
            cursor.execute(_statement(name), values, prepare=True)
            return cursor.fetchall() if cursor.description else []

    def _one(self, name: str, values: Mapping[str, Any], row: Any = tuple_row) -> Any:
        return next(iter(self._rows(name, values, row)), None)

    def ping(self) -> None:
        self._one("ping", {})

    def submit(self, job: NewJob, limit: int) -> Job | None:
        values = msgspec.structs.asdict(job) | {"limit": limit, "data": state_data(JobState.QUEUED)}
        if self._one("submit_job", values) is not None:
            return self.find_job(job.id)
        return self._one("find_job_by_key", values, _jobs) if job.key is not None else None

    def find_job(self, job_id: str) -> Job | None:
        return self._one("find_job", {"id": job_id}, _jobs) if _is_uuid(job_id) else None

    def list_jobs(self, state: JobState | None, operation: str | None, before: int | None, limit: int) -> list[Job]:
        values = {"state": state, "operation": operation, "before": before or NEWEST, "limit": limit}
        return self._rows("list_jobs", values, _jobs)

    def claim(self, busy: Collection[str], now: int) -> Job | None:
        values = {"busy": list(busy), "now": now, "data": state_data(JobState.RUNNING)}
        job: Job | None = next(iter(self._rows_of_owner("claim_job", values, _jobs)), None)
        return job

    def move(
        self, job_id: str, event: JobEvent, now: int, outcome: Outcome | None = None, *, refund: bool = False
    ) -> bool:
        state = target(event)
        values = {
            "id": job_id,
            "state": state.value,
            "sources": sources(event),
            "now": now,
            "finished": None if state is JobState.QUEUED else now,
            "status": outcome and outcome.status,
            "outcome": outcome and outcome.body,
            "refund": int(refund),
            "data": state_data(state),
        }
        return bool(self._rows_of_owner("move_job", values))

    def mark_cancelling(self, job_id: str) -> None:
        self._rows("mark_cancelling", {"id": job_id})

    def running(self) -> list[Job]:
        return self._rows_of_owner("running_jobs", {}, _jobs)

    def add_event(self, job_id: str, kind: str, data: bytes, now: int) -> int:
        row = self._one("add_event", {"id": job_id, "kind": kind, "data": data, "now": now})
        return int(row[0]) if row else 0

    def events_after(self, job_id: str, after: int, limit: int) -> list[Event]:
        return self._rows("events_after", {"id": job_id, "after": after, "limit": limit}, class_row(Event))

    def count_jobs(self) -> dict[str, int]:
        return dict(self._rows("count_jobs", {}))

    def begin_answer(self, key: Key, digest: str, now: int) -> Answered | None:
        values = key._asdict() | {"digest": digest, "now": now}
        while self._one("begin_answer", values) is None:
            found: Answered | None = self._one("find_answer", values, class_row(Answered))
            if found is not None:  # else it was given back between the two statements
                return found
        return None

    def resume_answer(self, key: Key, now: int) -> bool:
        return self._one("resume_answer", key._asdict() | {"now": now}) is not None

    def keep_answer(self, key: Key, status: int, location: str, body: bytes, now: int) -> None:
        values = {"status": status, "location": location, "body": body, "now": now}
        self._rows("keep_answer", key._asdict() | values)

    def forget_answer(self, key: Key) -> None:
        self._rows("forget_answer", key._asdict())

    def interrupt_answers(self) -> None:
        self._rows_of_owner("interrupt_answers", {})

    def add_upload(self, upload: Upload, limit: int) -> bool:
        return self._one("add_upload", msgspec.structs.asdict(upload) | {"limit": limit}) is not None

    def find_upload(self, upload_id: str) -> Upload | None:
        return self._one("find_upload", {"id": upload_id}, _uploads) if _is_uuid(upload_id) else None

    def move_upload(self, upload_id: str, offset: int, state: UploadState, now: int) -> None:
        self._rows("move_upload", {"id": upload_id, "offset": offset, "state": state.value, "now": now})

    def stale_uploads(self, before: int) -> list[Upload]:
        return self._rows("stale_uploads", {"before": before}, _uploads)

    def remove_upload(self, upload_id: str) -> None:
        self._rows("remove_upload", {"id": upload_id})

    def forget(self, jobs_before: int, answers_before: int) -> None:
        self._rows("forget_jobs", {"before": jobs_before})
        self._rows("forget_answers", {"before": answers_before})


def _statement(name: str) -> Any:
    return statements("stella.http")[name].sql


def _jobs(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], Job]:
    return kwargs_row(lambda **values: Job(**values | {"state": JobState(values["state"])}))(cursor)


def _uploads(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], Upload]:
    return kwargs_row(lambda **values: Upload(**values | {"state": UploadState(values["state"])}))(cursor)


def _is_uuid(text: str) -> bool:
    """Whether it is an id in its one spelling; another text cannot name anything, and PostgreSQL would refuse it."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _is_spoken_to(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server has something to say that nobody asked for: nearly always that the connection ends."""
    return connection.closed or bool(select.select([connection.fileno()], [], [], 0)[0])


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        if isinstance(error, psycopg.OperationalError) or (error.sqlstate or "").startswith(UNAVAILABLE):
            raise DatabaseAway(problem=_words(error)) from None
        raise


def _words(error: psycopg.Error) -> str:
    """The first line of what PostgreSQL says; it names no password."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
