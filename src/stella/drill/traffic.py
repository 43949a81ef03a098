"""Requests of many tenants, in step with the clock of the drill.

Rules:
- In each second of the drill every tenant sends ten requests, nine reads and one write, from a thread of its own.
- The clock moves when all have done so, and no faster than asked. So a drill has the same requests on every machine.
- Whatever happens in a thread ends the drill; Ctrl-C ends every thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from stella.drill.clock import DrillClock
from stella.kernel.instant import Seconds
from stella.runtime.ports import Progress

READS, WRITES = 9, 1  # of a tenant in a second: 90 % and 10 %

Actor = Callable[[], None]  # does its share of one second


class Traffic:
    """Runs actors, each in a thread of its own, for as many seconds as `run` is told."""

    def __init__(self, actors: Sequence[Actor], clock: DrillClock, speed: int, progress: Progress) -> None:
        self._clock = clock
        self._least = 1 / speed
        self._progress = progress
        self._failure: BaseException | None = None
        self._gate = threading.Barrier(len(actors) + 1)
        self._threads = [
            threading.Thread(target=self._work, args=(actor,), name="drill-tenant", daemon=True) for actor in actors
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._gate.abort()
        for thread in self._threads:
            thread.join()

    def run(self, seconds: Seconds, after: Callable[[], bool] = lambda: False) -> bool:
        """Let seconds pass; `after` is asked after each and ends it early. Whether it did."""
        for _ in range(seconds):
            began = time.monotonic()
            self._clock.second()
            self._step()  # lets them go
            self._step()  # all are back
            self._progress.advance(1)
            if after():
                return True
            time.sleep(max(began + self._least - time.monotonic(), 0))
        return False

    def _step(self) -> None:
        try:
            self._gate.wait()
        except threading.BrokenBarrierError:
            raise self._failure or RuntimeError("the traffic was ended") from None

    def _work(self, actor: Actor) -> None:
        try:
            while True:
                self._gate.wait()
                actor()
                self._gate.wait()
        except threading.BrokenBarrierError:
            return
        except BaseException as error:  # noqa: BLE001  # raised again where the drill is conducted
            self._failure = error
            self._gate.abort()
