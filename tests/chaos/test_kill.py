"""kill -9 before every step of every command that changes a channel or a site, and once after the last.

Rules:
- The command runs in a child that kills itself; what is left on the disk is judged by this process.
- Afterwards the channel or site is as before or as it should become, and whole; the same command again finishes.
- A power cut is a kill that also takes what was not made durable: bytes without fsync, names whose folder has none.
- The steps of an undisturbed run are counted, and dealt out to three tests. One of them runs every time; the nightly
  run tries all points that are left.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import stella.bundle.receive
import stella.mirror.thin
from stella.bundle import delta
from stella.bundle.errors import WorkerKilled
from stella.runtime.errors import Unwritable
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
        code = killed_before(point, partial(scenario.act, top, "act"), place / "log")
        assert code == expected_end(scenario, run, point)
        judge_middle(run, top)
        cut_power(top, place / "log", run, point)
        judge_middle(run, top)
        judge_again(scenario, run, top)
        shutil.rmtree(top)


def cut_power(top: Path, log: Path, run: Undisturbed, point: int) -> None:
    """Take from a world what its steps did not make durable: half of the names, and the bytes where a name stays."""
    steps = log.read_text().splitlines()
    torn, lost = undurable(steps[: point - 1], top, run.start)
    for path in lost:
        if (zlib.crc32(path.name.encode()) + point) % 2:  # the other half at the next point
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for path in torn:
        if path.exists():
            path.unlink()
            path.write_bytes(b"")


def undurable(steps: list[str], top: Path, start: Path) -> tuple[set[Path], set[Path]]:
    """Files whose bytes, and new files and folders whose names, a power cut after these steps may take.

    A name that was there before is not taken: it would come back with bytes that are gone here.
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
        elif kind == "rename":
            torn = torn - {path} if path in synced else torn | {path}
        elif kind == "fsync_dir":
            lost = {entry for entry in lost if entry.parent != path}
        elif kind == "syncfs":
            torn, lost = set(), set()
        if kind in {"rename", "mkdir"}:
            lost.add(path)
    return torn, {path for path in lost if not (start / path.relative_to(top)).exists()}


@pytest.fixture
def real_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deltas in a process of their own, as they really are."""
    monkeypatch.setattr(stella.bundle.receive, "delta_worker", delta.delta_worker)
    monkeypatch.setattr(stella.mirror.thin, "delta_worker", delta.delta_worker)


@pytest.mark.usefixtures("real_worker")
@pytest.mark.parametrize("name", ["create-thin", "import-thin"])
def test_a_delta_worker_ends_with_the_process_that_was_killed(
    name: str, undisturbed: Find, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAOS_PLACE", str(place))  # names the workers of this test
    scenario = world.scenario(name)
    run = undisturbed(scenario)
    point = next(
        number for number, step in enumerate(run.steps, 1) if number > len(run.steps) // 2 and "rename" in step
    )
    top = world.copy(run.start, place / "world", without=scenario.bystander)
    assert killed_before(point, partial(scenario.act, top, "act"), place / "log") == expected_end(scenario, run, point)
    judge_again(scenario, run, top)
    for _ in range(100):
        if not workers(place):
            return
        time.sleep(0.1)
    pytest.fail("a worker goes on without anyone to work for")


def workers(place: Path) -> list[str]:
    """Process ids of delta workers that were started with this place in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words, variables = ((process / name).read_bytes() for name in ("cmdline", "environ"))
            if b"stella.bundle.delta_worker" in words and str(place).encode() in variables:
                found.append(process.name)
    return found


def test_the_points_are_all_of_them(undisturbed: Find) -> None:
    kinds = {step.partition(" ")[0] for step in undisturbed(world.scenario("import-pruning")).steps}
    assert {"create", "write", "fsync", "rename", "fsync_dir", "syncfs", "mkdir", "unlink"} <= kinds
    made = undisturbed(world.scenario("create-thin")).result
    assert isinstance(made, dict)
    assert (made["thin"], made["deltas"]) == (True, 1)


@pytest.mark.usefixtures("real_worker")
@pytest.mark.parametrize("name", ["create-thin", "import-thin"])
def test_a_killed_delta_worker_is_not_the_bundle_s_fault(
    name: str, undisturbed: Find, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = world.scenario(name)
    run = undisturbed(scenario)
    top = world.copy(run.start, place / "world", without=scenario.bystander)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(killer(place / "python")))
        with pytest.raises(WorkerKilled):
            scenario.act(top, "act")
    judge_middle(run, top)
    assert not (top / "D/quarantine").exists()
    judge_again(scenario, run, top)


def killer(path: Path) -> Path:
    """A program that is killed at its first job."""
    path.write_text("#!/bin/sh\nread job\nkill -9 $$\n")
    path.chmod(0o700)
    return path


@pytest.mark.usefixtures("real_worker")
@pytest.mark.parametrize("name", ["create-thin", "import-thin"])
def test_a_full_disk_under_a_delta_worker_is_not_the_bundle_s_fault(
    name: str, undisturbed: Find, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = world.scenario(name)
    run = undisturbed(scenario)
    top = world.copy(run.start, place / "world", without=scenario.bystander)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(small_disk(place / "python")))
        with pytest.raises(Unwritable, match="File too large"):
            scenario.act(top, "act")
    judge_middle(run, top)
    assert not (top / "D/quarantine").exists()
    judge_again(scenario, run, top)


def small_disk(path: Path) -> Path:
    """An interpreter that may write only half a kilobyte to a file."""
    path.write_text(f'#!/bin/sh\nulimit -f 1\nexec {shlex.quote(sys.executable)} -B "$@"\n')
    path.chmod(0o700)
    return path
