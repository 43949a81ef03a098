"""Starts, stops and shows a stack.

Rules:
- `up` lays folders and secrets under the lock, then hands the lock to a supervisor of its own session and waits for its
  report; if it is interrupted, what it started is stopped again.
- A second `up` changes nothing: it waits for the one that runs, and compares configurations.
- `down` asks the supervisor and waits until it has let go of the lock; it forces nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from stella.operations import Context
from stella.runtime import processes, run_file
from stella.runtime.errors import Busy, EgressBlocked
from stella.runtime.processes import identify
from stella.runtime.run_file import Run, StackState
from stella.runtime.supervise import RETRY, last_words
from stella.stack import outside, rules
from stella.stack.errors import (
    NoStack,
    NotHealthy,
    NotRunning,
    OtherConfiguration,
    PartlyUp,
    StartFailed,
    StillStarting,
    WillNotStop,
)
from stella.stack.layout import Layout, Lock, holder, take
from stella.stack.model import ChildShown, OfStack, Plan, StackDown, StackShown, StackUp, StartStack

PATIENCE = 120  # seconds that a start or a stop may take before somebody should look
STOPPED = "it was told to stop"
POLL = 0.01  # seconds between two looks at the report
RETRY_PATIENCE = 0.3  # seconds in which a supervisor takes up what failed


def up(ctx: Context, want: StartStack) -> StackUp:
    """Start a stack, or find it running."""
    began = time.monotonic()
    plan = rules.plan_of(want, ctx.settings)
    far = outside.far(plan) if ctx.sealed else ""
    if far:
        raise EgressBlocked(target=far)
    outside.require_secrets(plan)
    layout = Layout(want.data)
    while time.monotonic() < began + PATIENCE:
        lock = None if _supervisor(layout) else _lock(layout)
        found = _joined(layout, plan, began) if lock is None else _started(ctx, want, layout, plan, lock, began)
        if found is not None:
            return found
    raise Busy(path=layout.shown, holder="")


def _lock(layout: Layout) -> Lock | None:
    """The lock of a stack; None when somebody else has it."""
    try:
        return take(layout)
    except Busy:
        return None


def _started(ctx: Context, want: StartStack, layout: Layout, plan: Plan, lock: Lock, began: float) -> StackUp:
    """The answer of an `up` that starts the stack."""
    try:
        _require(layout, plan)
        layout.lay(ctx.entropy)
        if want.foreground:
            return _shown(layout, _stay(ctx, layout, plan), began, already=False)
        process = _spawn(layout, plan, lock)
    finally:
        with contextlib.suppress(OSError):
            lock.release()
    try:
        run = _await(layout, process)
    except StillStarting:
        raise
    except BaseException:
        process.send_signal(signal.SIGTERM)
        process.wait()
        raise
    if run.state is StackState.READY:
        return _shown(layout, run, began, already=False)
    if process.poll() is None and run.endpoints:
        raise PartlyUp(path=layout.shown, reason=run.reason)
    process.wait()
    stopped = run.state is StackState.STOPPED
    raise StartFailed(path=layout.shown, reason=STOPPED if stopped else run.reason)


def _supervisor(layout: Layout) -> int | None:
    """The process that holds the lock, if it is a supervisor and not somebody who looks or prepares."""
    pid, run = holder(layout), run_file.read(layout.data)
    return pid if _wrote(run, pid) else None


def _wrote(run: Run | None, pid: int | None) -> bool:
    """Whether a report is that of the process that has this id now, and not of one of the past that had it too."""
    return run is not None and run.supervisor is not None and pid is not None and run.supervisor == identify(pid)


def _require(layout: Layout, plan: Plan) -> None:
    from stella.stack import doctor  # noqa: PLC0415  # a second `up` does not need it

    doctor.require(layout, plan)


def _stay(ctx: Context, layout: Layout, plan: Plan) -> Run:
    from stella.stack.supervisor import Stack  # noqa: PLC0415  # loads every server's module

    run = Stack(layout, plan, ctx.clock).supervise()
    if run.state is not StackState.STOPPED:
        raise StartFailed(path=layout.shown, reason=run.reason)
    return run


def _spawn(layout: Layout, plan: Plan, lock: Lock) -> subprocess.Popen[bytes]:
    """A supervisor with the lock, in a session of its own, which no terminal reaches."""
    words = [str(lock.handle), str(layout.data), msgspec.json.encode(plan).decode()]
    with layout.log("supervisor").open("ab") as log:
        return subprocess.Popen(  # noqa: S603  # no shell, our own module
            [sys.executable, "-m", "stella.stack.supervisor", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock.handle],
            start_new_session=True,
        )


def _await(layout: Layout, process: subprocess.Popen[bytes]) -> Run:
    """The report of a supervisor that was just started, once it says how it went."""
    end, started = time.monotonic() + PATIENCE, identify(process.pid)
    while time.monotonic() < end:
        ended = process.poll()
        run = run_file.read(layout.data)
        # Its birth counts too: a report of the past may name the same id, as in a container that was killed.
        if run is not None and started is not None and run.supervisor == started and rules.is_settled(run):
            return run
        if ended is not None:
            words = last_words(layout.log("supervisor"))
            how = STOPPED if ended == -signal.SIGTERM else f"its supervisor ended with {ended}{words and ': '}{words}"
            raise StartFailed(path=layout.shown, reason=how)
        time.sleep(POLL)
    raise _still_starting(layout, process.pid)


def _still_starting(layout: Layout, pid: int) -> StillStarting:
    run = run_file.read(layout.data)
    late = [child for child in run.children if child.state != "ready"] if run else []
    words = ", ".join(f"{child.name} ({child.reason})" if child.reason else child.name for child in late)
    reason = (run and run.reason) or f"waiting for {words}"
    return StillStarting(path=layout.shown, pid=pid, seconds=PATIENCE, reason=reason)


def _joined(layout: Layout, plan: Plan, began: float) -> StackUp | None:
    """The answer of a second `up`; None when the one that ran has ended."""
    run = _settled(layout)
    if run is None:
        pid, last = holder(layout), run_file.read(layout.data)
        if pid and last is not None and last.state is StackState.STARTING and _wrote(last, pid):
            raise _still_starting(layout, pid)
        if pid is not None:
            raise Busy(path=layout.shown, holder=f" (pid {pid})" if pid else "")
        return None
    pid = run.supervisor.pid if run.supervisor else 0
    if run.digest != rules.digest(plan):
        raise OtherConfiguration(path=layout.shown, pid=pid, difference=rules.difference(run.plan, plan))
    if run.state is StackState.FAILED:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, RETRY)
        time.sleep(RETRY_PATIENCE)
        run = _settled(layout) or run
    if run.state is not StackState.READY:
        raise NotHealthy(path=layout.shown, pid=pid, state=run.state, reason=run.reason)
    return _shown(layout, run, began, already=True)


def _settled(layout: Layout) -> Run | None:
    """The report of whoever holds the lock, once it no longer changes by itself; None when the lock is let go."""
    end = time.monotonic() + PATIENCE
    while (pid := holder(layout)) is not None and time.monotonic() < end:
        run = run_file.read(layout.data)
        if run is not None and _wrote(run, pid) and rules.is_settled(run) and not rules.is_over(run):
            return run
        time.sleep(POLL)
    return None


def _shown(layout: Layout, run: Run, began: float, *, already: bool) -> StackUp:
    return StackUp(
        data=layout.shown,
        profile=str(run.plan["profile"]),
        state=run.state,
        already=already,
        supervisor=run.supervisor.pid if run.supervisor else None,
        seconds=round(time.monotonic() - began, 2),
        endpoints=run.endpoints,
        secrets=run.secrets,
    )


def down(ctx: Context, want: OfStack) -> StackDown:
    """Stop a stack; nothing to stop is no error."""
    began = time.monotonic()
    layout = Layout(want.data)
    if not layout.exists():
        raise NoStack(path=layout.shown)
    run = run_file.read(layout.data)
    was_running = _stop(layout)
    lock = _lock(layout)
    if lock is not None:  # else another `down` sweeps, or an `up` that came after this one has it
        try:
            _sweep(layout, run, ctx.clock.read().boot_id)
            layout.sockets = Path(run.sockets) if run else layout.sockets
            layout.forget_sockets()
        finally:
            lock.release()
    names = tuple(child.name for child in reversed(run.children)) if run and was_running else ()
    seconds = round(time.monotonic() - began, 2)
    return StackDown(data=layout.shown, was_running=was_running, stopped=names, seconds=seconds)


def _stop(layout: Layout) -> bool:
    """Ask the supervisor that holds the lock to stop, and wait for the lock; whether there was one.

    Others hold it for a moment alone: an `up` that prepares, or another `down`.
    """
    end = time.monotonic() + PATIENCE
    asked: int | None = None
    while (pid := holder(layout)) is not None and asked in {None, pid}:
        if asked is None and pid == _supervisor(layout):
            asked = pid
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        if time.monotonic() > end:
            raise WillNotStop(path=layout.shown, pid=pid, seconds=PATIENCE)
        time.sleep(POLL)
    return asked is not None


def _sweep(layout: Layout, run: Run | None, boot: str) -> None:
    """End what a supervisor that was killed has left, and let the report say that nothing runs."""
    from stella.stack import supervisor  # noqa: PLC0415  # loads every server's module

    if run is not None:
        supervisor.recover(layout, run, boot)
        last = run_file.read(layout.data) or run
        if last.state is not StackState.STOPPED:
            done = msgspec.structs.replace(last, state=StackState.STOPPED, endpoints={}, children=(), reason="")
            run_file.write(layout.data, done)


def status(ctx: Context, want: OfStack) -> StackShown:
    """What runs now; raises NoStack or NotRunning."""
    layout = Layout(want.data)
    if not layout.exists():
        raise NoStack(path=layout.shown)
    run = run_file.read(layout.data)
    pid = holder(layout)
    if run is None or not _wrote(run, pid):
        why = f"process {pid} prepares it" if pid else rules.why_not_running(run)
        raise NotRunning(path=layout.shown, reason=why)
    boot_seconds = ctx.clock.read().boot_seconds
    children = tuple(_child(record, boot_seconds) for record in run.children)
    outside = [
        name for name in ("postgres", "nats") if name in run.endpoints and name not in {c.name for c in children}
    ]
    return StackShown(
        data=layout.shown,
        state=run.state,
        profile=str(run.plan["profile"]),
        supervisor=pid,
        started=run.started,
        children=children + tuple(_outside(name, run.endpoints[name]) for name in outside),
        endpoints=run.endpoints,
        reason=run.reason,
    )


def _child(record: run_file.ChildRecord, boot_seconds: int) -> ChildShown:
    process = record.process if record.process and processes.is_alive(record.process) else None
    return ChildShown(
        name=record.name,
        state=record.state,
        pid=process.pid if process else None,
        endpoint=record.endpoint,
        memory_bytes=processes.memory(process.pid) if process else 0,
        uptime_s=processes.age(process, boot_seconds) if process else 0,
        restarts=record.restarts,
        reason=record.reason,
    )


def _outside(name: str, endpoint: str) -> ChildShown:
    return ChildShown(name=name, state="external", pid=None, endpoint=endpoint, memory_bytes=0, uptime_s=0, restarts=0)
