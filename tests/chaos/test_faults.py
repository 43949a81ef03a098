"""A full disk, a disk that fails once, and Ctrl-C, at every step of every command that changes a channel or a site.

Rules:
- The command says so with its own error, never with another; no temporary file stays, not even until the next command.
- Afterwards the channel or site is as before or as it should become, and whole; the same command again finishes.
- All points are tried, not a sample.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from stella.kernel.errors import Exit, StellaError
from stella.runtime.errors import DiskFull, Unwritable
from stella.runtime.files import observe_steps
from tests.chaos import world
from tests.chaos.disturb import Undisturbed, hands, judge_again, judge_middle, points
from tests.chaos.world import Scenario

Find = Callable[[Scenario], Undisturbed]


def _raise(problem: BaseException) -> None:
    raise problem


FAULTS: dict[str, tuple[Callable[[int, int], bool], Callable[[], BaseException], type[BaseException]]] = {
    "full": (lambda step, point: step >= point, lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), DiskFull),
    "broken": (lambda step, point: step == point, lambda: OSError(errno.EIO, os.strerror(errno.EIO)), Unwritable),
    "stopped": (lambda step, point: step == point, KeyboardInterrupt, KeyboardInterrupt),
}


def disturbed(scenario: Scenario, top: Path, point: int, fault: str) -> BaseException | None:
    """Do it with a fault at a step; what it raises."""
    meets, make, _ = FAULTS[fault]
    steps = count(1)
    observe_steps(lambda *_: _raise(make()) if meets(next(steps), point) else None)
    try:
        scenario.act(top, "act")
    except (StellaError, KeyboardInterrupt) as problem:
        return problem
    finally:
        observe_steps(None)
    return None


@pytest.mark.parametrize("fault", sorted(FAULTS))
@pytest.mark.parametrize(("scenario", "hand"), hands())
def test_a_fault_is_named_and_leaves_all_old_or_new(
    scenario: Scenario, hand: int, fault: str, undisturbed: Find, place: Path
) -> None:
    run = undisturbed(scenario)
    for point in points(run, hand):
        top = world.copy(run.start, place / "world", without=scenario.bystander)
        problem = disturbed(scenario, top, point, fault)
        judge_problem(problem, scenario, fault, late=point > len(run.steps))
        assert world.temporary_files(top) == []
        judge_middle(run, top)
        judge_again(scenario, run, top, deep=False)
        shutil.rmtree(top)


def judge_problem(problem: BaseException | None, scenario: Scenario, fault: str, *, late: bool) -> None:
    """A fault shows as what it is; a bundle that is refused anyway is refused for its own reason once that is known."""
    if isinstance(problem, StellaError) and scenario.refused and problem.reason == scenario.refused:
        assert fault != "stopped" or late
        return
    expected = type(None) if late else FAULTS[fault][2]
    assert type(problem) is expected, problem
    if isinstance(problem, StellaError):
        assert problem.exit is Exit.TRANSIENT
