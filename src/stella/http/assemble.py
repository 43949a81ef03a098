"""Puts a service together: store, runner, resources, routes."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from stella.http.app import App, Denied
from stella.http.auth import Tokens
from stella.http.errors import DatabaseAway, ServiceRuns
from stella.http.files import Files
from stella.http.handlers import Handlers, Limits
from stella.http.idempotency import KEEP
from stella.http.issuer_table import ISSUER
from stella.http.jobs import Runner, trace_of
from stella.http.logs import Log
from stella.http.metrics import Metrics, access_of
from stella.http.own import Own
from stella.http.places import Grounds
from stella.http.resources import Jobs
from stella.http.routes import Route, Routes
from stella.http.standing import require
from stella.http.status import Status
from stella.http.store import Bound, Store
from stella.http.transfers import Transfers
from stella.http.uploads import Uploads
from stella.kernel.instant import parse_duration
from stella.operations import Context, Operation
from stella.runtime.places import shared_key

MIB = 1024 * 1024
CROWD = 10  # times what one tenant may have waiting is what all together may; rows that a claim sorts
SWEEP = 3600  # seconds between removals of what is old


class Service(NamedTuple):
    """A service without its socket."""

    app: App
    runner: Runner
    uploads: Uploads
    grounds: Grounds
    store: Store
    handlers: Handlers
    log: Log
    context: Context

    def stop(self) -> None:
        """Begin to stop: no job starts, streams end, readiness is gone."""
        self.runner.start_no_more()

    @contextlib.asynccontextmanager
    async def working(self, ousted: Callable[[], None]) -> AsyncIterator[None]:
        """Run jobs and remove what is old for the length of the block; then put back the jobs that run.

        Calls `ousted` when another service has come to own the store, and raises ServiceRuns at the end.
        """
        settings = self.context.settings.service
        await asyncio.to_thread(self.store.interrupt_answers)
        jobs, sweep = asyncio.create_task(self._run(ousted)), asyncio.create_task(self._sweep())
        try:
            yield
        finally:
            self.handlers.close()
            self.app.close()
            await self.runner.stop(parse_duration(settings.drain))
            sweep.cancel()
            await asyncio.gather(sweep, return_exceptions=True)
        await jobs  # it ends by itself, since there was a stop

    async def _run(self, ousted: Callable[[], None]) -> None:
        try:
            await self.runner.run()
        except ServiceRuns:
            ousted()
            raise

    async def _sweep(self) -> None:
        keep = parse_duration(self.context.settings.service.keep_jobs)
        while True:
            now = self.context.clock.read().wall
            try:
                await asyncio.to_thread(self.store.forget, now - keep, now - KEEP)
                await asyncio.to_thread(self.uploads.sweep)
                await asyncio.to_thread(self.grounds.sweep, now - keep)
            except DatabaseAway as error:
                self.log.event("database_away", {"problem": error.message})
            except Exception as error:  # noqa: BLE001  # what cannot be removed now is tried again, and the rest as well
                self.log.event("failed", {"operation": "sweep", "traceback": trace_of(error)})
            await asyncio.sleep(SWEEP)


def assemble(  # noqa: PLR0913, PLR0917  # its parts
    ctx: Context,
    operations: Sequence[Operation[Any, Any]],
    store: Store,
    tokens: Tokens,
    work: Path,
    parts: Path,
    log: Log,
    denied: Denied | None = None,
    more: Sequence[Route] = (),
    metrics: Metrics | None = None,
) -> Service:
    """A service over these operations; the local ones among them are left out.

    `more` are routes that are no operations and no resources of the table. Tenants have their folders below `work`, and
    the uploads that are on their way below `parts`. Raises NoStanding.
    """
    require()
    settings = ctx.settings.service
    offered = [operation for operation in operations if not operation.local]
    metrics = metrics or Metrics()
    ctx = dataclasses.replace(ctx, counts=metrics.counts)
    shared = "" if ctx.settings.store.accounts else shared_key(ctx.settings.store)
    grounds = Grounds(work, parts, settings.bucket, shared)

    def now() -> int:
        return ctx.clock.read().wall

    def report(kind: str, facts: Mapping[str, Any]) -> None:
        log.event(kind, facts)
        if kind == "job":
            metrics.job(str(facts["outcome"]))

    table = {operation.name: operation for operation in offered}
    runner = Runner(store, grounds, table, ctx, settings.max_jobs, report)
    queued = Bound(settings.max_queued, settings.max_queued * CROWD)
    limits = Limits(settings.max_body_mib * MIB, parse_duration(settings.send_timeout), queued)
    own = Own(store, grounds, offered)
    jobs = Jobs(store, runner, own, now)
    handlers = Handlers(ctx, grounds, store, runner, jobs, own, limits, offered)
    uploads = Uploads(store, grounds, settings.max_upload_mib * MIB, now)
    transfers = Transfers(store, uploads, Files(grounds), own, metrics, limits, now, ctx.entropy)
    issuing = [row for row in ISSUER if row.name in {route.name for route in more}]
    status = Status(store, metrics, offered, issuing, lambda: runner.stopping)
    routes = [*status.routes(), *jobs.routes(), *transfers.routes(), *map(handlers.route, offered), *more]
    metrics.lanes.update((one.name, one.lane.name) for one in offered if one.lane)
    metrics.access.update((route.name, access_of(route)) for route in routes)
    app = App(Routes(routes), tokens, log, metrics, ctx.entropy(4).hex(), *filter(None, [denied]))
    return Service(app, runner, uploads, grounds, store, handlers, log, ctx)
