"""Operations as handlers: bind, run where it fits, answer.

Rules:
- A quick operation runs on the loop and touches no file, any other in a thread that stands in the folder of the tenant,
  a long one as a job.
- The number of operations that are worked on at once is bounded; one more is refused, not queued.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from stella.audit import tell
from stella.http import idempotency
from stella.http.binding import Binder
from stella.http.errors import Draining, Overloaded, TooManyJobs
from stella.http.exchange import Answer, Request, answer
from stella.http.ids import Ids
from stella.http.jobs import Runner
from stella.http.model import NewJob
from stella.http.own import Own, Reach
from stella.http.places import Grounds
from stella.http.resources import Jobs
from stella.http.routes import Handler, Route
from stella.http.standing import stand
from stella.http.store import Bound, Queue, Store
from stella.kernel.digest import sha256
from stella.operations import Context, Operation, Principal

THREADS = 16  # operations that run at once
MAX_PRINCIPALS = 256  # whose contexts are kept ready
MAX_RUNNING = 64  # operations that run or wait for a thread; more would wait for seconds


class Limits(NamedTuple):
    """Bounds of a service, from its settings: bytes of a body, seconds to send it, jobs that wait."""

    body: int
    seconds: float
    queued: Bound


def queues_of(operations: Iterable[Operation[Any, Any]]) -> dict[str, Queue]:
    """The queues that operations share, by their names."""
    found: dict[str, Queue] = {}
    for operation in operations:
        if operation.lane:
            names = found[operation.lane.name].operations if operation.lane.name in found else ()
            found[operation.lane.name] = Queue((*names, operation.name), operation.lane.depth)
    return found


class Handlers:
    """Makes the route of each operation."""

    def __init__(  # its parts
        self,
        context: Context,
        grounds: Grounds,
        store: Store,
        runner: Runner,
        jobs: Jobs,
        own: Own,
        limits: Limits,
        operations: Iterable[Operation[Any, Any]] = (),
    ) -> None:
        self._context = context
        self._grounds = grounds
        self._ids = Ids(context.entropy)
        self._store = store
        self._keys = idempotency.Keys(store, self._now)
        self._runner = runner
        self._jobs = jobs
        self._own = own
        self._limits = limits
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="operation")
        self._running = 0
        self._queues = queues_of(operations)
        self._contexts = lru_cache(MAX_PRINCIPALS)(self._context_of)

    def route(self, operation: Operation[Any, Any]) -> Route:
        """The route of an operation; a last parameter that names a place or a key takes slashes."""
        binder = Binder(operation, self._context.settings)
        make = self._long if operation.long else self._quick if operation.quick else self._threaded
        return Route(operation.method, binder.path, operation.name, operation.scope, make(operation, binder))

    def close(self) -> None:
        """Take nothing more; what waits for a thread is dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _context_of(self, principal: Principal) -> Context:
        return dataclasses.replace(self._context, actor=principal.name, principal=principal)

    def _contextual(self, request: Request) -> Context:
        return self._contexts(request.principal)

    async def _bound(self, operation: Operation[Any, Any], binder: Binder, request: Request) -> tuple[Any, bytes]:
        """The request of an operation, and the body that it came in; raises as `Binder.bind` and `Reach.check`."""
        body = b"" if binder.in_query else await request.json(self._limits.body, self._limits.seconds)
        ground, given = self._grounds.of(request.principal.tenant), (request.values, request.query, body)
        if not binder.names_files:
            return binder.bind(*given, ground.places), body
        reach = Reach(self._own, ground, request.principal, operation.scope)
        return await asyncio.to_thread(binder.bind, *given, reach), body

    def _quick(self, operation: Operation[Any, Any], binder: Binder) -> Handler:
        async def handle(request: Request) -> Answer:
            want, _ = await self._bound(operation, binder, request)
            return answer(operation.run(self._contextual(request), want), 201 if operation.creates else 200)

        return handle

    def _threaded(self, operation: Operation[Any, Any], binder: Binder) -> Handler:
        status = 201 if operation.creates else 200

        async def handle(request: Request) -> Answer:
            want, body = await self._bound(operation, binder, request)

            async def work() -> Answer:
                return answer(await self._in_thread(operation, self._contextual(request), want), status)

            if operation.method != "POST":
                return await work()
            repeatable = operation.idempotent
            return await self._keys.once(request, body, work, repeatable=repeatable)

        return handle

    async def _in_thread(self, operation: Operation[Any, Any], context: Context, want: Any) -> Any:
        if self._running >= MAX_RUNNING:
            raise Overloaded(running=self._running, limit=MAX_RUNNING)
        self._running += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._stood, operation, context, want)
        finally:
            self._running -= 1

    def _stood(self, operation: Operation[Any, Any], context: Context, want: Any) -> Any:
        stand(self._grounds.of(context.principal.tenant).root)
        return tell.run(context, operation, want)

    def _long(self, operation: Operation[Any, Any], binder: Binder) -> Handler:
        lane = operation.lane.name if operation.lane else ""

        async def handle(request: Request) -> Answer:
            want, body = await self._bound(operation, binder, request)
            if self._runner.stopping:
                raise Draining
            if operation.admit is not None:
                await asyncio.to_thread(operation.admit, self._contextual(request), want)
            now = self._now()
            key = idempotency.key_of(request) or None
            new = NewJob(
                tenant=request.principal.tenant,
                id=self._ids.next(request.principal.tenant, now),
                operation=operation.name,
                request=msgspec.json.encode(want),
                folder=str(getattr(want, "dir", "")).rstrip("/"),
                principal=request.principal.name,
                trace=request.trace,
                created=now,
                key=key,
                digest=sha256(body),
            )
            job = await asyncio.to_thread(self._store.submit, new, self._limits.queued, self._queues.get(lane))
            if job is None and operation.lane is not None:
                raise operation.lane.full(min(operation.lane.depth, self._limits.queued.each))
            if job is None:
                raise TooManyJobs(limit=self._limits.queued.each)
            headers = [(b"location", f"/v1/jobs/{job.id}".encode())]
            if job.id != new.id:
                idempotency.same(key or "", job.digest, new.digest)
                headers.append(idempotency.REPLAYED)
            self._runner.wake()
            return answer(self._jobs.shown(job), 202, headers)

        return handle

    def _now(self) -> int:
        return self._context.clock.read().wall
