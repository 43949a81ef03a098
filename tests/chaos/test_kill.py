"""kill -9 before every step of every command that changes a channel or a site, and once after the last.

Rules:
- The command runs in a child that kills itself; what is left on the disk is judged by this process.
- Afterwards the channel or site is as before or as it should become, and whole; the same command again finishes.
- A power cut is a kill that also takes what was not made durable: bytes without fsync, names whose folder was not synced.
- All points are tried, not a sample: the steps of an undisturbed run are counted, and dealt out to the tests of a scenario.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import stella.bundle.receive
import stella.mirror.thin
from stella.bundle import delta
from tests.chaos import world
from tests.chaos.disturb import (
    Undisturbed,
    expected_end,
    hands,
    judge_again,
    judge_middle,
    killed_before,
    points,
)
from tests.chaos.world import Scenario

Find = Callable[[Scenario], Undisturbed]


@pytest.mark.parametrize(("scenario", "hand"), hands())
def test_after_a_kill_all_is_old_or_new_and_the_same_command_finishes(
    scenario: Scenario, hand: int, undisturbed: Find, place: Path
) -> None:
    run = undisturbed(scenario)
    for point in points(run, hand):
        top = world.copy(run.start, place / "world", without=scenario.bystander)
        code = killed_before(point, lambda top=top: scenario.act(top, "act"), place / "log")
        assert code == expected_end(scenario, run, point)
        judge_middle(run, top)
        cut_power(top, place / "log", run, killed=point <= len(run.steps))
        judge_middle(run, top)
        judge_again(scenario, run, top)
        shutil.rmtree(top)


def cut_power(top: Path, log: Path, run: Undisturbed, *, killed: bool) -> None:
    """Take from a world what its steps did not make durable."""
    torn, lost = undurable(log.read_text().splitlines()[: -1 if killed else None], run)
    for path in lost:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for path in torn - lost:
        if path.exists():
            path.unlink()
            path.write_bytes(b"")
    assert top.is_dir()


def undurable(steps: list[str], run: Undisturbed) -> tuple[set[Path], set[Path]]:
    """Files whose bytes, and new files and folders whose names, a power cut after these steps may take.

    A name that was there before is not taken: what it named before is gone, and no step replaces a name without syncing.
    """
    synced: set[Path] = set()
    torn: set[Path] = set()
    lost: set[Path] = set()
    for step in steps:
        kind, _, name = step.partition(" ")
        path = Path(name)
        if kind == "create":
            synced.discard(path)
        elif kind == "fsync":
            synced.add(path)
        elif kind == "rename" and path not in synced:
            torn.add(path)
        elif kind == "fsync_dir":
            lost = {entry for entry in lost if entry.parent != path}
        elif kind == "syncfs":
            torn, lost = set(), set()
        if kind in {"rename", "mkdir"} and path.name not in POINTERS:
            lost.add(path)
    return torn, {path for path in lost if kept_name(path, run)}


POINTERS = {"head.json", "state.json"}  # replaced by a rename and a sync of the folder, one after the other


def kept_name(path: Path, run: Undisturbed) -> bool:
    """Whether the name is new: an older one, hard linked to the start, would come back with its older bytes."""
    inside = [Path(*path.parts[at:]) for at, part in enumerate(path.parts) if part in {"M", "D"}]
    return not any((run.start / name).exists() for name in inside)


@pytest.fixture
def real_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deltas in a process of their own, as they really are."""
    monkeypatch.setattr(stella.bundle.receive, "delta_worker", delta.delta_worker)
    monkeypatch.setattr(stella.mirror.thin, "delta_worker", delta.delta_worker)


@pytest.mark.usefixtures("real_worker")
@pytest.mark.parametrize("name", ["create-thin", "import-thin"])
def test_a_delta_worker_ends_with_the_process_that_was_killed(name: str, undisturbed: Find, place: Path) -> None:
    scenario = world.scenario(name)
    run = undisturbed(scenario)
    before = workers()
    point = next(
        number for number, step in enumerate(run.steps, 1) if number > len(run.steps) // 2 and "rename" in step
    )
    top = world.copy(run.start, place / "world", without=scenario.bystander)
    killed_before(point, lambda: scenario.act(top, "act"), place / "log")
    judge_again(scenario, run, top)
    assert workers() <= before


def workers() -> set[str]:
    """Process ids of delta workers."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"stella.bundle.delta_worker" in (process / "cmdline").read_bytes():
                found.add(process.name)
        except OSError:
            continue
    return found


def test_the_points_are_all_of_them(undisturbed: Find) -> None:
    scenario = world.scenario("import-pruning")
    kinds = {step.partition(" ")[0] for step in undisturbed(scenario).steps}
    assert {"create", "write", "fsync", "rename", "fsync_dir", "mkdir", "unlink"} <= kinds
    assert os.getpid()
