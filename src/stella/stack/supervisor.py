"""The process that owns a stack: `python -m stella.stack.supervisor LOCK DATA PLAN`, or `up --foreground`.

Rules:
- It is given the lock by whoever starts it, so that nobody else can come between.
- `run.json` is written before the first child is started and after each change.
- What a supervisor that was killed has left is ended before anything is started.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

import msgspec

from stella.kernel.errors import StellaError
from stella.kernel.instant import format_time
from stella.runtime import nats_server, postgres_server, processes, run_file, seaweed_server, valkey_server
from stella.runtime.clock import SystemClock
from stella.runtime.ports import Clock
from stella.runtime.processes import Process
from stella.runtime.run_file import ChildRecord, Run, StackState
from stella.runtime.supervise import Child, ChildState, Supervisor, WillNotStart
from stella.stack import rules, servers
from stella.stack.layout import Layout, Lock
from stella.stack.model import Plan

ORPHAN_PATIENCE = 10.0  # seconds for what a killed supervisor left to end by itself
MAX_LOG = 16 << 20  # bytes; a log that is larger at a start becomes `.old`


class Stack:
    """A plan being run, and its report."""

    def __init__(self, layout: Layout, plan: Plan, clock: Clock) -> None:
        self.layout = layout
        self.plan = plan
        self.run = Run(
            state=StackState.STARTING,
            boot=clock.read().boot_id,
            supervisor=processes.identify(os.getpid()),
            digest=rules.digest(plan),
            plan=msgspec.to_builtins(plan),
            started=format_time(clock.read().wall),
            sockets=str(layout.sockets),
            children=(),
            endpoints={},
            secrets=servers.references(layout, plan),
        )
        self.outside: dict[str, str] = {}

    def supervise(self) -> Run:
        """Run until told to stop; the last report."""
        before = run_file.read(self.layout.data)
        recover(self.layout, before, self.run.boot)
        run_file.write(self.layout.data, self.run)
        turn_logs(self.layout)
        try:
            if not self.plan.postgres_dsn:
                postgres_server.forget_variables()
            self.outside = servers.external(self.plan)
            asked = Supervisor(servers.services(self.layout, self.plan), self.changed).run()
        except WillNotStart as problem:
            return self._report(msgspec.structs.replace(self.run, state=StackState.FAILED, reason=str(problem)))
        except KeyboardInterrupt:  # before or after the supervisor, which answers to signals itself
            self._report(msgspec.structs.replace(self.run, state=StackState.STOPPED, endpoints={}))
            raise
        last = StackState.STOPPED if asked else StackState.FAILED
        return self._report(msgspec.structs.replace(self.run, state=last, endpoints={}))

    def changed(self, supervisor: Supervisor) -> None:
        """Write the report after a change; raises StellaError, such as that of a full disk."""
        children = tuple(map(self._record, supervisor.children))
        endpoints = dict(self.outside)
        for child in supervisor.children:
            if child.state is ChildState.READY:
                endpoints |= child.endpoints
        state, reason = rules.state_of(children, stopping=supervisor.stopping or supervisor.broken())
        reason = reason or self.run.reason if state is StackState.STOPPING else reason
        self.run = msgspec.structs.replace(self.run, state=state, children=children, endpoints=endpoints, reason=reason)
        run_file.write(self.layout.data, self.run)

    def _report(self, run: Run) -> Run:
        """Say how it ended, if the disk takes it."""
        self.run = run
        with contextlib.suppress(StellaError):
            run_file.write(self.layout.data, run)
        return run

    def _record(self, child: Child) -> ChildRecord:
        process = processes.identify(child.process.pid) if child.process else None
        endpoint = next(iter(child.endpoints.values()), "") if child.state is ChildState.READY else ""
        return ChildRecord(
            name=child.name,
            state=child.state,
            process=process,
            endpoint=endpoint,
            restarts=child.restarts,
            reason=child.reason,
            log=str(child.service.log),
        )


def recover(layout: Layout, before: Run | None, boot: str) -> None:
    """End what is left of an earlier run; the death signal has asked for it already, so most of it is gone."""
    left = set(orphans(layout))
    if before is not None and before.boot == boot:
        left |= {child.process for child in before.children if child.process and processes.is_alive(child.process)}
    for process in processes.gone(left, ORPHAN_PATIENCE):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    processes.gone(left, ORPHAN_PATIENCE)


def orphans(layout: Layout) -> list[Process]:
    """Servers that work in this stack's folder; whoever asks holds the lock, so they have no supervisor."""
    programs = [nats_server.program(), valkey_server.program(), seaweed_server.program()]
    tools = [postgres_server.binaries() / name for name in ("postgres", "initdb")]
    return processes.running_in(layout.data, [*filter(None, programs), *tools])


def turn_logs(layout: Layout) -> None:
    """Set aside logs that have grown large."""
    for log in (layout.data / "log").glob("*.log"):
        if log.stat().st_size > MAX_LOG:
            log.replace(log.with_suffix(".old"))


def main(arguments: list[str]) -> int:
    """Supervise as a process of its own; the exit code."""
    handle, data, plan = arguments
    lock = Lock(int(handle))
    lock.claim()
    os.set_inheritable(lock.handle, False)  # noqa: FBT003  # the children must not keep the lock alive
    stack = Stack(Layout(Path(data)), msgspec.json.decode(plan, type=Plan), SystemClock())
    return int(stack.supervise().state is not StackState.STOPPED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
