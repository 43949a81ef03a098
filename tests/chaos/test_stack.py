"""kill -9 of each child, and of the supervisor at each step of a start and a stop: no orphan, no lost data."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stella.runtime import processes
from stella.stack.layout import Layout, holder
from tests.e2e.material import environment
from tests.stacks import Stack, example, folder, stack, stopped

__all__ = ["example", "stack", "stopped"]  # fixtures
pytestmark = [pytest.mark.network, pytest.mark.slow]

SAMPLE = 41  # every so manieth step on each run; the nightly run takes all of them


def stepping(stack: Stack, step: int) -> tuple[int, list[str]]:
    """Start and stop in one process that kills itself at a step; its exit code and the steps it came to."""
    trail = stack.top / "trail"
    trail.unlink(missing_ok=True)
    words = ["-m", "tests.chaos.stack_steps", str(step), str(trail), "up", "--foreground", "--data", str(stack.data)]
    done = subprocess.run(
        [sys.executable, *words], env=environment(stack.top), capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, trail.read_text().splitlines()


def killed_at(stack: Stack, step: int) -> str:
    """Kill at a step, then see that everything ends by itself; what the step was."""
    code, steps = stepping(stack, step)
    assert code == -signal.SIGKILL, (step, steps)
    assert holder(Layout(stack.data)) is None
    stack.until(lambda: not stack.living())
    return steps[-1]


def steps_of(stack: Stack) -> int:
    code, steps = stepping(stack, 0)
    assert code == 0, (steps, stack.logs())
    assert steps[-1] == "reported stopped"
    return len(steps)


@pytest.mark.parametrize("every", [SAMPLE, pytest.param(1, marks=pytest.mark.nightly)])
def test_the_first_start_killed_at_each_step(every: int) -> None:
    with folder() as first:
        last = steps_of(first)
    assert last > 40
    for step in range(1, last + 1, every):
        with folder() as stack:
            what = killed_at(stack, step)
            done = stack.call("status")
            assert done.returncode == 4, (what, done.stdout)
            stack.up()
            assert stack.call("status").returncode == 0, what
            with stack.connect() as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("every", [SAMPLE, pytest.param(1, marks=pytest.mark.nightly)])
def test_a_later_start_and_stop_killed_at_each_step(every: int, stopped: Stack) -> None:
    last = steps_of(stopped)
    assert last > 15
    for step in range(1, last + 1, every):
        what = killed_at(stopped, step)
        stopped.up()
        assert stopped.rows() == ["first"], what
        assert stopped.call("down").returncode == 0, what


def test_a_killed_supervisor_takes_its_children_along(stopped: Stack) -> None:
    stopped.up()
    stopped.write("kept")
    os.kill(stopped.up()["supervisor"], signal.SIGKILL)
    stopped.until(lambda: not stopped.living())
    assert "database system is shut down" in (stopped.data / "log/postgres.log").read_text()
    done = stopped.call("status")
    assert (done.returncode, "its supervisor was killed" in done.json["detail"]) == (4, True)
    doctor = stopped.call("doctor")
    assert doctor.returncode == 6
    assert [check["id"] for check in doctor.json["checks"] if check["verdict"] == "fail"] == ["check.lock.stale"]
    assert stopped.up()["already"] is False
    assert stopped.rows() == ["first", "kept"]


def test_up_at_once_after_a_killed_supervisor(stopped: Stack) -> None:
    for number in range(3):
        stopped.write(str(number)) if number else None
        os.kill(stopped.up()["supervisor"], signal.SIGKILL)
        stopped.up()
    assert stopped.rows() == ["1", "2", "first"]


@pytest.mark.parametrize("name", ["postgres", "nats", "valkey", "s3"])
def test_a_killed_child_comes_back(name: str, stopped: Stack) -> None:
    stopped.up("--profile", "full" if name in {"valkey", "s3"} else "core")
    before = stopped.run()
    for text in ("one", "two"):
        stopped.write(text)
        pid = stopped.pid(name)
        os.kill(pid, signal.SIGKILL)
        stopped.until_replaced(name, pid)
    assert stopped.rows() == ["first", "one", "two"]
    assert stopped.run().endpoints == before.endpoints
    (child,) = (child for child in stopped.call("status").json["children"] if child["name"] == name)
    assert child["restarts"] >= 2
    assert stopped.call("doctor").returncode == 0


def test_every_process_of_postgres_killed_at_once(stopped: Stack) -> None:
    stopped.up()
    stopped.write("kept")
    pid = stopped.pid("postgres")
    for found in processes.running_in(stopped.data / "postgres", [Path(f"/proc/{pid}/exe").readlink()]):
        with contextlib.suppress(ProcessLookupError):  # it has seen its postmaster end
            os.kill(found.pid, signal.SIGKILL)
    stopped.until_replaced("postgres", pid)
    assert stopped.rows() == ["first", "kept"]


def test_a_child_that_cannot_live_ends_the_stack_with_its_reason(stopped: Stack) -> None:
    (stopped.data / "postgres/global/pg_control").write_bytes(b"")
    done = stopped.call("up")
    assert (done.returncode, done.json["code"]) == (10, "STACK-005")
    assert "pg_control" in done.json["detail"]
    assert "postgres" in stopped.run().reason
    assert stopped.run().state == "failed"
    assert stopped.living() == []
    status = stopped.call("status")
    assert (status.returncode, "pg_control" in status.json["detail"]) == (4, True)


def test_a_child_that_is_killed_too_often_ends_the_stack(stopped: Stack) -> None:
    supervisor = stopped.up()["supervisor"]
    end = time.monotonic() + 30
    while processes.identify(supervisor) and time.monotonic() < end:
        run = stopped.run()
        for child in run.children:
            if child.name == "nats" and child.process and processes.is_alive(child.process):
                os.kill(child.process.pid, signal.SIGKILL)
        time.sleep(0.02)
    assert processes.identify(supervisor) is None
    assert (stopped.run().state, "ended by SIGKILL" in stopped.run().reason) == ("failed", True)
    assert stopped.living() == []


def test_a_store_that_nothing_needs_may_fail_alone(stopped: Stack) -> None:
    stopped.up("--profile", "full")

    def kill() -> bool:
        run = stopped.run()
        for child in run.children:
            if child.name == "valkey" and child.process and processes.is_alive(child.process):
                os.kill(child.process.pid, signal.SIGKILL)
        return run.state == "failed"

    stopped.until(kill)
    done = stopped.call("status")
    states = {child["name"]: child["state"] for child in done.json["children"]}
    assert (done.returncode, done.json["state"]) == (10, "failed")
    assert (states["valkey"], states["postgres"], states["nats"], states["s3"]) == ("failed", "ready", "ready", "ready")
    assert stopped.rows() == ["first"]
    assert stopped.call("doctor").returncode == 6
    again = stopped.up("--profile", "full")
    assert (again["already"], again["state"]) == (True, "ready")
    assert stopped.call("status").returncode == 0


def test_two_starts_at_once_make_one_stack(stack: Stack) -> None:
    words = [sys.executable, "-m", "stella", "up", "--data", str(stack.data), "--json"]
    both = [subprocess.Popen(words, env=environment(stack.top), stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in both:
        process.communicate(timeout=60)
    assert [process.returncode for process in both] == [0] * 4
    assert stack.living().count("nats-server") == 1


def test_several_stops_at_once_are_one(stopped: Stack) -> None:
    stopped.up()
    words = [sys.executable, "-m", "stella", "down", "--data", str(stopped.data), "--json"]
    several = [subprocess.Popen(words, env=environment(stopped.top), stdout=subprocess.PIPE) for _ in range(4)]
    for process in several:
        process.communicate(timeout=60)
    assert [process.returncode for process in several] == [0] * 4
    assert stopped.living() == []


def test_a_start_that_meets_a_stop_comes_after_it(stopped: Stack) -> None:
    for _ in range(3):
        stopped.up()
        words = [sys.executable, "-m", "stella", "down", "--data", str(stopped.data), "--json"]
        with subprocess.Popen(words, env=environment(stopped.top), stdout=subprocess.PIPE) as process:
            stopped.until(lambda: stopped.run().state in {"stopping", "stopped"})
            stopped.up()
            process.communicate(timeout=60)
    assert stopped.rows() == ["first"]


def test_down_during_a_start(stopped: Stack) -> None:
    words = [sys.executable, "-m", "stella", "up", "--data", str(stopped.data), "--json"]
    with subprocess.Popen(words, env=environment(stopped.top), stdout=subprocess.PIPE, text=True) as process:
        stopped.until(lambda: "nats-server" in stopped.living())
        assert stopped.call("down").returncode == 0
        process.communicate(timeout=60)
    assert process.returncode in {0, 10}
    assert stopped.living() == []


def test_a_killed_up_leaves_a_stack_or_none(stopped: Stack) -> None:
    words = [sys.executable, "-m", "stella", "up", "--data", str(stopped.data), "--json"]
    with subprocess.Popen(words, env=environment(stopped.top), stdout=subprocess.PIPE, text=True) as process:
        stopped.until(lambda: "nats-server" in stopped.living())
        process.kill()
    assert stopped.up()["already"] is True
