"""Runs jobs: the long operations, in threads, out of a queue that the store keeps.

Rules:
- What is acknowledged is in the store. A job that was running when the service ended, however it ended, runs again;
  long operations are idempotent. One that was running at several crashes is given up.
- Two jobs of a tenant never work in the same folder at once: the later one waits for its turn.
- A thread stands in the folder of the tenant that it works for.
- No job of a tenant starts that is not active; it waits until the tenant is resumed. A job that runs when its tenant is
  suspended is interrupted and put back into the queue; when the tenant is deleted it is cancelled.
- A stop of the service interrupts running jobs and puts them back into the queue.
- When the store is away the end of a job is reported until it is back; nothing is started meanwhile.
- A service whose store came to belong to another one starts nothing more and reports nothing more: its jobs are the
  other's now.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from stella.audit import tell
from stella.http.errors import DatabaseAway, Failed, JobCancelled, JobGivenUp, ServiceRuns
from stella.http.exchange import encode
from stella.http.feed import Feed, Stop
from stella.http.model import Job, JobEvent, Reached
from stella.http.places import Grounds
from stella.http.problem import body_of, status_of
from stella.http.standing import stand
from stella.http.store import Outcome, Place, Store
from stella.identity.model import State
from stella.kernel.errors import StellaError
from stella.kernel.tenant import DEFAULT_TENANT
from stella.operations import Context, Lane, Operation, Principal
from stella.runtime.errors import DatabaseUnavailable

MAX_ATTEMPTS = 3  # starts of one job; more would let one that kills the service keep it down
POLL = 1.0  # seconds between looks into the queue when nothing wakes the runner
RETRY = 0.5  # seconds between tries to reach a store that is away

Report = Callable[[str, Mapping[str, Any]], None]


class Runner:
    """The jobs of this service. Its coroutines belong to one event loop; `perform` runs in threads of its own."""

    def __init__(
        self,
        store: Store,
        grounds: Grounds,
        operations: Mapping[str, Operation[Any, Any]],
        context: Context,
        limit: int,
        report: Report,
    ) -> None:
        self._store = store
        self._grounds = grounds
        self._operations = operations
        self._context = context
        self._limit = limit
        self._report = report
        self._feeds: dict[str, Feed] = {}
        self._places: dict[str, Place] = {}
        self._lanes: dict[str, tuple[str, str]] = {}  # of jobs that run: their tenant, and the queue they came from
        self._threads: dict[str, threading.Thread] = {}
        self._starting = threading.Lock()  # a thread that is listed has started
        self._wake = asyncio.Event()
        self._cancelled: set[str] = set()
        self._stop = threading.Event()
        self.handed_over = 0

    def feed(self, job_id: str) -> Feed | None:
        """The progress of a job that runs here now."""
        return self._feeds.get(job_id)

    @property
    def running(self) -> int:
        """How many jobs run here now."""
        return len(self._feeds)

    @property
    def stopping(self) -> bool:
        """Whether no job starts any more."""
        return self._stop.is_set()

    def start_no_more(self) -> None:
        """The service is about to stop: what waits stays in the queue, what runs is interrupted."""
        self._stop.set()
        for feed in list(self._feeds.values()):
            feed.stop(cancel=False)
        self.wake()

    def wake(self) -> None:
        """Something was queued."""
        self._wake.set()

    def recover(self) -> None:
        """At a start: put back what was running, and give up what was running too often."""
        left = [job for job in self._store.running() if job.id not in self._feeds]
        stopped = self._store.stopped({job.tenant for job in left})
        for job in left:
            if job.cancelling or _for_good(stopped.get(job.tenant)):
                self._end(job, JobEvent.CANCEL, JobCancelled())
            elif job.attempt >= MAX_ATTEMPTS:
                self._end(job, JobEvent.FAIL, JobGivenUp(attempts=job.attempt))
            else:
                self._store.move(job.tenant, job.id, JobEvent.RETURN, self._now())

    async def run(self) -> None:
        """Start jobs until the task is cancelled or `stop` is called. Raises ServiceRuns."""
        recovered = -1  # the term of the store in which jobs were recovered
        while not self._stop.is_set():
            try:
                term = self._store.term
                if recovered != term:
                    await asyncio.to_thread(self.recover)
                    recovered = term
                await self._heed_stops()
                while len(self._feeds) < self._limit and await self._start_next():
                    pass
            except DatabaseAway as error:
                recovered = -1  # a claim may have been made whose answer was lost
                self._report("database_away", {"problem": error.message})
            except ServiceRuns:
                raise
            except Exception as error:  # noqa: BLE001  # the queue must not stand still because of one surprise
                self._report("failed", {"operation": "jobs", "traceback": trace_of(error)})
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._wake.wait()

    async def _heed_stops(self) -> None:
        """Interrupt what runs for tenants that were suspended or deleted."""
        tenants = {place.tenant for place in list(self._places.values())} - {DEFAULT_TENANT}
        stopped = await asyncio.to_thread(self._store.stopped, tenants) if tenants else {}
        for job_id, place in list(self._places.items()):
            feed = self._feeds.get(job_id)
            if place.tenant in stopped and feed is not None:
                feed.stop(cancel=_for_good(stopped[place.tenant]))

    def works_for(self, tenant: str) -> bool:
        """Whether a job of the tenant runs here now."""
        return any(place.tenant == tenant for place in list(self._places.values()))

    async def _start_next(self) -> bool:
        if self._stop.is_set():
            return False
        job = await asyncio.to_thread(self._store.claim, list(self._places.values()), self._now(), self._full())
        if job is None:
            return False
        feed = Feed(lambda reached: self._keep_task(job, reached))
        self._feeds[job.id], self._places[job.id] = feed, Place(job.tenant, job.folder)
        lane = self._lane(job.operation)
        if lane is not None:
            self._lanes[job.id] = job.tenant, lane.name
        if job.cancelling or job.id in self._cancelled:
            feed.stop(cancel=True)
        if self._stop.is_set():
            feed.stop(cancel=False)
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=self._perform, args=(job, feed, loop), name=f"job-{job.id}", daemon=True)
        with self._starting:
            self._threads[job.id] = thread
            thread.start()
        return True

    def _lane(self, name: str) -> Lane | None:
        operation = self._operations.get(name)
        return operation.lane if operation else None

    def _full(self) -> list[tuple[str, str]]:
        """Tenants and operations of which no more may start now: so many of that queue run already."""
        running = Counter(list(self._lanes.values()))
        lanes = [(name, operation.lane) for name, operation in self._operations.items() if operation.lane]
        return [
            (tenant, name)
            for (tenant, queue), count in running.items()
            for name, lane in lanes
            if lane.name == queue and count >= lane.at_once
        ]

    def cancel(self, job_id: str) -> None:
        """Let a job that runs here, or is about to, end."""
        self._cancelled.add(job_id)
        feed = self._feeds.get(job_id)
        if feed is not None:
            feed.stop(cancel=True)

    async def stop(self, patience: float) -> None:
        """Interrupt what runs, and wait until it is back in the queue, for so many seconds at most."""
        self.start_no_more()
        await asyncio.to_thread(self._join, time.monotonic() + patience)
        self.handed_over += len(self._feeds)  # they never reported; the next start takes them up all the same

    def _join(self, end: float) -> None:
        with self._starting:
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(max(end - time.monotonic(), 0))

    def _perform(self, job: Job, feed: Feed, loop: asyncio.AbstractEventLoop) -> None:
        begin = time.monotonic()
        event, outcome = self._outcome(job, feed)
        self._until_kept(job, event, outcome)
        if event is JobEvent.RETURN and self._stop.is_set():
            self.handed_over += 1
        milliseconds = round(1000 * (time.monotonic() - begin), 1)
        status = outcome.status if outcome else None
        told = {
            "job": job.id,
            "tenant": job.tenant,
            "operation": job.operation,
            "outcome": event.value,
            "status": status,
            "ms": milliseconds,
        }
        self._report("job", told | ({"trace": job.trace} if job.trace else {}))
        for table in (self._feeds, self._places, self._lanes, self._threads):
            table.pop(job.id, None)
        self._cancelled.discard(job.id)
        try:
            loop.call_soon_threadsafe(self.wake)
        except RuntimeError:  # the service has ended meanwhile
            return

    def _outcome(self, job: Job, feed: Feed) -> tuple[JobEvent, Outcome | None]:
        """Do the work; what became of it."""
        try:
            operation = self._operations[job.operation]
            request = msgspec.json.decode(job.request, type=operation.request)
            principal = Principal(job.principal, frozenset({operation.scope}), job.tenant)
            context = dataclasses.replace(self._context, progress=feed, actor=job.principal, principal=principal)
            stand(self._grounds.of(job.tenant).root)
            result = self._told(context, operation, request, feed)
            return JobEvent.FINISH, Outcome(201 if operation.creates else 200, encode(result))
        except Stop:
            return _interrupted(job, cancelled=feed.cancelled)
        except JobCancelled as error:
            return JobEvent.CANCEL, _problem(job, error)
        except StellaError as error:
            state = self._stopped(job.tenant)
            if state is not None:  # what it met may be the stop itself, such as a store that it was shut out of
                return _interrupted(job, cancelled=_for_good(state))
            return JobEvent.FAIL, _problem(job, error)
        except Exception as error:  # noqa: BLE001  # the last guard of a thread: whoever waits gets a code
            failed = Failed(problem=f"{type(error).__name__}: {error}"[:200], request=job.id)
            self._report("failed", {"job": job.id, "operation": job.operation, "traceback": trace_of(error)})
            return JobEvent.FAIL, _problem(job, failed)

    def _stopped(self, tenant: str) -> State | None:
        """What a tenant is instead of active, if that is known; None for one that works."""
        if tenant == DEFAULT_TENANT:
            return None
        try:
            return self._store.stopped({tenant}).get(tenant)
        except (DatabaseAway, ServiceRuns):
            return None

    def _told(self, context: Context, operation: Operation[Any, Any], request: Any, feed: Feed) -> Any:
        """Do the work and write it into the audit log, however long the database is away; a stop ends the wait.

        Work that was cancelled is told too: something of it may have been done.
        """
        problem: Exception | None = None
        result: Any = None
        try:
            result = operation.run(context, request)
        except Stop:
            if not feed.cancelled:
                raise
            problem = JobCancelled()
        except Exception as error:  # noqa: BLE001  # raised again when it is told
            problem = error
        while True:
            try:
                tell.performed(context, operation, request, problem, result)
                break
            except DatabaseUnavailable:
                if self._stop.is_set():
                    raise Stop from None  # the next start does it again, and writes that
                time.sleep(RETRY)
        if problem is not None:
            raise problem
        return result

    def _until_kept(self, job: Job, event: JobEvent, outcome: Outcome | None) -> None:
        while True:
            try:
                self._store.move(job.tenant, job.id, event, self._now(), outcome, refund=event is JobEvent.RETURN)
            except DatabaseAway:
                if self._stop.is_set():
                    return  # the next start runs it again
                time.sleep(RETRY)
            except ServiceRuns:
                return
            else:
                return

    def _keep_task(self, job: Job, reached: Reached) -> None:
        try:
            number = self._store.add_event(job.tenant, job.id, "task", msgspec.json.encode(reached), self._now())
        except (DatabaseAway, ServiceRuns):
            return  # progress is worth no failure of the work
        feed = self._feeds.get(job.id)
        if feed is not None:
            feed.kept = max(feed.kept, number)

    def _end(self, job: Job, event: JobEvent, error: StellaError) -> None:
        self._store.move(job.tenant, job.id, event, self._now(), _problem(job, error))

    def _now(self) -> int:
        return self._context.clock.read().wall


def _for_good(state: State | None) -> bool:
    """Whether a tenant in that state, None for one that works, has no use for what was begun for it."""
    return state in {State.DELETING, State.ERASED}


def _interrupted(job: Job, *, cancelled: bool) -> tuple[JobEvent, Outcome | None]:
    """What becomes of a job that did not come to its end."""
    return (JobEvent.CANCEL, _problem(job, JobCancelled())) if cancelled else (JobEvent.RETURN, None)


def _problem(job: Job, error: StellaError) -> Outcome:
    return Outcome(status_of(error), body_of(error, job.id))


def trace_of(error: BaseException) -> str:
    """Where an error happened: files, lines and functions, without the values that were there."""
    import traceback  # noqa: PLC0415  # only when something fails

    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(
        f"{frame.filename.rpartition('/stella/')[2]}:{frame.lineno} {frame.name}" for frame in reversed(frames)
    )
