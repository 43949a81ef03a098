"""The right to change a folder in a bucket: an object that is only ever written under a condition.

Rules:
- A lease is taken by a conditional write on the version that was seen. It is never deleted: a delete has no condition.
- No clock of another machine is believed. A holder renews its lease every `beat` seconds; who wants it takes it over
  only after watching, by its own clock, that it stayed the same for `ttl` seconds.
- A holder stops by itself before anybody may take over: without a renewal it counts its lease as lost after three
  quarters of `ttl`, by a clock that does not stop while the machine sleeps.
- A holder on the same boot of this machine whose process is gone is known to be gone, and nobody waits for it.
- Whoever takes a lease first sees that the store keeps its conditions.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from stella.kernel.errors import StellaError
from stella.runtime.clock import SystemClock
from stella.runtime.errors import Busy, ObjectMissing, Overtaken, Unconditional
from stella.runtime.ports import Entropy
from stella.runtime.s3 import Objects, Outdated

LEASE = ".lock"
MAX_LEASE = 4096
SAFE = 0.75  # share of `ttl` that a holder may use since its last renewal; the rest is for what is under way
NO_VERSION = '"00000000000000000000000000000000"'  # an ETag that no object has

_held: set[str] = set()  # tokens of the leases of this process


class Terms(NamedTuple):
    """Seconds: how long a lease lasts, how often it is renewed and looked at, how long a dead holder has effects."""

    ttl: float = 20.0
    beat: float = 2.0
    poll: float = 0.25
    settle: float = 1.0


class Holder(msgspec.Struct, frozen=True):
    """A process, in a way that tells it from every other one."""

    host: str
    boot: str
    space: str
    pid: int
    started: str


class Paper(msgspec.Struct, frozen=True):
    """The bytes of a lease: `holder` is None when it is free. `beat` makes every version another one."""

    token: str
    beat: int
    holder: Holder | None
    schema: str = "stella.lease@1"


def _this_process() -> Holder:
    return Holder(socket.gethostname(), SystemClock().read().boot_id, _space(), os.getpid(), _started(os.getpid()))


def _space() -> str:
    """Which table of processes this one is in: containers of one machine share the boot and not the process ids."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process began, in ticks of this boot (proc_pid_stat(5)); empty when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        return stat.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _is_gone(paper: Paper) -> bool:
    """Whether the holder is certainly gone: it was this machine's, and its process has ended."""
    here, holder = _this_process(), paper.holder
    if holder is None or not holder.space or (holder.boot, holder.space) != (here.boot, here.space):
        return False
    if (holder.pid, holder.started) == (here.pid, here.started):
        return True  # and not in `_held`, where whoever asks has looked
    return _started(holder.pid) != holder.started


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """A lease on the objects below one prefix, from `acquire` to `release`."""

    def __init__(self, objects: Objects, entropy: Entropy, terms: Terms) -> None:
        self._objects = objects
        self._terms = terms
        self._paper = Paper(entropy(16).hex(), 0, _this_process())
        self._tag = ""
        self._until = 0.0
        self._lost = False
        self._turn = threading.Lock()
        self._end = threading.Event()
        self._renewals = threading.Thread(target=self._go_on_renewing, name="lease", daemon=True)

    # taking it

    def acquire(self) -> None:
        """Raises Busy when a living process holds it, Unconditional, or what requests raise."""
        seen = self._look()
        if seen is not None and seen[0].holder is not None:
            seen = self._when_given_up(*seen)
        _held.add(self._paper.token)  # before it can be seen: another thread must not take its holder for gone
        try:
            self._take(seen)
            self._see_that_conditions_count()
        except BaseException:
            self.release()
            raise
        self._renewals.start()

    def _take(self, seen: tuple[Paper, str] | None) -> None:
        try:
            self._write(seen[1] if seen else None)
        except Outdated:
            self._take_what_is_taken(self._look())

    def _take_what_is_taken(self, seen: tuple[Paper, str] | None) -> None:
        """Go on with a lease that an attempt without an answer has taken; raises Busy when it is another one's."""
        if seen is None or seen[0].token != self._paper.token:
            raise self._busy(seen)
        self._paper = seen[0]
        try:
            self._write(seen[1])
        except Outdated:
            raise self._busy(self._look()) from None

    def _look(self) -> tuple[Paper, str] | None:
        try:
            found = self._objects.get(LEASE, MAX_LEASE)
        except ObjectMissing:
            return None
        try:
            return msgspec.json.decode(found.data, type=Paper), found.tag
        except msgspec.DecodeError:  # nobody's writing; taken when it stays like this
            return Paper("", 0, Holder("unknown", "", "", 0, "")), found.tag

    def _when_given_up(self, paper: Paper, tag: str) -> tuple[Paper, str]:
        """The lease once its holder is gone for certain; raises Busy as soon as it is seen to live."""
        if paper.token in _held:
            raise self._busy((paper, tag))
        if _is_gone(paper):
            time.sleep(self._terms.settle)
            return paper, tag
        end = _now() + self._terms.ttl
        while _now() < end:
            time.sleep(self._terms.poll)
            seen = self._look()
            if seen is not None and seen[0].holder is None:
                return seen
            if seen is None or seen[1] != tag:
                raise self._busy(seen)
        return paper, tag

    def _busy(self, seen: tuple[Paper, str] | None) -> Busy:
        holder = seen[0].holder if seen else None
        named = f" (pid {holder.pid} on {holder.host})" if holder else ""
        return Busy(path=self._objects.shown, holder=named)

    def _see_that_conditions_count(self) -> None:
        """Two writes that a store must refuse; raises Unconditional when it does not."""
        data = msgspec.json.encode(self._paper)
        for tag in (None, NO_VERSION):
            try:
                self._objects.put_if(LEASE, data, tag)
            except Outdated:
                continue
            raise Unconditional(endpoint=self._objects.endpoint)

    # keeping it

    def _write(self, tag: str | None, *, kind: str = "put") -> None:
        asked = _now()
        paper = msgspec.structs.replace(self._paper, beat=self._paper.beat + 1)
        self._tag = self._objects.put_if(LEASE, msgspec.json.encode(paper), tag, kind=kind)
        self._paper, self._until = paper, asked + self._terms.ttl * SAFE

    def renew(self) -> None:
        """Raises Overtaken when the lease is another one's, or what requests raise."""
        with self._turn:
            if self._lost:
                raise Overtaken(path=self._objects.shown)
            try:
                self._write(self._tag, kind="renew")
            except Outdated:
                self._write_after(self._look())

    def _write_after(self, seen: tuple[Paper, str] | None) -> None:
        """Renew what a renewal without an answer may have renewed already."""
        try:
            if seen is not None and seen[0].token == self._paper.token and seen[0].holder is not None:
                self._paper = seen[0]
                self._write(seen[1], kind="renew")
                return
        except Outdated:
            pass
        self._lost = True
        raise Overtaken(path=self._objects.shown)

    def _go_on_renewing(self) -> None:
        while not self._end.wait(self._terms.beat):
            try:
                self.renew()
            except Overtaken:
                return
            except Exception:  # noqa: BLE001, S112  # whoever writes next finds out by the time, and says so
                continue

    def check(self, share: float = 0.0) -> None:
        """See that the lease still holds, with so much of its time left; raises Overtaken, or what requests raise."""
        if self._lost:
            raise Overtaken(path=self._objects.shown)
        if self._until - _now() <= share * self._terms.ttl:
            self.renew()

    # letting go

    def release(self) -> None:
        """Let go of it; what cannot be done is left to whoever comes next, who sees that nobody renews it.

        Raises nothing of the store's: what was done under the lease is done, or has its own error.
        """
        self._end.set()
        if self._renewals.ident is not None:
            self._renewals.join()
        _held.discard(self._paper.token)
        if not self._tag:
            return
        paper = msgspec.structs.replace(self._paper, beat=self._paper.beat + 1, holder=None)
        with contextlib.suppress(Outdated, StellaError):
            self._objects.put_if(LEASE, msgspec.json.encode(paper), self._tag)
