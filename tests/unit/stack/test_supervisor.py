"""What a supervisor reports, and what it ends of an earlier one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from stella.runtime import processes, run_file
from stella.runtime.errors import DiskFull
from stella.runtime.processes import Process
from stella.runtime.run_file import Run, StackState
from stella.stack import supervisor
from stella.stack.layout import Layout
from stella.stack.supervisor import Stack, recover, turn_logs
from stella.testing import ManualClock
from tests.unit.stack.test_rules import PLAN, child, run


@pytest.fixture
def sleeper(monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """A process that nobody asks to end."""
    monkeypatch.setattr(supervisor, "ORPHAN_PATIENCE", 0.05)
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        found = processes.identify(process.pid)
        assert found is not None
        yield found
        process.kill()


def report(process: Process) -> Run:
    return run(StackState.READY, msgspec.structs.replace(child("nats", "ready"), process=process))


def test_what_an_earlier_run_left_is_ended(sleeper: Process, tmp_path: Path) -> None:
    recover(Layout(tmp_path), report(sleeper), "b")
    assert not processes.is_alive(sleeper)


@pytest.mark.parametrize("other", ["boot", "birth"])
def test_a_process_that_only_has_the_same_id_is_left_alone(other: str, sleeper: Process, tmp_path: Path) -> None:
    born = sleeper.born + (other == "birth")
    recover(Layout(tmp_path), report(Process(sleeper.pid, born)), "another" if other == "boot" else "b")
    assert processes.is_alive(sleeper)


def test_a_full_disk_does_not_end_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack(Layout(tmp_path), PLAN, ManualClock())
    run_file.write(tmp_path, stack.run)

    def full(data: Path, _: Run) -> None:
        raise DiskFull(path=data)

    monkeypatch.setattr(run_file, "write", full)
    changed = stack._report(msgspec.structs.replace(stack.run, state=StackState.READY))
    assert changed.state is StackState.READY
    assert stack.run is changed
    assert run_file.read(tmp_path) != changed


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    whole = Stack(Layout(tmp_path), PLAN, ManualClock()).run
    run_file.write(tmp_path, whole)
    assert run_file.read(tmp_path) == whole
    assert (tmp_path / "run.json").stat().st_mode & 0o777 == 0o600
    (tmp_path / "run.json").write_text("{")
    assert run_file.read(tmp_path) is None
    assert run_file.read(tmp_path / "none") is None


def test_only_large_logs_are_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "MAX_LOG", 4)
    (tmp_path / "log").mkdir()
    (tmp_path / "log/a.log").write_text("12345")
    (tmp_path / "log/b.log").write_text("1234")
    turn_logs(Layout(tmp_path))
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == ["a.old", "b.log"]
