"""Undisturbed runs to measure by, the points at which a run is disturbed, and what must hold afterwards."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from stella.kernel.errors import StellaError
from stella.runtime.files import observe_steps
from tests.chaos import world
from tests.chaos.world import SCENARIOS, Scenario

HANDS = 3  # tests that share the points of a scenario; one of them runs every time, the others in the nightly run
SURVIVED, BROKE = 0, 70
SECONDS = 60  # a child that lives longer hangs


class Undisturbed(NamedTuple):
    """A run that nothing disturbs: where it began, its steps, its answer, and what there is before and after."""

    start: Path
    steps: list[str]
    result: object
    before: object
    after: object
    files: dict[str, bytes]
    inodes: dict[int, bytes]


def run_undisturbed(scenario: Scenario, start: Path, top: Path) -> Undisturbed:
    """Do it once, and see that all is well."""
    world.copy(start, top, without=scenario.bystander)
    before = world.pointer(top)
    steps: list[str] = []
    observe_steps(lambda kind, path: steps.append(f"{kind} {Path(path).relative_to(top).as_posix()}"))
    try:
        result = answer_of(scenario, top, "act")
    finally:
        observe_steps(None)
    found = Undisturbed(start, steps, result, before, world.pointer(top), world.tree(top), world.inodes(start))
    judge_end(scenario, start, top, deep=True)
    return found


def answer_of(scenario: Scenario, top: Path, seed: str) -> object:
    """What the command answers; for one that is always refused, why."""
    try:
        return world.plain(scenario.act(top, seed))
    except StellaError as problem:
        if problem.reason != scenario.refused:
            raise
        return problem.reason


def judge_end(scenario: Scenario, start: Path, top: Path, *, deep: bool) -> None:
    """Everything there is at the end is whole; a channel works on."""
    world.check_whole(top)
    if scenario.of_channel:
        world.check_rendering(top)
    if scenario.of_channel and deep:
        world.check_going_on(top, start)


def judge_middle(run: Undisturbed, top: Path) -> None:
    """A disturbed run leaves what was there before or what should become of it, and either is whole."""
    assert world.pointer(top) in {run.before, run.after}
    world.check_whole(top)


def judge_again(scenario: Scenario, run: Undisturbed, top: Path, *, deep: bool = True) -> None:
    """The same command finishes, and all is as after an undisturbed run; files that are the same need no other proof.

    `deep` lets a channel go on working as well, where its files are not the same because its keys are drawn anew.
    """
    try:
        result = answer_of(scenario, top, "again")
    except scenario.again:
        result = run.result
    assert world.temporary_files(top) == []
    if not scenario.exact:
        judge_end(scenario, run.start, top, deep=deep)
        return
    assert result == run.result
    found = world.tree(top, run.inodes)
    assert found.keys() ^ run.files.keys() == set()
    assert [name for name, data in found.items() if data != run.files[name]] == []


def hands() -> list[object]:
    """Parameters of a test: each scenario, a hand at a time."""
    return [
        pytest.param(
            scenario, hand, id=f"{scenario.name}-{hand}", marks=() if hand == at % HANDS else pytest.mark.nightly
        )
        for at, scenario in enumerate(SCENARIOS)
        for hand in range(HANDS)
    ]


def points(run: Undisturbed, hand: int) -> Iterator[int]:
    """Every point of one hand. Point n is before step n, counted from 1; the last one is behind all steps."""
    steps = [*run.steps, "the end"]
    yield from range(hand + 1, len(steps) + 1, HANDS)


def killed_before(point: int, act: Callable[[], object], log: Path) -> int:
    """Run in a child that gets SIGKILL before step `point`; its exit code, or minus the signal that ended it.

    `log` takes a line for each step that was announced, the last one included, before which it was killed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child of a process with threads; it only runs `act`
        child = os.fork()
    if not child:
        code = BROKE
        try:
            signal.alarm(SECONDS)
            observe_steps(_killer(point, log))
            act()
            code = SURVIVED
        except StellaError as problem:
            code = int(problem.exit)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _killer(point: int, log: Path) -> Callable[[str, str], None]:
    steps = count(1)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def observe(kind: str, path: str) -> None:
        os.write(handle, f"{kind} {path}\n".encode())
        if next(steps) == point:
            os.kill(os.getpid(), signal.SIGKILL)

    return observe


def expected_end(scenario: Scenario, run: Undisturbed, point: int) -> int:
    """How a child ends that is killed at a point; the last point is too late."""
    if point <= len(run.steps):
        return -signal.SIGKILL
    return 6 if scenario.refused else SURVIVED
