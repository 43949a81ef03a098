"""A stack in surroundings that it would not wish for: variables, addresses, ports, sockets, reports of the past."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from stella.runtime import processes, run_file
from stella.stack.layout import Layout
from tests.e2e.material import environment
from tests.stacks import Stack, example, folder, stack, stopped

__all__ = ["example", "stack", "stopped"]  # fixtures
pytestmark = [pytest.mark.network, pytest.mark.slow]


def test_the_variables_of_another_server_do_not_count(stopped: Stack) -> None:
    theirs = {"PGPORT": "6543", "PGHOSTADDR": "192.0.2.1", "PGSERVICE": "none", "PGPASSWORD": "x", "PGTZ": "nowhere"}
    assert stopped.up(env=theirs)["state"] == "ready"
    assert stopped.call("doctor", env=theirs).returncode == 0
    with stopped.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("host", ["127.0.0.2", "0.0.0.0", "::1"])
def test_the_service_may_listen_elsewhere(host: str, stopped: Stack) -> None:
    if ":" in host and not Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 here")
    found = stopped.up(env={"STELLA_SERVICE_HOST": host})
    shown = {"0.0.0.0": "127.0.0.1", "::1": "[::1]"}.get(host, host)
    assert found["endpoints"]["service"].startswith(f"http://{shown}:")
    assert stopped.call("doctor").returncode == 0


def test_the_token_that_is_told_is_the_one_that_counts(stopped: Stack) -> None:
    found = stopped.up(env={"STELLA_SERVICE_TOKEN": "env:MINE", "MINE": "x" * 32})
    assert found["secrets"]["service"] == "env:MINE"


def test_a_port_that_is_taken_during_a_restart(stopped: Stack) -> None:
    found = stopped.up()
    port, supervisor = int(found["endpoints"]["nats"].rpartition(":")[2]), found["supervisor"]
    pid, service = stopped.pid("nats"), stopped.pid("service")
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

        def taken() -> bool:
            try:
                line.bind(("127.0.0.1", port))
            except OSError:  # a process that was killed lets go when the last of its threads ends
                return False
            line.listen()
            return True

        os.kill(supervisor, signal.SIGSTOP)
        try:
            os.kill(pid, signal.SIGKILL)
            stopped.until(taken)
        finally:
            os.kill(supervisor, signal.SIGCONT)
        stopped.until_replaced("nats", pid)
        stopped.until_replaced("service", service)  # it is told of the new address by a new start
        assert not stopped.run().endpoints["nats"].endswith(f":{port}")
        assert stopped.call("doctor").returncode == 0


def test_what_nothing_needs_may_fail_from_the_first_start(stack: Stack) -> None:
    (stack.data / "run/valkey.sock").mkdir(parents=True)  # it cannot be bound
    for place in (stack.data, stack.data / "run"):
        place.chmod(0o700)
    done = stack.call("up", "--profile", "full")
    assert (done.returncode, done.json["code"]) == (10, "STACK-009"), done.stdout
    states = {child["name"]: child["state"] for child in stack.call("status").json["children"]}
    assert states == {"postgres": "ready", "nats": "ready", "valkey": "failed", "s3": "ready", "service": "ready"}
    (stack.data / "run/valkey.sock").rmdir()
    assert stack.up("--profile", "full")["already"] is True


def test_sockets_that_somebody_removed(stopped: Stack) -> None:
    stopped.up()
    (Layout(stopped.data).sockets / ".s.PGSQL.5432").unlink()
    done = stopped.call("doctor")
    assert done.returncode == 6
    (found,) = (check for check in done.json["checks"] if check["id"] == "check.socket.path")
    assert (found["verdict"], found["fix"]) == (
        "fail",
        f"stella down --data {stopped.data}; stella up --data {stopped.data}",
    )
    assert stopped.call("down").returncode == 0
    stopped.up()
    assert stopped.rows() == ["first"]


def test_far_sockets_leave_no_folder() -> None:
    with folder("x" * 200) as stack:
        stack.up("--profile", "full")
        sockets = Layout(stack.data).sockets
        assert (sockets / ".s.PGSQL.5432").is_socket()
        stack.call("down")
        assert not sockets.exists()


def test_a_report_of_the_past_with_the_same_process_id(stopped: Stack) -> None:
    """As in a container that was killed: each start has the ids of the one before."""
    supervisor = stopped.up()["supervisor"]
    past = stopped.run()
    os.kill(supervisor, signal.SIGSTOP)
    try:
        run_file.write(
            stopped.data,
            msgspec.structs.replace(
                past, supervisor=processes.Process(supervisor, 1), endpoints={"nats": "of the past"}
            ),
        )
        done = stopped.call("status")
        assert (done.returncode, f"process {supervisor} prepares it" in done.json["detail"]) == (4, True)
    finally:
        run_file.write(stopped.data, past)
        os.kill(supervisor, signal.SIGCONT)


def test_a_start_that_takes_long_goes_on(stopped: Stack) -> None:
    waiting = "from stella.stack import service; service.PATIENCE = 1.5; from stella.cli.main import main; main()"
    words = [sys.executable, "-c", waiting, "up", "--data", str(stopped.data), "--json"]
    stop = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
    late = stopped.top / "sitecustomize.py"
    late.write_text(f"import sys\nif 'serve' in sys.orig_argv:\n    {stop}\n")
    env = environment(stopped.top) | {"PYTHONPATH": f"{stopped.top}:{environment(stopped.top)['PYTHONPATH']}"}
    for _ in range(2):
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=30)
        assert (done.returncode, msgspec.json.decode(done.stdout)["code"]) == (10, "STACK-010"), done.stdout
        assert "waiting for service" in done.stdout
    os.kill(stopped.pid("service"), signal.SIGCONT)
    assert stopped.up()["already"] is True


def test_a_report_that_a_full_disk_refused_is_written_later(stack: Stack) -> None:
    stack.data.mkdir(mode=0o700)
    small = ["mount", "-t", "tmpfs", "-o", "size=1200m,mode=0700", "tmpfs", str(stack.data)]
    if subprocess.run(small, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        stack.up()
        pid = stack.pid("nats")
        ballast = stack.data / "ballast"
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, os.statvfs(stack.data).f_bavail * 4096)
        os.kill(pid, signal.SIGKILL)
        time.sleep(1)  # it may come back, but nobody can be told
        ballast.unlink()
        stack.until_replaced("nats", pid)
        assert stack.call("status").returncode == 0
    finally:
        stack.call("down")
        subprocess.run(["umount", stack.data], check=True)


def test_a_folder_that_cannot_be_named(stack: Stack) -> None:
    gone = stack.top / "gone"
    line = f"cd {gone} && rmdir {gone} && exec {sys.executable} -m stella up --data D --json"
    gone.mkdir()
    done = subprocess.run(["/bin/sh", "-c", line], env=environment(stack.top), capture_output=True, check=False)
    assert (done.returncode, b"is gone" in done.stdout) == (10, True), done.stdout
    words = [sys.executable, "-m", "stella", "up", "--data", os.fsencode(stack.top) + b"/\xff", "--json"]
    done = subprocess.run(words, env=environment(stack.top), capture_output=True, check=False)
    assert (done.returncode, b"no UTF-8" in done.stdout) == (10, True), done.stdout
