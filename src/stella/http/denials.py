"""What a service refuses, and what befalls the issuers that it believes, written into the audit log of a tenant.

Rules:
- An event has a transaction of its own, in a thread of its own: whoever is refused waits for no log, and no verifier
  does. Its time is that of the denial.
- What is about nobody that is known is in the log of the installation's tenant.
- A flood is counted. Of one actor some denials in a minute are written one by one; the rest of that minute is one event
  for each kind, with the number of them as `count`.
- Events wait while the database is away. How many may wait is bounded; what finds no room is told in the service's log.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from stella.audit import tell
from stella.audit.model import ActorType, Outcome
from stella.http.jobs import trace_of
from stella.http.logs import Log
from stella.kernel.errors import StellaError
from stella.kernel.instant import Reading
from stella.kernel.tenant import DEFAULT_TENANT
from stella.operations import Context, Principal
from stella.runtime.errors import DatabaseUnavailable
from stella.runtime.ports import Clock
from stella.tenancy.jwks import AuthEvent

STRANGER = Principal("unknown", frozenset(), DEFAULT_TENANT)  # whose token proves nothing
VERIFIER = Principal("verifier", frozenset(), DEFAULT_TENANT)
SYSTEM = (STRANGER, VERIFIER)  # no persons
SEVERAL = "several"  # actors beyond those who are counted one by one

EACH = 60  # denials of one actor in a window that are written one by one
WINDOW = 60.0  # seconds
ACTORS = 1000  # who are counted one by one in a window
ROOM = 1000  # events that wait to be written
RESERVED = 100  # more, for what befalls issuers: no flood of denials hides it
RETRY = 0.5  # seconds between tries to reach a database that is away


class _Event(NamedTuple):
    """What is to be written. `at` is when it happened."""

    principal: Principal
    action: str
    resource: str
    facts: Mapping[str, str | int]
    at: Reading
    outcome: Outcome = "denied"


class _Moment:
    """A Clock that stands."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def read(self) -> Reading:
        return self._reading


class Denials:
    """Denials of one service. Every method but `end` returns at once, and may be called from any thread."""

    def __init__(self, log: Log, clock: Clock, window: float = WINDOW) -> None:
        self._log = log
        self._clock = clock
        self._window = window
        self._there = threading.Condition()
        self._waiting: deque[_Event] = deque()
        self._written: dict[Principal, int] = {}  # denials in this window, by actor
        self._folded: dict[tuple[Principal, str, str], _Event] = {}  # by actor, action and code
        self._closes = 0.0  # when this window does, by the monotonic clock
        self._lost = 0
        self._ending = False
        self._thread: threading.Thread | None = None

    def tell(self, principal: Principal, action: str, resource: str, **facts: str) -> None:
        """Let a denial be written, or counted."""
        event = _Event(principal, action, resource, facts, self._clock.read())
        with self._there:
            actor = self._counted(principal)
            if self._written[actor] <= EACH:
                self._put(event, ROOM)
            else:
                self._fold(event, actor)

    def turned(self, event: AuthEvent, issuer: str, problem: str) -> None:
        """The keys of an issuer can no longer be fetched, or can again."""
        facts, outcome = {"problem": problem} if problem else {}, "failure" if problem else "success"
        told = _Event(VERIFIER, event, issuer, facts, self._clock.read(), outcome)  # type: ignore[arg-type]  # one of two
        with self._there:
            self._put(told, ROOM + RESERVED)

    def start(self, ctx: Context) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._work, args=(ctx,), name="denials", daemon=True)
        self._thread.start()

    def end(self, patience: float) -> None:
        """Write what waits and what was counted, for so many seconds at most; a second call waits for nothing."""
        with self._there:
            ended, self._ending = self._ending, True
            self._there.notify()
        if self._thread is not None and not ended:
            self._thread.join(patience)
            with self._there:
                left = len(self._waiting) + sum(int(event.facts["count"]) for event in self._folded.values())
                self._waiting.clear()
            self._tell_lost(left)

    def _counted(self, principal: Principal) -> Principal:
        """Count a denial; as whose."""
        if not self._written:
            self._closes = time.monotonic() + self._window
            self._there.notify()  # so that the window is closed in time
        actor = dataclasses.replace(principal, scopes=frozenset())
        if actor not in self._written and len(self._written) >= ACTORS:
            actor = dataclasses.replace(actor, name=SEVERAL)
        self._written[actor] = self._written.get(actor, 0) + 1
        return actor

    def _fold(self, event: _Event, actor: Principal) -> None:
        """Count a denial that is one of many. The codes and reasons of errors are few, other facts are not."""
        kind = {name: event.facts[name] for name in ("code", "reason") if name in event.facts}
        key = (actor, event.action, str(kind.get("code", "")))
        before = self._folded.get(key)
        count = 1 if before is None else int(before.facts["count"]) + 1
        self._folded[key] = event._replace(principal=actor, resource="", facts=kind | {"count": count})

    def _put(self, event: _Event, room: int) -> None:
        if self._ending or len(self._waiting) >= room:  # at the end no refusal of a write may bring another one
            self._lost += 1
        else:
            self._waiting.append(event)
            self._there.notify()

    def _next(self) -> _Event | None:
        """The event to be written next; None at the end."""
        with self._there:
            while True:
                if self._written and (self._ending or time.monotonic() >= self._closes):
                    self._close_window()
                if self._waiting:
                    return self._waiting.popleft()
                if self._ending:
                    return None
                self._there.wait(max(self._closes - time.monotonic(), 0) if self._written else None)

    def _close_window(self) -> None:
        room = max(ROOM - len(self._waiting), 0)
        folded = list(self._folded.values())
        self._waiting.extend(folded[:room])
        self._lost += len(folded[room:])
        self._folded.clear()
        self._written.clear()

    def _work(self, ctx: Context) -> None:
        while (event := self._next()) is not None:
            self._write(ctx, event)
            with self._there:
                lost, self._lost = self._lost, 0
            self._tell_lost(lost)

    def _tell_lost(self, count: int) -> None:
        if count:
            self._log.event("denials_not_written", {"count": count})

    def _write(self, ctx: Context, event: _Event) -> None:
        """Write an event, however long the database is away; at the end there is one try."""
        while True:
            try:
                _written(ctx, event)
            except DatabaseUnavailable as error:
                if not self._ending:
                    time.sleep(RETRY)
                    continue
                self._not_written(event, error)
            except StellaError as error:
                self._not_written(event, error)
            except Exception as error:  # noqa: BLE001  # the next one may fare better
                self._log.event("failed", {"operation": event.action, "traceback": trace_of(error)})
            return

    def _not_written(self, event: _Event, error: StellaError) -> None:
        self._log.event("denial_not_written", {"action": event.action, "code": error.code})


def _written(ctx: Context, event: _Event) -> None:
    who = event.principal
    own = dataclasses.replace(ctx, principal=who, actor=who.name, clock=_Moment(event.at))
    kind: ActorType = "system" if who in SYSTEM else "user"
    with own.tenant() as t:
        tell.tell(
            own,
            t,
            event.action,
            event.resource,
            outcome=event.outcome,
            actor_type=kind,
            after=event.facts,
        )
