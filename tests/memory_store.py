"""The twin of the service's Store: what a database keeps, in dictionaries."""

from __future__ import annotations

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
from stella.http.store import Key, Outcome
from stella.kernel.errors import IllegalMove


class MemoryStore:
    """A Store that lives as long as the object. `away` makes every call fail as a database that is gone."""

    def __init__(self) -> None:
        self.away = False
        self.term = 1
        self.jobs: dict[str, Job] = {}
        self.events: dict[str, list[Event]] = {}
        self.answers: dict[Key, tuple[Answered, int]] = {}
        self.uploads: dict[str, Upload] = {}
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

    def _tell(self, job_id: str, kind: str, data: bytes, now: int) -> int:
        told = self.events.setdefault(job_id, [])
        told.append(Event(number=len(told) + 1, at=now, kind=kind, data=data))
        return len(told)

    def _state(self, job: Job, now: int) -> Job:
        self.jobs[job.id] = job
        self._tell(job.id, "state", b'{"state":"%s"}' % job.state.value.encode(), now)
        return job

    def submit(self, job: NewJob, limit: int) -> Job | None:
        with self._there():
            for known in self.jobs.values():
                key = (known.principal, known.operation, known.key)
                if job.key is not None and key == (job.principal, job.operation, job.key):
                    return known
            if self.count_jobs().get("queued", 0) >= limit:
                return None
            number = 1 + max((known.number for known in self.jobs.values()), default=0)
            rest = {"started": None, "finished": None, "status": None, "outcome": None, "cancelling": False}
            made = Job(number=number, state=JobState.QUEUED, attempt=0, **rest, **asdict(job))  # type: ignore[arg-type]
            return self._state(made, job.created)

    def find_job(self, job_id: str) -> Job | None:
        with self._there():
            return self.jobs.get(job_id)

    def list_jobs(self, state: JobState | None, operation: str | None, before: int | None, limit: int) -> list[Job]:
        with self._there():
            found = [
                replace(job, request=b"", outcome=None)
                for job in self.jobs.values()
                if state in {None, job.state}
                and operation in {None, job.operation}
                and (before is None or job.number < before)
            ]
            return sorted(found, key=lambda job: -job.number)[:limit]

    def claim(self, busy: Collection[str], now: int) -> Job | None:
        with self._there():
            for job in sorted(self.jobs.values(), key=lambda job: job.number):
                if job.state is JobState.QUEUED and job.folder not in busy:
                    return self._state(replace(job, state=JobState.RUNNING, attempt=job.attempt + 1, started=now), now)
            return None

    def move(
        self, job_id: str, event: JobEvent, now: int, outcome: Outcome | None = None, *, refund: bool = False
    ) -> bool:
        with self._there():
            job = self.jobs.get(job_id)
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

    def mark_cancelling(self, job_id: str) -> None:
        with self._there():
            job = self.jobs.get(job_id)
            if job is not None and job.state is JobState.RUNNING:
                self.jobs[job_id] = replace(job, cancelling=True)

    def running(self) -> list[Job]:
        with self._there():
            found = [job for job in self.jobs.values() if job.state is JobState.RUNNING]
            return sorted(found, key=lambda job: job.number)

    def add_event(self, job_id: str, kind: str, data: bytes, now: int) -> int:
        with self._there():
            job = self.jobs.get(job_id)
            return self._tell(job_id, kind, data, now) if job and job.state is JobState.RUNNING else 0

    def events_after(self, job_id: str, after: int, limit: int) -> list[Event]:
        with self._there():
            return [event for event in self.events.get(job_id, []) if event.number > after][:limit]

    def count_jobs(self) -> dict[str, int]:
        with self._there():
            states = [job.state.value for job in self.jobs.values()]
            return {state: states.count(state) for state in ("queued", "running") if state in states}

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

    def add_upload(self, upload: Upload, limit: int) -> bool:
        with self._there():
            if sum(known.state is UploadState.OPEN for known in self.uploads.values()) >= limit:
                return False
            self.uploads[upload.id] = upload
            return True

    def find_upload(self, upload_id: str) -> Upload | None:
        with self._there():
            return self.uploads.get(upload_id)

    def move_upload(self, upload_id: str, offset: int, state: UploadState, now: int) -> None:
        with self._there():
            self.uploads[upload_id] = replace(self.uploads[upload_id], offset=offset, state=state, changed=now)

    def stale_uploads(self, before: int) -> list[Upload]:
        with self._there():
            known = self.uploads.values()
            return [upload for upload in known if upload.state is UploadState.OPEN and upload.changed < before]

    def remove_upload(self, upload_id: str) -> None:
        with self._there():
            self.uploads.pop(upload_id, None)

    def forget(self, jobs_before: int, answers_before: int) -> None:
        with self._there():
            for job in list(self.jobs.values()):
                if job.finished is not None and job.finished < jobs_before:
                    del self.jobs[job.id], self.events[job.id]
            self.answers = {key: kept for key, kept in self.answers.items() if kept[1] >= answers_before}
