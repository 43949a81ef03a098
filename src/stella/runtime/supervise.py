"""Keeps a set of children running: order, readiness, restarts with back-off, stop in reverse order.

Rules:
- One thread: the death signal of a child is tied to the thread that started it, so the loop starts all of them.
- A child counts as ready when its own process answers, never because something answers where it should be.
- A child that dies is started again after a pause that doubles; too many deaths within a minute, and it has failed.
- A vital child that failed ends the whole; any other leaves the rest at work, and SIGUSR1 tries it again.
- SIGTERM, SIGINT and SIGHUP stop everything: whoever needs others first, and each is waited for.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import FrameType

from stella.kernel.errors import StellaError
from stella.kernel.machine import Machine
from stella.runtime import launch
from stella.runtime.children import start_child

MAX_DEATHS = 5  # within the window; a child that dies more often will not get better by itself
WINDOW = 60.0  # seconds
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds before a restart
START_PATIENCE = 60.0  # seconds until a child that was started must be ready
TICK = 0.01  # seconds between two looks at a child that starts
IDLE = 3600.0  # seconds; a signal ends it sooner
TELL_AGAIN = 1.0  # seconds until a change that could not be told is told again
TAIL = 4096  # bytes of a log that hold its last words
ERRORS = ("FATAL", "PANIC", "[FTL]", "[ERR]", "error[", "error:", "Error:")  # how the servers mark their errors
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
RETRY = signal.SIGUSR1


class ChildState(StrEnum):
    """Where a child is."""

    WAITING = "waiting"
    PREPARING = "preparing"
    STARTING = "starting"
    READY = "ready"
    PAUSED = "paused"
    FAILED = "failed"
    STOPPED = "stopped"


class ChildEvent(StrEnum):
    """What moves a child."""

    PREPARE = "prepare"
    START = "start"
    ANSWER = "answer"
    DIE = "die"
    GIVE_UP = "give up"
    RETRY = "retry"
    STOP = "stop"


_S, _E = ChildState, ChildEvent
CHILD = Machine(
    "child",
    _S.WAITING,
    {
        (_S.WAITING, _E.PREPARE): _S.PREPARING,
        (_S.WAITING, _E.START): _S.STARTING,
        (_S.PREPARING, _E.START): _S.STARTING,
        (_S.STARTING, _E.ANSWER): _S.READY,
        (_S.PAUSED, _E.RETRY): _S.WAITING,
        (_S.FAILED, _E.RETRY): _S.WAITING,
        **{(state, _E.DIE): _S.PAUSED for state in (_S.PREPARING, _S.STARTING, _S.READY)},
        **{(state, _E.GIVE_UP): _S.FAILED for state in (_S.WAITING, _S.PREPARING, _S.STARTING, _S.READY)},
        **{(state, _E.STOP): _S.STOPPED for state in _S},
    },
)

Endpoints = Mapping[str, str]


class WillNotStart(Exception):
    """A child has a trouble that no restart mends; the text says which."""


@dataclass(frozen=True)
class Service:
    """How a child is run.

    `command` gives the command line of each start; it gets what the last run answered with, so that a port can stay.
    `ready` gets the process id and gives the endpoints once that process answers, None before. `prepare` gives a
    command that must end well before the first start, or None; `prepared` is called when it has. Both functions and
    `command` may raise WillNotStart, StellaError or OSError.
    """

    name: str
    log: Path
    folder: Path
    command: Callable[[Endpoints], Sequence[str]]
    ready: Callable[[int], Endpoints | None]
    needs: tuple[str, ...] = ()
    prepare: Callable[[], Sequence[str] | None] = lambda: None
    prepared: Callable[[], None] = lambda: None
    vital: bool = False
    start_patience: float = START_PATIENCE
    stop: signal.Signals = signal.SIGTERM
    stop_patience: float = 10.0
    env: Mapping[str, str] | None = None
    not_root: Path | None = None


@dataclass
class Child:
    """A service and how it fares."""

    service: Service
    state: ChildState = CHILD.start
    process: subprocess.Popen[bytes] | None = None
    endpoints: Endpoints = field(default_factory=dict)
    since: float = 0.0
    deaths: list[float] = field(default_factory=list)
    restarts: int = 0
    reason: str = ""
    spoken: int = 0  # bytes that the log had before the process started

    @property
    def name(self) -> str:
        return self.service.name

    def move(self, event: ChildEvent, now: float) -> None:
        """Change the state; raises IllegalMove."""
        self.state, self.since = CHILD.move(self.state, event), now

    def start(self, command: Sequence[str]) -> None:
        """Start a process of this child."""
        service = self.service
        self.spoken = service.log.stat().st_size if service.log.exists() else 0
        self.process = start_child(
            command,
            log=service.log,
            stop=service.stop,
            env=service.env,
            not_root=service.not_root,
            folder=service.folder,
        )


def pause_after(deaths: int) -> float:
    """Seconds to wait after the nth death within the window."""
    return min(FIRST_PAUSE * 2.0 ** (deaths - 1), LONGEST_PAUSE)


def recent(deaths: Sequence[float], now: float) -> list[float]:
    """The deaths that still count."""
    return [moment for moment in deaths if now - moment < WINDOW]


class Supervisor:
    """Runs services until it is told to stop; `changed` is called after each change of a child.

    It may raise StellaError, such as that of a full disk; then it is called again until it does not.
    """

    def __init__(self, services: Sequence[Service], changed: Callable[[Supervisor], None]) -> None:
        self.children = [Child(service) for service in services]
        self.changed = changed
        self.stopping = False
        self._asked: set[int] = set()
        self._untold = False

    def run(self) -> bool:
        """Supervise; True when it was asked to stop, False when a vital child failed."""
        with self._listening() as woken:
            self._tell()
            while not (self.stopping or self.broken()):
                self._step(time.monotonic())
                if self._untold:
                    self._tell()
                select.select([woken], [], [], self._pause(time.monotonic()))
                with contextlib.suppress(BlockingIOError):
                    os.read(woken, 4096)
                self._obey()
            asked, self.stopping = self.stopping, True
            self._tell()
            self._stop_all()
        return asked

    def broken(self) -> bool:
        """Whether a vital child failed."""
        return any(child.state is ChildState.FAILED and child.service.vital for child in self.children)

    @contextlib.contextmanager
    def _listening(self) -> Iterator[int]:
        """Let signals wake the loop; what they mean is read by `_obey`."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        before = {number: signal.signal(number, self._note) for number in (*STOPPING, RETRY, signal.SIGCHLD)}
        wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        try:
            yield reader
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(reader)
            os.close(writer)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._asked.add(number)

    def _obey(self) -> None:
        asked, self._asked = self._asked, set()
        if asked.intersection(STOPPING):
            self.stopping = True
        if RETRY in asked:
            for child in self.children:
                if child.state is ChildState.FAILED:
                    child.deaths.clear()
                    self._moved(child, ChildEvent.RETRY, time.monotonic())

    def _pause(self, now: float) -> float:
        """Seconds until something is due."""
        pauses = [0.0 if self.broken() else TELL_AGAIN if self._untold else IDLE]
        for child in self.children:
            if child.state in {ChildState.STARTING, ChildState.PREPARING}:
                pauses.append(TICK)
            elif child.state is ChildState.PAUSED:
                pauses.append(max(child.since + pause_after(len(child.deaths)) - now, 0))
            elif child.state is ChildState.WAITING and self._may_start(child):
                pauses.append(0)
        return min(pauses)

    def _may_start(self, child: Child) -> bool:
        ready = {other.name for other in self.children if other.state is ChildState.READY}
        return ready.issuperset(child.service.needs)

    def _step(self, now: float) -> None:
        for child in self.children:
            try:
                self._look(child, now)
            except (WillNotStart, StellaError, OSError, subprocess.SubprocessError) as problem:
                self._end(child)
                child.reason = str(problem)
                self._moved(child, ChildEvent.GIVE_UP, now)

    def _look(self, child: Child, now: float) -> None:
        """Move a child on, if there is anything to do for it."""
        if child.state is ChildState.WAITING and self._may_start(child):
            command = child.service.prepare()
            if command is None:
                self._start(child, ChildEvent.START, now)
            else:
                child.start(command)
                self._moved(child, ChildEvent.PREPARE, now)
        elif child.state is ChildState.PAUSED and now >= child.since + pause_after(len(child.deaths)):
            self._moved(child, ChildEvent.RETRY, now)
        elif child.process is not None and child.state is not ChildState.STOPPED:
            self._watch(child, child.process, now)

    def _watch(self, child: Child, process: subprocess.Popen[bytes], now: float) -> None:
        """Look at a living process, or at how it ended."""
        ended = process.poll()
        if child.state is ChildState.PREPARING and ended is not None:
            if ended:
                raise WillNotStart(_why(child, ended))
            child.service.prepared()
            self._start(child, ChildEvent.START, now)
        elif ended == launch.NO_WAY and child.service.not_root:
            raise WillNotStart(_why(child, ended))
        elif ended is not None:
            self._died(child, _why(child, ended), now)
        elif child.state is ChildState.STARTING:
            found = child.service.ready(process.pid)
            if found is not None:
                self._answered(child, found, now)
            elif now - child.since > child.service.start_patience:
                self._end(child)
                self._died(child, f"it did not answer within {child.service.start_patience:.0f} s", now)

    def _start(self, child: Child, event: ChildEvent, now: float) -> None:
        child.start(child.service.command(child.endpoints))
        self._moved(child, event, now)

    def _answered(self, child: Child, found: Endpoints, now: float) -> None:
        """A child is ready; those that know it by another address are started again."""
        before, child.endpoints, child.reason = child.endpoints, found, ""
        self._moved(child, ChildEvent.ANSWER, now)
        if before and before != found:
            for other in self.children:
                if child.name in other.service.needs and other.state is ChildState.READY:
                    self._end(other)
                    self._died(other, f"{child.name} has moved", now)

    def _died(self, child: Child, reason: str, now: float) -> None:
        child.process, child.reason = None, reason
        child.deaths = [*recent(child.deaths, now), now]
        child.restarts += 1
        self._moved(child, ChildEvent.GIVE_UP if len(child.deaths) > MAX_DEATHS else ChildEvent.DIE, now)

    def _moved(self, child: Child, event: ChildEvent, now: float) -> None:
        child.move(event, now)
        self._tell()

    def _tell(self) -> None:
        try:
            self.changed(self)
        except StellaError:
            self._untold = True
        else:
            self._untold = False

    def _end(self, child: Child) -> None:
        """Ask the process of a child to end, then end it."""
        process, child.process = child.process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(child.service.stop)
        try:
            process.wait(child.service.stop_patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _stop_all(self) -> None:
        """End every child, last started first; each only after those that need it."""
        for child in reversed(self.children):
            self._end(child)
            if child.state is not ChildState.FAILED:
                self._moved(child, ChildEvent.STOP, time.monotonic())


def _why(child: Child, ended: int) -> str:
    """How a process ended, in its own words where it has any."""
    if ended == launch.NO_WAY and child.service.not_root:
        return "this machine grants neither a user namespace nor another account to root"
    how = f"ended by {signal.Signals(-ended).name}" if ended < 0 else f"ended with exit code {ended}"
    words = last_words(child.service.log, child.spoken)
    return f"{how}: {words}" if words else how


def last_words(log: Path, since: int = 0) -> str:
    """What a log says last after its first `since` bytes: an error if there is one, else the last line."""
    try:
        with log.open("rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - TAIL, since))
            lines = [line.strip() for line in file.read().decode(errors="replace").split("\n") if line.strip()]
    except OSError:
        return ""
    return next((line for line in reversed(lines) if any(mark in line for mark in ERRORS)), lines[-1] if lines else "")
