"""The resource of jobs.

Rules:
- A job of another tenant is one that is not there. One of somebody else of the tenant wants a scope; see `own`.
- The list goes by keyset and cursor; there are no counts and no offsets. It leaves results out: they may be large.
- A job that has ended has an ETag, and the answer to whoever knows it is 304.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from uuid import UUID

import msgspec

from stella.http.binding import convert, read_query
from stella.http.errors import BadField, DatabaseAway, JobCancelled, JobEnded, JobMissing, ServiceRuns
from stella.http.events import follow
from stella.http.exchange import Answer, Request, Send, answer, tagged
from stella.http.jobs import Runner
from stella.http.model import ENDED, Job, JobShown, JobsListed, ListJobs
from stella.http.own import Own
from stella.http.problem import body_of, status_of
from stella.http.routes import Route, of_table
from stella.http.store import Outcome, Store
from stella.http.table import READ_JOBS, WRITE_JOBS
from stella.kernel.cursor import make_cursor, read_cursor
from stella.kernel.instant import format_time

EVENT_STREAM = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]


class Jobs:
    """The resource of jobs."""

    def __init__(self, store: Store, runner: Runner, own: Own, now: Callable[[], int]) -> None:
        self._store = store
        self._own = own
        self._runner = runner
        self._now = now

    def routes(self) -> list[Route]:
        """Its routes."""
        return of_table(
            {
                "jobs.list": self.list,
                "jobs.show": self.show,
                "jobs.cancel": self.cancel,
                "jobs.events": self.events,
            }
        )

    def shown(self, job: Job) -> JobShown:
        """A job as clients see it."""
        feed = self._runner.feed(job.id)
        outcome = msgspec.Raw(job.outcome) if job.outcome is not None else None
        good = job.status is not None and job.status < 300  # noqa: PLR2004  # the classes of HTTP
        return JobShown(
            id=job.id,
            operation=job.operation,
            state=job.state,
            principal=job.principal,
            attempt=job.attempt,
            cancelling=job.cancelling,
            created=format_time(job.created),
            started=None if job.started is None else format_time(job.started),
            finished=None if job.finished is None else format_time(job.finished),
            progress=feed.reached() if feed is not None else None,
            status=job.status,
            result=outcome if good else None,
            problem=None if good else outcome,
            events=f"/v1/jobs/{job.id}/events",
        )

    async def list(self, request: Request) -> Answer:
        """GET /v1/jobs."""
        want = convert(read_query(request.query), ListJobs, strict=False)
        query = ("jobs", want.state, want.operation)
        before = str(read_cursor(want.cursor, query, tuple[UUID])[0]) if want.cursor is not None else None
        asked = (request.principal.tenant, want.state, want.operation, before, want.limit + 1)
        found = await asyncio.to_thread(self._store.list_jobs, *asked)
        page = found[: want.limit]
        following = make_cursor(query, (page[-1].id,)) if len(found) > want.limit else None
        return answer(JobsListed(jobs=tuple(map(self.shown, page)), next=following))

    async def show(self, request: Request) -> Answer:
        """GET /v1/jobs/{id}."""
        job = await self._find(request)
        shown = answer(self.shown(job))
        return tagged(request, shown) if job.state in ENDED else shown

    async def cancel(self, request: Request) -> Answer:
        """DELETE /v1/jobs/{id}."""
        job = await self._find(request, WRITE_JOBS)
        if job.state in ENDED:
            raise JobEnded(state=job.state.value, id=job.id)
        await asyncio.to_thread(self._cancel, job)
        return answer(self.shown(await self._find(request, WRITE_JOBS)), 202)

    def _cancel(self, job: Job) -> None:
        """End a waiting job at once, and let a running one end; a crash in between must not let it run on."""
        error = JobCancelled()
        outcome = Outcome(status_of(error), body_of(error, job.id))
        if not self._store.withdraw(job.tenant, job.id, self._now(), outcome):
            self._store.mark_cancelling(job.tenant, job.id)
            self._runner.cancel(job.id)

    async def events(self, request: Request) -> Answer:
        """GET /v1/jobs/{id}/events."""
        text = request.header(b"last-event-id") or "0"
        if not (text.isdecimal() and len(text) < 18):  # noqa: PLR2004  # fits a bigint
            raise BadField(what="`Last-Event-ID`", problem="expected the number of an event")
        job = await self._find(request)
        if request.method == "HEAD":
            return Answer(200, b"", [*EVENT_STREAM])

        async def stream(send: Send) -> None:
            gone = asyncio.create_task(request.gone())

            def ends() -> bool:
                return self._runner.stopping or gone.done() or bool(request.stopped(job.tenant))

            frames = follow(self._store, job.tenant, job.id, int(text), self._runner.feed, ends)
            try:
                await send({"type": "http.response.start", "status": 200, "headers": EVENT_STREAM})
                with contextlib.suppress(DatabaseAway, ServiceRuns):  # the client comes back for the rest
                    async for frame in frames:
                        await send({"type": "http.response.body", "body": frame, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            finally:
                gone.cancel()

        return Answer(200, stream=stream)

    async def _find(self, request: Request, scope: str = READ_JOBS) -> Job:
        """The job of a request; raises ScopeMissing for one of others without that scope, then JobMissing."""
        job = await asyncio.to_thread(self._store.find_job, request.principal.tenant, request.values[0])
        self._own.job(request.principal, job, scope)
        if job is None:
            raise JobMissing(id=request.values[0])
        return job
