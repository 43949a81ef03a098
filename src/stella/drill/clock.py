"""The clock of a drill.

Rules:
- It moves when the conductor says so, by whole seconds, so that five minutes pass in as many steps as the traffic
  takes: a machine that stalls makes a drill longer and never makes it fail.
- What is drilled sees a Clock like any other.
"""

from __future__ import annotations

from stella.kernel.instant import Instant, Reading, Seconds


class DrillClock:
    """A Clock whose seconds are those of a drill."""

    def __init__(self, begin: Reading) -> None:
        self._begin = begin
        self._shift = 0
        self.passed: Seconds = 0
        self._reading = begin

    def read(self) -> Reading:
        return self._reading

    @property
    def now(self) -> Instant:
        return self._reading.wall

    def second(self) -> None:
        """Let one second pass on both clocks."""
        self.passed += 1
        self._show()

    def step(self, seconds: Seconds) -> None:
        """Set the wall clock alone, as a person, a time server or a dead battery does."""
        self._shift += seconds
        self._show()

    def _show(self) -> None:
        wall, boot = self._begin.wall + self.passed + self._shift, self._begin.boot_seconds + self.passed
        self._reading = Reading(wall, self._begin.boot_id, boot)
