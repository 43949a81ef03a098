"""What the service needs kept over restarts, as a Protocol.

`postgres` has the adapter, `stella.testing` the twin.

Rules:
- What is done for somebody names the tenant, and sees and changes nothing of another one. What the runner, the sweeps
  and the figures do spans tenants, and tells nobody who asks.
- Every method is one transaction. What it returned without an exception survives the end of the process.
- Methods block: the service calls them from threads. They raise DatabaseAway when there is no answer, and ServiceRuns
  when another service has come to own the store.
- Times are seconds since 1970 and come from the caller.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Protocol

from stella.http.model import Answered, Event, Job, JobEvent, JobState, NewJob, Upload, UploadState
from stella.identity.model import State


class Key(NamedTuple):
    """What an Idempotency-Key is one of."""

    tenant: str
    principal: str
    operation: str
    key: str


class Outcome(NamedTuple):
    """How a job ended: the HTTP status that a direct answer would have had, and its body."""

    status: int
    body: bytes


class Bound(NamedTuple):
    """How many there may be: of one tenant, and of all together."""

    each: int
    all: int


class Place(NamedTuple):
    """The folder of a tenant that a job works in; an empty one is none."""

    tenant: str
    folder: str


class Load(NamedTuple):
    """How many jobs of a tenant are in a state."""

    tenant: str
    state: str
    jobs: int
    operation: str = ""


class Queue(NamedTuple):
    """The queue of a tenant that some operations share, and how many jobs may wait in it."""

    operations: tuple[str, ...]
    depth: int


class Store(Protocol):
    """Jobs, answers and uploads.

    `term` grows each time that the right to the store is taken: it may be lost, and another service have it in between.
    """

    @property
    def term(self) -> int: ...

    def ping(self) -> None:
        """Raise DatabaseAway unless the store answers."""
        ...

    def submit(self, job: NewJob, limit: Bound, queue: Queue | None = None) -> Job | None:
        """Queue a job; the earlier one when its key is taken; None when too many wait, in all or in its queue."""
        ...

    def find_job(self, tenant: str, job_id: str) -> Job | None: ...

    def list_jobs(
        self, tenant: str, state: JobState | None, operation: str | None, before: str | None, limit: int
    ) -> list[Job]:
        """Jobs whose ids sort before `before`, newest first, without requests and outcomes."""
        ...

    def withdraw(self, tenant: str, job_id: str, now: int, outcome: Outcome) -> bool:
        """End a job that waits; False when it does not."""
        ...

    def mark_cancelling(self, tenant: str, job_id: str) -> None: ...

    def events_after(self, tenant: str, job_id: str, after: int, limit: int) -> list[Event]: ...

    def claim(self, working: Collection[Place], now: int, full: Collection[tuple[str, str]] = ()) -> Job | None:
        """Start the oldest job, of those tenants with the fewest at work, whose place no other job works in.

        Jobs of a tenant that was suspended or deleted wait.
        """
        ...

    def stopped(self, tenants: Collection[str]) -> dict[str, State]:
        """Those of these tenants that may not work now, and what they are instead of active."""
        ...

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
        """Move a job; False when its state does not allow that. `refund` takes the attempt back."""
        ...

    def running(self) -> list[Job]: ...

    def add_event(self, tenant: str, job_id: str, kind: str, data: bytes, now: int) -> int:
        """Keep an event of a running job; its number, or 0 when the job does not run."""
        ...

    def count_jobs(self) -> list[Load]:
        """How many jobs of each tenant are queued and running; nothing of who has none."""
        ...

    def begin_answer(self, key: Key, digest: str, now: int) -> Answered | None:
        """Claim a key; what is kept under it when it is taken."""
        ...

    def resume_answer(self, key: Key, now: int) -> bool:
        """Take up a key that was interrupted; False when somebody else has."""
        ...

    def keep_answer(self, key: Key, status: int, location: str, body: bytes, now: int) -> None: ...

    def forget_answer(self, key: Key) -> None: ...

    def interrupt_answers(self) -> None:
        """At a start: mark what was being worked on."""
        ...

    def add_upload(self, upload: Upload, limit: Bound) -> bool:
        """Keep a new upload; False when so many are open."""
        ...

    def find_upload(self, tenant: str, upload_id: str) -> Upload | None: ...

    def move_upload(self, tenant: str, upload_id: str, offset: int, state: UploadState, now: int) -> None: ...

    def remove_upload(self, tenant: str, upload_id: str) -> None: ...

    def stale_uploads(self, before: int) -> list[Upload]:
        """Uploads of all tenants that were left open since before a time."""
        ...

    def forget(self, jobs_before: int, answers_before: int) -> None:
        """Remove jobs that ended, and answers that were given, before these times."""
        ...
