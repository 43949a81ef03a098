"""The twin of the service's Store: what a database keeps, in dictionaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from threading import RLock

from msgspec.structs import asdict, replace

from stella.http.errors import DatabaseAway
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
)
from stella.http.store import Bound, Key, Load, Outcome, Place, Queue
from stella.identity.model import State
from stella.kernel.errors import IllegalMove

Id = tuple[str, str]  # of a tenant, and its own


def of(row: Job | NewJob | Upload) -> Id:
    """Under which id a row is kept."""
    return row.tenant, row.id


class MemoryStore:
    """A Store that lives as long as the object. `away` makes every call fail as a database that is gone."""

    def __init__(self) -> None:
        self.away = False
        self.term = 1
        self.jobs: dict[Id, Job] = {}
        self.events: dict[Id, list[Event]] = {}
        self.answers: dict[Key, tuple[Answered, int]] = {}
        self.uploads: dict[Id, Upload] = {}
        self.stops: dict[str, State] = {}  # tenants that are not active
        self._lock = RLock()

    @contextmanager
    def _there(self) -> Iterator[None]:
        if self.away:
            raise DatabaseAway(problem="switched off")
        with self._lock:
            yield

    def ping(self) -> None:
        with self._there():
            pass

    def _tell(self, job_id: Id, kind: str, data: bytes, now: int) -> int:
        told = self.events.setdefault(job_id, [])
        told.append(Event(number=len(told) + 1, at=now, kind=kind, data=data))
        return len(told)

    def _state(self, job: Job, now: int) -> Job:
        self.jobs[of(job)] = job
        self._tell(of(job), "state", b'{"state":"%s"}' % job.state.value.encode(), now)
        return job

    def submit(self, job: NewJob, limit: Bound, queue: Queue | None = None) -> Job | None:
        with self._there():
            for known in self.jobs.values():
                key = (known.tenant, known.principal, known.operation, known.key)
                if job.key is not None and key == (job.tenant, job.principal, job.operation, job.key):
                    return known
            waiting = [known.tenant for known in self.jobs.values() if known.state is JobState.QUEUED]
            if len(waiting) >= limit.all or waiting.count(job.tenant) >= limit.each:
                return None
            mine = [
                known for known in self.jobs.values() if known.tenant == job.tenant and known.state is JobState.QUEUED
            ]
            if queue and sum(known.operation in queue.operations for known in mine) >= queue.depth:
                return None
            rest = {"started": None, "finished": None, "status": None, "outcome": None, "cancelling": False}
            made = Job(state=JobState.QUEUED, attempt=0, **rest, **asdict(job))  # type: ignore[arg-type]
            return self._state(made, job.created)

    def find_job(self, tenant: str, job_id: str) -> Job | None:
        with self._there():
            return self.jobs.get((tenant, job_id))

    def list_jobs(
        self, tenant: str, state: JobState | None, operation: str | None, before: str | None, limit: int
    ) -> list[Job]:
        with self._there():
            found = [
                replace(job, request=b"", outcome=None)
                for job in self.jobs.values()
                if job.tenant == tenant
                and state in {None, job.state}
                and operation in {None, job.operation}
                and (before is None or job.id < before)
            ]
            return sorted(found, key=lambda job: job.id, reverse=True)[:limit]

    def withdraw(self, tenant: str, job_id: str, now: int, outcome: Outcome) -> bool:
        return self.move(tenant, job_id, JobEvent.WITHDRAW, now, outcome)

    def claim(self, working: Collection[Place], now: int, full: Collection[tuple[str, str]] = ()) -> Job | None:
        with self._there():
            tenants = [place.tenant for place in working]
            for job in sorted(self.jobs.values(), key=lambda job: (tenants.count(job.tenant), job.id)):
                free = not job.folder or Place(job.tenant, job.folder) not in working
                free = free and (job.tenant, job.operation) not in full
                if job.state is JobState.QUEUED and free and job.tenant not in self.stops:
                    return self._state(replace(job, state=JobState.RUNNING, attempt=job.attempt + 1, started=now), now)
            return None

    def stopped(self, tenants: Collection[str]) -> dict[str, State]:
        with self._there():
            return {tenant: state for tenant, state in self.stops.items() if tenant in tenants}

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
        with self._there():
            job = self.jobs.get((tenant, job_id))
            try:
                state = JOB.move(job.state, event) if job else None
            except IllegalMove:
                return False
            if job is None or state is None:
                return False
            self._state(
                replace(
                    job,
                    state=state,
                    attempt=job.attempt - refund,
                    finished=None if state is JobState.QUEUED else now,
                    status=outcome and outcome.status,
                    outcome=outcome and outcome.body,
                ),
                now,
            )
            return True

    def mark_cancelling(self, tenant: str, job_id: str) -> None:
        with self._there():
            job = self.jobs.get((tenant, job_id))
            if job is not None and job.state is JobState.RUNNING:
                self.jobs[of(job)] = replace(job, cancelling=True)

    def running(self) -> list[Job]:
        with self._there():
            found = [job for job in self.jobs.values() if job.state is JobState.RUNNING]
            return sorted(found, key=lambda job: job.id)

    def add_event(self, tenant: str, job_id: str, kind: str, data: bytes, now: int) -> int:
        with self._there():
            job = self.jobs.get((tenant, job_id))
            return self._tell(of(job), kind, data, now) if job and job.state is JobState.RUNNING else 0

    def events_after(self, tenant: str, job_id: str, after: int, limit: int) -> list[Event]:
        with self._there():
            return [event for event in self.events.get((tenant, job_id), []) if event.number > after][:limit]

    def count_jobs(self) -> list[Load]:
        with self._there():
            states = Counter((job.tenant, job.state.value, job.operation) for job in self.jobs.values())
            return [
                Load(tenant, state, jobs, operation)
                for (tenant, state, operation), jobs in states.items()
                if state in {"queued", "running"}
            ]

    def begin_answer(self, key: Key, digest: str, now: int) -> Answered | None:
        with self._there():
            if key in self.answers:
                return self.answers[key][0]
            self.answers[key] = (Answered(digest=digest, state="running"), now)
            return None

    def resume_answer(self, key: Key, now: int) -> bool:
        with self._there():
            kept = self.answers.get(key)
            if kept is None or kept[0].state != "interrupted":
                return False
            self.answers[key] = (replace(kept[0], state="running"), now)
            return True

    def keep_answer(self, key: Key, status: int, location: str, body: bytes, now: int) -> None:
        with self._there():
            kept, _ = self.answers[key]
            kept = replace(kept, state="answered", status=status, location=location, body=body)
            self.answers[key] = (kept, now)

    def forget_answer(self, key: Key) -> None:
        with self._there():
            self.answers.pop(key, None)

    def interrupt_answers(self) -> None:
        with self._there():
            for key, (kept, now) in self.answers.items():
                if kept.state == "running":
                    self.answers[key] = (replace(kept, state="interrupted"), now)

    def add_upload(self, upload: Upload, limit: Bound) -> bool:
        with self._there():
            opened = [known.tenant for known in self.uploads.values() if known.state is UploadState.OPEN]
            if len(opened) >= limit.all or opened.count(upload.tenant) >= limit.each:
                return False
            self.uploads[of(upload)] = upload
            return True

    def find_upload(self, tenant: str, upload_id: str) -> Upload | None:
        with self._there():
            return self.uploads.get((tenant, upload_id))

    def move_upload(self, tenant: str, upload_id: str, offset: int, state: UploadState, now: int) -> None:
        with self._there():
            found = self.uploads.get((tenant, upload_id))
            if found is not None:
                self.uploads[of(found)] = replace(found, offset=offset, state=state, changed=now)

    def stale_uploads(self, before: int) -> list[Upload]:
        with self._there():
            known = self.uploads.values()
            return [upload for upload in known if upload.state is UploadState.OPEN and upload.changed < before]

    def remove_upload(self, tenant: str, upload_id: str) -> None:
        with self._there():
            self.uploads.pop((tenant, upload_id), None)

    def forget(self, jobs_before: int, answers_before: int) -> None:
        with self._there():
            for job in list(self.jobs.values()):
                if job.finished is not None and job.finished < jobs_before:
                    del self.jobs[of(job)], self.events[of(job)]
            self.answers = {key: kept for key, kept in self.answers.items() if kept[1] >= answers_before}
