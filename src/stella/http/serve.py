"""The process of the service: from settings to a listening socket, and to a stop that loses nothing.

Rules:
- The process works in `<data>/work`, so that relative paths of requests are those that operations see.
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
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import uvicorn

from stella import bootstrap
from stella.database.apply import start
from stella.http.app import App
from stella.http.assemble import Service, assemble
from stella.http.auth import admin_token
from stella.http.errors import CannotListen
from stella.http.feed import Quiet
from stella.http.filling import Filling
from stella.http.jobs import trace_of
from stella.http.logs import Forwarded, Log
from stella.http.model import Serve, Served
from stella.http.postgres import PostgresStore
from stella.http.protocol import Protocol
from stella.kernel.instant import parse_duration
from stella.operations import Context
from stella.runtime.config import read_secret
from stella.runtime.errors import EgressBlocked
from stella.runtime.files import DiskFolder, make_directory
from stella.runtime.postgres import owner_login, service_login
from stella.runtime.settings import Settings

TURN = 45.0  # seconds that somebody else may keep the schemas; then whoever supervises this start should hear of it
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


def serve(ctx: Context, want: Serve) -> Served:
    """Serve until a signal comes.

    Raises NoDatabase, ServiceRuns, CannotListen, TokenExposed, what keeps a database from being started, or in a sealed
    process EgressBlocked for a database or an address beyond this machine.
    """
    settings = ctx.settings.service
    log = _log(ctx)
    login, owner = (found(ctx.settings.database, ctx.secret) for found in (service_login, owner_login))
    for one in (login, owner):
        if ctx.sealed and not one.on_this_machine:
            raise EgressBlocked(target=one.where)
    started = start(
        owner, ctx.schemas, ctx.actor, ctx.clock, patience=TURN, waiting=lambda words: log.event("start", {"is": words})
    )
    place = _laid(want.data)
    token = admin_token(settings.token, place.data, ctx.entropy)
    store = PostgresStore(login.conninfo)
    try:
        store.own()
        listener = _listen(want.host, want.port)
        os.umask(0o022)  # what may be read by others is what may be sent; see `files`
        os.chdir(place.work)
        ctx = dataclasses.replace(ctx, progress=Quiet(), secret=_secret, settings=_at_home(ctx.settings, place.data))
        service = assemble(ctx, bootstrap.load_all(), store, token, place.work, place.data / "parts", log)
        filling = Filling(ctx, owner, log) if started.data_pending and not started.read_only else None
        return _Running(ctx, service, log, listener, place.data, filling).run()
    finally:
        store.close()


def _at_home(settings: Settings, data: Path) -> Settings:
    """The settings of a service: its stack is the one whose folder it has."""
    return msgspec.structs.replace(settings, stack=msgspec.structs.replace(settings.stack, data=str(data)))


def _secret(reference: str) -> bytes:
    """A secret of the service's own environment; nobody is asked for one."""
    return read_secret(reference, os.environ)


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
    return _Place(data, data / "work")


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


class _Running:
    """A service that listens."""

    def __init__(
        self,
        ctx: Context,
        service: Service,
        log: Log,
        listener: socket.socket,
        data: Path,
        filling: Filling | None,
    ) -> None:
        host, port = listener.getsockname()[:2]
        self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._service = service
        self._log = log
        self._listener = listener
        self._data = data
        self._filling = filling
        self._drain = parse_duration(ctx.settings.service.drain)
        self._server = _Server(_config(service.app, self._drain))

    def run(self) -> Served:
        """Serve until the end; what was served."""
        import uvloop  # noqa: PLC0415  # sets up its own machinery when it is imported

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)  # for threads that do not have the mask
        return Served(
            address=self.address, requests=self._service.app.answered, handed_over=self._service.runner.handed_over
        )

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        for number in STOPPING:
            loop.add_signal_handler(number, self._begin_to_stop)
        try:
            async with self._service.working(self._begin_to_stop):
                self._announce()
                if self._filling:
                    self._filling.start()
                await self._server.serve(sockets=[self._listener])
                self._log.event("draining", {"jobs": self._service.runner.running})
            if self._filling:
                await asyncio.to_thread(self._filling.join, self._drain)
        finally:
            # The loop takes its handlers with it; a second signal between that and the exit must not undo a clean stop.
            signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
            (self._data / "service.json").unlink(missing_ok=True)
            self._log.event("stopped", {"handed_over": self._service.runner.handed_over})

    def _announce(self) -> None:
        text = msgspec.json.encode(Address(url=self.address, pid=os.getpid())) + b"\n"
        DiskFolder(self._data).write("service.json", text, private=True)
        self._log.event("listening", {"url": self.address, "pid": os.getpid()})

    def _begin_to_stop(self) -> None:
        self._service.stop()
        if self._filling:
            self._filling.stop()
        self._server.should_exit = True


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
