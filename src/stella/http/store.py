"""What the service needs kept over restarts, as a Protocol.

`postgres` has the adapter, `stella.testing` the twin.

Rules:
- Every method is one transaction. What it returned without an exception survives the end of the process.
- Methods block: the service calls them from threads. They raise DatabaseAway when there is no answer, and ServiceRuns
  when another service has come to own the store.
- Times are seconds since 1970 and come from the caller.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Protocol

from stella.http.model import Answered, Event, Job, JobEvent, JobState, NewJob, Upload, UploadState


class Key(NamedTuple):
    """What an Idempotency-Key is one of."""

    principal: str
    operation: str
    key: str


class Outcome(NamedTuple):
    """How a job ended: the HTTP status that a direct answer would have had, and its body."""

    status: int
    body: bytes


class Store(Protocol):
    """Jobs, answers and uploads.

    `term` grows each time that the right to the store is taken: it may be lost, and another service have it in between.
    """

    @property
    def term(self) -> int: ...

    def ping(self) -> None:
        """Raise DatabaseAway unless the store answers."""
        ...

    def submit(self, job: NewJob, limit: int) -> Job | None:
        """Queue a job; the earlier one when its key is taken; None when `limit` jobs wait already."""
        ...

    def find_job(self, job_id: str) -> Job | None: ...

    def list_jobs(self, state: JobState | None, operation: str | None, before: int | None, limit: int) -> list[Job]:
        """Jobs with a lower number than `before`, newest first, without requests and outcomes."""
        ...

    def claim(self, busy: Collection[str], now: int) -> Job | None:
        """Start the oldest waiting job that needs none of the busy folders."""
        ...

    def move(
        self, job_id: str, event: JobEvent, now: int, outcome: Outcome | None = None, *, refund: bool = False
    ) -> bool:
        """Move a job; False when its state does not allow that. `refund` takes the attempt back."""
        ...

    def mark_cancelling(self, job_id: str) -> None: ...

    def running(self) -> list[Job]: ...

    def add_event(self, job_id: str, kind: str, data: bytes, now: int) -> int:
        """Keep an event of a running job; its number, or 0 when the job does not run."""
        ...

    def events_after(self, job_id: str, after: int, limit: int) -> list[Event]: ...

    def count_jobs(self) -> dict[str, int]:
        """How many jobs are queued and running, by state."""
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

    def add_upload(self, upload: Upload, limit: int) -> bool:
        """Keep a new upload; False when `limit` are open."""
        ...

    def find_upload(self, upload_id: str) -> Upload | None: ...

    def move_upload(self, upload_id: str, offset: int, state: UploadState, now: int) -> None: ...

    def stale_uploads(self, before: int) -> list[Upload]:
        """Uploads that were left open since before a time."""
        ...

    def remove_upload(self, upload_id: str) -> None: ...

    def forget(self, jobs_before: int, answers_before: int) -> None:
        """Remove jobs that ended, and answers that were given, before these times."""
        ...
