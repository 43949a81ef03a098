"""A full disk, a disk that fails once, and Ctrl-C, at every step of every command that changes a channel or a site.

Rules:
- The command says so with its own error, never with another; no temporary file stays, not even until the next command.
- Afterwards the channel or site is as before or as it should become, and whole; the same command again finishes.
- Every third point is tried every time, and all that are left in the nightly run.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
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
        judge_problem(problem, scenario, run, fault, point)
        assert world.temporary_files(top) == []
        judge_middle(run, top)
        judge_again(scenario, run, top, deep=False)
        shutil.rmtree(top)


def judge_problem(problem: BaseException | None, scenario: Scenario, run: Undisturbed, fault: str, point: int) -> None:
    """A fault shows as what it is; once a bundle is known to be bad its refusal counts, and later nothing else."""
    end = len(run.steps) + 1
    if scenario.refused and isinstance(problem, StellaError) and problem.reason == scenario.refused:
        return
    case = next((at for at, step in enumerate(run.steps, 1) if "quarantine/" in step), end)
    assert not scenario.refused or point < case or fault == "stopped"
    assert type(problem) is (type(None) if point == end else FAULTS[fault][2]), problem
    if isinstance(problem, StellaError):
        assert problem.exit is Exit.TRANSIENT


SCRATCH = ["create-thin", "import-thin"]


@pytest.mark.parametrize("name", SCRATCH)
def test_no_room_for_work_in_progress(
    name: str, undisturbed: Find, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = world.scenario(name)
    run = undisturbed(scenario)
    top = world.copy(run.start, place / "world", without=scenario.bystander)
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "mkdtemp", lambda *_, **__: _raise(OSError(errno.ENOSPC, "no space")))
        with pytest.raises(DiskFull):
            scenario.act(top, "act")
    judge_middle(run, top)
    assert world.temporary_files(top) == []
    judge_again(scenario, run, top)
