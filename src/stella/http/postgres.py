"""The Store over PostgreSQL.

Rules:
- What is done for a tenant is done in a transaction of that tenant. What spans tenants goes through the role that has
  the duty of jobs.
- Jobs are started and ended on the connection that has the right to the database (`right`), so nobody does that without
  it; and no other connection is made without it.
"""

# stella: allow-file STL001, STL002 until 2027-11-30: statements of the duty of jobs, on the connection with the right

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Collection, Iterator
from typing import Any

import msgspec
import psycopg
from psycopg.conninfo import make_conninfo

from stella.http.errors import DatabaseAway, NotMigrated
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
from stella.http.right import Right
from stella.http.store import Bound, Key, Load, Outcome, Place, Queue
from stella.identity.model import State
from stella.runtime.connections import Connections
from stella.runtime.errors import DatabaseAbsent, DatabaseDenied, DatabaseUnavailable, StatementRefused
from stella.runtime.postgres import Connection, Login, keepable
from stella.runtime.roles import JOBS
from stella.runtime.statements import statements
from stella.runtime.transaction import Duty, Row, TenantDatabase

PACKAGE = "stella.http"
CONNECT_TIMEOUT = 5  # seconds
STATEMENT_TIMEOUT = 10_000  # milliseconds; every statement is a look-up or one row
TOOK_TOO_LONG = "57014"  # query_canceled
APPLICATION = "stella serve"


def target(event: JobEvent) -> JobState:
    """The state that an event leads to."""
    return next(state for (_, known), state in JOB.moves.items() if known is event)


def state_data(state: JobState) -> bytes:
    """What an event says about a move."""
    return b'{"state":"%s"}' % state.value.encode()


def impatient(into: Login) -> Login:
    """The same login for look-ups, which give up soon: also on a server that vanished, which says nothing."""
    limits = {"connect_timeout": CONNECT_TIMEOUT, "tcp_user_timeout": STATEMENT_TIMEOUT}
    return into._replace(dsn=make_conninfo(into.dsn, **limits))


def connections(into: Login, right: Right | None = None) -> Connections:
    """Connections for the store; without a right to ask for they are what the right itself is taken with."""
    permit = right.held if right else contextlib.nullcontext
    return Connections(impatient(into), APPLICATION, permit=permit, statement_timeout=str(STATEMENT_TIMEOUT))


class PostgresStore:
    """A Store in the schema `service` of a migrated database.

    `tenants` and `jobs`, the connections of the role stella_jobs, ask `right` for their permit.
    """

    def __init__(self, tenants: TenantDatabase, jobs: Connections, right: Right) -> None:
        self._tenants = tenants
        self._jobs = Duty(jobs, JOBS)
        self._right = right

    @property
    def term(self) -> int:
        return self._right.term

    def own(self) -> None:
        """Become the one service of this database. Raises ServiceRuns, NotMigrated, or as `postgres.connect`."""
        with self._right.held() as owner:
            try:
                owner.execute(statements(PACKAGE)["count_jobs"].sql)
            except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege) as error:
                raise NotMigrated(problem=(str(error).strip() or type(error).__name__).splitlines()[0]) from None

    def close(self) -> None:
        """Close every connection; a later call opens new ones."""
        self._tenants.close()
        self._jobs.close()
        self._right.close()

    def _all(self, tenant: str, name: str, **values: Any) -> list[Row]:
        """The rows of a statement of a tenant, in a transaction of its own."""
        with _answering(), self._tenants.transaction(tenant) as opened:
            return opened.all(PACKAGE, name, **values)

    def _one(self, tenant: str, name: str, **values: Any) -> Row | None:
        return next(iter(self._all(tenant, name, **values)), None)

    def _duty(self, name: str, **values: Any) -> list[Row]:
        """The rows of a statement that spans tenants."""
        with _answering():
            return self._jobs.all(PACKAGE, name, **values)

    def _as_owner(self, name: str, **values: Any) -> list[Row]:
        """The same, on the connection that has the right to move jobs."""
        with _answering(), self._right.held() as connection:
            return _sent(connection, name, values)

    def ping(self) -> None:
        self._duty("ping")

    def submit(self, job: NewJob, limit: Bound, queue: Queue | None = None) -> Job | None:
        lane, depth = (list(queue.operations), queue.depth) if queue else ([], 1)
        values = msgspec.structs.asdict(job) | {"limit": limit.each, "data": state_data(JobState.QUEUED)}
        values |= {"lane": lane, "depth": depth}
        full = self._duty("waiting_jobs", limit=limit.all)[0][0] >= limit.all
        with _answering(), self._tenants.transaction(job.tenant) as opened:
            row = None if full else opened.one(PACKAGE, "submit_job", **values)
            if row is None and job.key is not None:
                row = opened.one(PACKAGE, "find_job_by_key", **values)
        return _job(row) if row else None

    def find_job(self, tenant: str, job_id: str) -> Job | None:
        row = self._one(tenant, "find_job", id=job_id) if _is_uuid(job_id) else None
        return _job(row) if row else None

    def list_jobs(
        self, tenant: str, state: JobState | None, operation: str | None, before: str | None, limit: int
    ) -> list[Job]:
        values = {"state": state, "operation": operation, "before": before, "limit": limit}
        return [_job(row) for row in self._all(tenant, "list_jobs", **values)]

    def withdraw(self, tenant: str, job_id: str, now: int, outcome: Outcome) -> bool:
        values = {"now": now, "data": state_data(JobState.CANCELLED), "status": outcome.status, "outcome": outcome.body}
        return self._one(tenant, "withdraw_job", id=job_id, **values) is not None

    def mark_cancelling(self, tenant: str, job_id: str) -> None:
        self._all(tenant, "mark_cancelling", id=job_id)

    def events_after(self, tenant: str, job_id: str, after: int, limit: int) -> list[Event]:
        rows = self._all(tenant, "events_after", id=job_id, after=after, limit=limit)
        return [Event(number=number, at=at, kind=kind, data=data) for number, at, kind, data in rows]

    def claim(self, working: Collection[Place], now: int, full: Collection[tuple[str, str]] = ()) -> Job | None:
        busy = [f"{place.tenant}/{place.folder}" for place in working if place.folder]
        values = {"busy": busy, "working": [place.tenant for place in working], "full": ["/".join(one) for one in full]}
        rows = self._as_owner("claim_job", now=now, data=state_data(JobState.RUNNING), **values)
        return _job(rows[0]) if rows else None

    def stopped(self, tenants: Collection[str]) -> dict[str, State]:
        rows = self._duty("stopped_tenants", tenants=list(tenants))
        return {tenant: State(state) for tenant, state in rows}

    def move(
        self,
        tenant: str,
        job_id: str,
        event: JobEvent,
        now: int,
        outcome: Outcome | None = None,
        *,
        refund: bool = False,
    ) -> bool:
        state = target(event)
        values = {
            "tenant": tenant,
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
        return bool(self._as_owner("move_job", **values))

    def running(self) -> list[Job]:
        return [_job(row) for row in self._as_owner("running_jobs")]

    def add_event(self, tenant: str, job_id: str, kind: str, data: bytes, now: int) -> int:
        rows = self._duty("add_event", tenant=tenant, id=job_id, kind=kind, data=data, now=now)
        return int(rows[0][0]) if rows else 0

    def count_jobs(self) -> list[Load]:
        return [Load(*row) for row in self._duty("count_jobs")]

    def begin_answer(self, key: Key, digest: str, now: int) -> Answered | None:
        values = key._asdict() | {"digest": digest, "now": now}
        while self._one(key.tenant, "begin_answer", **_others(values)) is None:
            row = self._one(key.tenant, "find_answer", **_others(values))
            if row is not None:  # else it was given back between the two statements
                return Answered(**dict(zip(Answered.__struct_fields__, row, strict=True)))
        return None

    def resume_answer(self, key: Key, now: int) -> bool:
        return self._one(key.tenant, "resume_answer", now=now, **_others(key._asdict())) is not None

    def keep_answer(self, key: Key, status: int, location: str, body: bytes, now: int) -> None:
        values = {"status": status, "location": location, "body": body, "now": now}
        self._all(key.tenant, "keep_answer", **values, **_others(key._asdict()))

    def forget_answer(self, key: Key) -> None:
        self._all(key.tenant, "forget_answer", **_others(key._asdict()))

    def interrupt_answers(self) -> None:
        self._as_owner("interrupt_answers")

    def add_upload(self, upload: Upload, limit: Bound) -> bool:
        values = _others(msgspec.structs.asdict(upload)) | {"limit": limit.each}
        if self._duty("open_uploads", limit=limit.all)[0][0] >= limit.all:
            return False
        return self._one(upload.tenant, "add_upload", file=values.pop("name"), **values) is not None

    def find_upload(self, tenant: str, upload_id: str) -> Upload | None:
        row = self._one(tenant, "find_upload", id=upload_id) if _is_uuid(upload_id) else None
        return _upload(row) if row else None

    def move_upload(self, tenant: str, upload_id: str, offset: int, state: UploadState, now: int) -> None:
        self._all(tenant, "move_upload", id=upload_id, offset=offset, state=state.value, now=now)

    def remove_upload(self, tenant: str, upload_id: str) -> None:
        self._all(tenant, "remove_upload", id=upload_id)

    def stale_uploads(self, before: int) -> list[Upload]:
        return [_upload(row) for row in self._duty("stale_uploads", before=before)]

    def forget(self, jobs_before: int, answers_before: int) -> None:
        self._duty("forget_jobs", before=jobs_before)
        self._duty("forget_answers", before=answers_before)


def _sent(connection: Connection, name: str, values: dict[str, Any]) -> list[Row]:
    cursor = connection.execute(statements(PACKAGE)[name].sql, keepable(values), prepare=True)
    return cursor.fetchall() if cursor.description else []


def _others(values: dict[str, Any]) -> dict[str, Any]:
    """The values without the tenant, which the transaction adds."""
    return {name: value for name, value in values.items() if name != "tenant"}


def _job(row: Row) -> Job:
    values = dict(zip(Job.__struct_fields__, row, strict=True))
    return Job(**values | {"state": JobState(values["state"])})


def _upload(row: Row) -> Upload:
    values = dict(zip(Upload.__struct_fields__, row, strict=True))
    return Upload(**values | {"state": UploadState(values["state"])})


def _is_uuid(text: str) -> bool:
    """Whether it is an id in its one spelling; another text cannot name anything, and PostgreSQL would refuse it."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Whatever keeps the service from its database is no fault of whoever asks."""
    try:
        yield
    except (DatabaseUnavailable, DatabaseDenied, DatabaseAbsent) as error:
        raise DatabaseAway(problem=error.facts["problem"]) from None
    except StatementRefused as error:
        if error.facts["state"] != TOOK_TOO_LONG:
            raise
        raise DatabaseAway(problem=error.facts["problem"]) from None
