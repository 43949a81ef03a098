"""The clock of a drill, and traffic in step with it."""

from __future__ import annotations

import threading

import pytest

from stella.drill.clock import DrillClock
from stella.drill.traffic import Traffic
from stella.testing import ManualClock, SilentProgress


def test_a_step_moves_the_wall_clock_alone() -> None:
    clock = DrillClock(ManualClock(wall=1000, boot_seconds=50).read())
    clock.second()
    clock.step(-600)
    clock.second()
    reading = clock.read()
    assert (reading.wall, reading.boot_seconds, clock.passed, clock.now) == (402, 52, 2, 402)


def test_every_actor_works_once_in_each_second() -> None:
    clock = DrillClock(ManualClock().read())
    seen: list[tuple[str, int]] = []
    actors = [lambda name=name: seen.append((name, clock.passed)) for name in "abc"]
    with Traffic(actors, clock, 10_000, SilentProgress()) as traffic:
        assert not traffic.run(3)
        assert traffic.run(10, lambda: clock.passed == 5)
    assert sorted(seen) == [(name, second) for name in "abc" for second in range(1, 6)]
    assert not [thread for thread in threading.enumerate() if thread.name == "drill-tenant"]


def test_what_fails_in_a_thread_ends_the_drill() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    clock = DrillClock(ManualClock().read())
    with (
        pytest.raises(ZeroDivisionError),
        Traffic([lambda: None, broken], clock, 10_000, SilentProgress()) as traffic,
    ):
        traffic.run(3)
    assert clock.passed == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "drill-tenant"]


def test_an_interruption_ends_every_thread() -> None:
    def interrupted() -> bool:
        raise KeyboardInterrupt

    clock = DrillClock(ManualClock().read())
    with (
        pytest.raises(KeyboardInterrupt),
        Traffic([lambda: None] * 3, clock, 10_000, SilentProgress()) as traffic,
    ):
        traffic.run(3, interrupted)
    assert not [thread for thread in threading.enumerate() if thread.name == "drill-tenant"]
