"""The process of the service: from settings to a listening socket, and to a stop that loses nothing.

Rules:
- The process stands in an empty folder; threads that work for a tenant stand in that tenant's (`standing`).
- It works as roles that the database holds to their tenant and to their duty; the owner's login migrates, and no more.
- A stop takes no new request, finishes those that are there, puts running jobs back into the queue, and ends with 0.
- One service at a time uses a database. One that lost it to another, because PostgreSQL restarted, stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import uvicorn

from stella import bootstrap
from stella.audit.tell import OBJECT_DENIED
from stella.database.apply import Started, start
from stella.http import leavings
from stella.http.app import App
from stella.http.assemble import Service, assemble
from stella.http.auth import Presented, Tokens, admin_token
from stella.http.denials import Denials
from stella.http.errors import CannotListen
from stella.http.feed import Quiet
from stella.http.filling import Filling
from stella.http.identity import Identity
from stella.http.jobs import trace_of
from stella.http.logins import check_logins
from stella.http.logs import Forwarded, Log
from stella.http.metrics import Metrics
from stella.http.model import Serve, Served
from stella.http.places import TENANTS
from stella.http.postgres import APPLICATION, PostgresStore, connections
from stella.http.protocol import Protocol
from stella.http.right import Right
from stella.http.sealing import Sealing
from stella.http.standing import UMASK
from stella.kernel.instant import parse_duration
from stella.operations import Context, Principal
from stella.runtime.config import read_secret
from stella.runtime.connections import Connections
from stella.runtime.errors import EgressBlocked
from stella.runtime.files import DiskFolder, make_directory
from stella.runtime.places import BUCKET
from stella.runtime.postgres import Login, duty_login, owner_login, service_login
from stella.runtime.roles import ISSUER, JOBS
from stella.runtime.settings import BaoSettings, Settings
from stella.runtime.transaction import Duty, Refusal, Seal, TenantDatabase

TURN = 45.0  # seconds that somebody else may keep the schemas; then whoever supervises this start should hear of it
DATABASE_USER = "statement"  # who is refused by the database: no person, but what was sent for one
MAX_FACT = 1000  # characters of what the database said
LAST_WORDS = 5.0  # seconds for denials that wait to be written at a stop
BACKLOG = 512  # connections that wait to be accepted
KEEP_ALIVE = 15  # seconds that an idle connection is kept
STDERR = 2
STOPPING = (signal.SIGTERM, signal.SIGINT)


class Address(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.service@1"):
    """`service.json` in the data folder: where the service of this folder is."""

    url: str
    pid: int


class _Server(uvicorn.Server):
    """uvicorn's server, whose signals belong to the loop of the service."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


class _Place(NamedTuple):
    """Absolute folders of the service."""

    data: Path
    work: Path
    nowhere: Path


class _Logins(NamedTuple):
    """The ways into the database: for tenants, for the runner of jobs, for the issuer of tokens, for migrations."""

    app: Login
    jobs: Login
    issuer: Login
    owner: Login


def serve(ctx: Context, want: Serve) -> Served:
    """Serve until a signal comes.

    Raises NoDatabase, LoginTooStrong, ServiceRuns, CannotListen, TokenExposed, NoStanding, what keeps a database from
    being started, or in a sealed process EgressBlocked for a database or an address beyond this machine.
    """
    settings = ctx.settings.service
    at_home = _at_home(ctx.settings, Path(want.data).absolute())
    log = _log(ctx)
    logins = _logins(ctx)
    seal = Seal(ctx.secret(ctx.settings.database.seal_key))
    started = _started(ctx, logins, seal, log)
    place = _laid(want.data)
    token = admin_token(settings.token, place.data, ctx.entropy)
    right = Right(connections(logins.jobs))

    denials, metrics = Denials(log, ctx.clock), Metrics()

    def refused(refusal: Refusal) -> None:
        log.event("outside_tenant", refusal._asdict())
        whom = Principal(DATABASE_USER, frozenset(), refusal.tenant)
        denials.tell(whom, "database.denied", refusal.statement, problem=refusal.problem[:MAX_FACT])

    tenants = TenantDatabase(Connections(logins.app, APPLICATION, permit=right.held), seal, refused)
    kept = TenantDatabase(connections(logins.app, right), seal, refused)
    issuer = Duty(connections(logins.issuer, right), ISSUER)

    def object_refused(principal: Principal, tried: str, key: str) -> None:
        denials.tell(principal, OBJECT_DENIED, key, tried=tried)

    store = PostgresStore(kept, connections(logins.jobs, right), right)
    try:
        store.own()
        listener = _listen(want.host, want.port)
        os.umask(UMASK)
        os.chdir(place.nowhere)
        ctx = dataclasses.replace(
            ctx,
            progress=Quiet(),
            secret=partial(_secret, bao=ctx.settings.bao),
            settings=at_home,
            database=lambda: tenants,
            duties={ISSUER: issuer}.__getitem__,
            refused=object_refused,
        )
        parts = place.data / "parts"
        own = leavings.Folders({"work": place.work / TENANTS, "parts": parts})
        work = leavings.Work()
        identity = Identity(
            ctx,
            address_of(listener),
            lambda reason, facts: log.event("denied", {"reason": reason, **facts}),
            leavings.places(ctx, work, own),
            metrics.counts,
            denials.turned,
        )
        metrics.look(identity.measure)
        tokens = Tokens(token, verifier(identity), identity.stopped, meter=metrics.counts)
        ctx = dataclasses.replace(ctx, heed=identity.heed)
        service = assemble(
            ctx, bootstrap.load_all(), store, tokens, place.work, parts, log, denials.tell, identity.routes, metrics
        )
        work.ask(service.runner.works_for)
        denials.start(ctx)
        filling = Filling(ctx, logins.owner, log) if started.data_pending and not started.read_only else None
        beside = _Beside(filling, Sealing(ctx, log), identity, denials)
        return _Running(ctx, service, log, listener, place.data, beside).run()
    finally:
        denials.end(LAST_WORDS)
        tenants.close()
        issuer.close()
        store.close()


def verifier(identity: Identity) -> Callable[[Presented], Principal]:
    """Who knows the tokens of issuers."""
    return identity.verify


def address_of(listener: socket.socket) -> str:
    """Where a service listens."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _logins(ctx: Context) -> _Logins:
    found = ctx.settings.database
    logins = _Logins(
        service_login(found, ctx.secret),
        duty_login(found, ctx.secret, JOBS),
        duty_login(found, ctx.secret, ISSUER),
        owner_login(found, ctx.secret),
    )
    for one in logins:
        if ctx.sealed and not one.on_this_machine:
            raise EgressBlocked(target=one.where)
    return logins


def _started(ctx: Context, logins: _Logins, seal: Seal, log: Log) -> Started:
    """A migrated database. The logins are looked at before it, so that a wrong one makes nothing, and after it."""
    check_logins(logins[:3], ctx.schemas)
    started = start(
        logins.owner,
        ctx.schemas,
        ctx.actor,
        ctx.clock,
        patience=TURN,
        waiting=lambda words: log.event("start", {"is": words}),
        seal=seal,
    )
    check_logins(logins[:3], ctx.schemas)
    return started


def _at_home(settings: Settings, data: Path) -> Settings:
    """The settings of a service: its stack is the one whose folder it has, other folders are where it was started."""
    stack = msgspec.structs.replace(settings.stack, data=str(data))
    objects = settings.store.objects
    if objects and not objects.startswith(BUCKET):
        objects = str(Path(objects).absolute())
    trust, keys = settings.identity.trust, settings.keys
    keys = msgspec.structs.replace(keys, trust=keys.trust and str(Path(keys.trust).absolute()))
    return msgspec.structs.replace(
        settings,
        stack=stack,
        keys=keys,
        store=msgspec.structs.replace(settings.store, objects=objects),
        identity=msgspec.structs.replace(settings.identity, trust=trust and str(Path(trust).absolute())),
    )


def _secret(reference: str, bao: BaoSettings) -> bytes:
    """A secret of the service's own environment; nobody is asked for one."""
    return read_secret(reference, os.environ, bao)


def _log(ctx: Context) -> Log:
    """The log, which libraries speak through as well; uvicorn's of requests would be a second one."""
    log = Log(ctx.clock, STDERR, json=not os.isatty(STDERR))
    logging.getLogger().addHandler(Forwarded(log, trace_of))
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    return log


def _laid(text: str) -> _Place:
    data = Path(text).absolute()
    make_directory(data, 0o700)
    make_directory(data / "work")
    make_directory(data / "nowhere", 0o500)
    return _Place(data, data / "work", data / "nowhere")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        raise CannotListen(address=f"{host}:{port}", problem=error.strerror or error) from None
    listener.settimeout(0)
    return listener


class _Beside(NamedTuple):
    """What works beside the answers."""

    filling: Filling | None
    sealing: Sealing
    identity: Identity
    denials: Denials


class _Running:
    """A service that listens."""

    def __init__(
        self,
        ctx: Context,
        service: Service,
        log: Log,
        listener: socket.socket,
        data: Path,
        beside: _Beside,
    ) -> None:
        self.address = address_of(listener)
        self._filling, self._sealing, self._identity, self._denials = beside
        self._service = service
        self._log = log
        self._listener = listener
        self._data = data
        self._drain = parse_duration(ctx.settings.service.drain)
        self._server = _Server(_config(service.app, self._drain))

    def run(self) -> Served:
        """Serve until the end; what was served."""
        import uvloop  # noqa: PLC0415  # sets up its own machinery when it is imported

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())
        return Served(
            address=self.address, requests=self._service.app.answered, handed_over=self._service.runner.handed_over
        )

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(initializer=_deaf, thread_name_prefix="service"))
        for number in STOPPING:  # not with the loop: it would leave the default to threads that have not quite ended
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(self._begin_to_stop))
        try:
            async with self._service.working(self._begin_to_stop):
                self._announce()
                self._start_beside()
                await self._server.serve(sockets=[self._listener])
                self._identity.stop()
                self._log.event("draining", {"jobs": self._service.runner.running})
            await asyncio.to_thread(self._denials.end, LAST_WORDS)
            self._sealing.stop()  # now that nothing happens any more
            if self._filling:
                await asyncio.to_thread(self._filling.join, self._drain)
            await asyncio.to_thread(self._identity.join, self._drain)
            await asyncio.to_thread(self._sealing.join, self._drain)
        finally:
            # A second signal between here and the exit must not undo a clean stop, whoever sets handlers after this.
            signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
            for number in STOPPING:
                signal.signal(number, signal.SIG_IGN)  # for threads that do not have the mask
            (self._data / "service.json").unlink(missing_ok=True)
            self._log.event("stopped", {"handed_over": self._service.runner.handed_over})

    def _start_beside(self) -> None:
        heard = _deaf()  # what starts now inherits it
        self._sealing.start()
        self._identity.start()
        if self._filling:
            self._filling.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)

    def _announce(self) -> None:
        text = msgspec.json.encode(Address(url=self.address, pid=os.getpid())) + b"\n"
        DiskFolder(self._data).write("service.json", text, private=True)
        self._log.event("listening", {"url": self.address, "pid": os.getpid()})

    def _begin_to_stop(self) -> None:
        self._service.stop()
        if self._filling:
            self._filling.stop()
        self._server.should_exit = True


def _deaf() -> set[int]:
    """Let the signals that stop the service pass this thread by; those that it did so before.

    A thread that has ended is still one to the kernel for a moment, and must not be what a late signal finds.
    """
    return signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)


def _config(app: App, drain: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        loop="uvloop",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=max(drain, 1),
    )
