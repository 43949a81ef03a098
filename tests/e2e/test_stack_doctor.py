"""What `doctor` finds on real servers and disks, and that `up` refuses for the same."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from typing import Any

import pytest

from stella.runtime import processes, run_file
from tests.stacks import Stack, example, stack, stopped

__all__ = ["example", "stack", "stopped"]  # fixtures
pytestmark = [pytest.mark.network, pytest.mark.slow]


def failing(done: Any) -> list[str]:
    assert done.returncode == 6, done.stdout
    return [check["id"] for check in done.json["checks"] if check["verdict"] == "fail"]


def test_a_configured_port_that_is_a_strangers(stack: Stack) -> None:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        line.listen()
        port = line.getsockname()[1]
        done = stack.call("up", env={"STELLA_STACK_NATS_PORT": str(port)})
        assert (done.returncode, done.json["code"]) == (6, "STACK-006")
        assert f"port {port} belongs to process {os.getpid()}" in done.json["detail"]
        assert "check.port.owner" in done.json["detail"]
        examined = stack.call("doctor", env={"STELLA_STACK_NATS_PORT": str(port)})
        assert examined.returncode == 6
    assert stack.living() == []
    assert stack.up(env={"STELLA_STACK_NATS_PORT": str(port)})["endpoints"]["nats"].endswith(f":{port}")


def test_data_of_another_version_is_left_alone(stopped: Stack) -> None:
    version = stopped.data / "postgres/PG_VERSION"
    version.write_text("17\n")
    assert failing(stopped.call("doctor")) == ["check.postgres.data-version"]
    done = stopped.call("up")
    assert (done.returncode, done.json["reason"]) == (6, "not_fit")
    assert "data of PostgreSQL 17, the server is 18" in done.json["detail"]
    version.write_text("18\n")
    stopped.up()
    assert stopped.rows() == ["first"]


def test_secrets_that_others_may_read(stopped: Stack) -> None:
    (stopped.data / "secrets/nats").chmod(0o644)
    assert failing(stopped.call("doctor")) == ["check.secrets.mode"]
    assert stopped.call("up").returncode == 6


def test_a_lost_secret_is_never_replaced_under_its_data(stopped: Stack) -> None:
    (stopped.data / "secrets/postgres-super").unlink()
    assert failing(stopped.call("doctor")) == ["check.secrets.mode"]
    done = stopped.call("up")
    assert done.returncode == 6
    assert "missing: postgres-super" in done.json["detail"]


def test_a_full_disk(stack: Stack) -> None:
    stack.data.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200m,mode=0700", "tmpfs", stack.data], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        assert failing(stack.call("doctor")) == ["check.disk.free"]
        done = stack.call("up")
        assert done.returncode == 6
        assert "check.disk.free" in done.json["detail"]
        (stack.data / "ballast").write_bytes(bytes(os.statvfs(stack.data).f_bavail * 4096))
        assert stack.call("up").json["exit"] in {6, 10}
        assert stack.living() == []
    finally:
        subprocess.run(["umount", stack.data], check=True)


def test_a_report_of_the_past_is_not_believed(stack: Stack) -> None:
    stack.up()
    run = stack.run()
    stack.call("down")
    run_file.write(stack.data, run)
    assert failing(stack.call("doctor")) == ["check.lock.stale"]
    done = stack.call("status")
    assert (done.returncode, done.json["code"]) == (4, "STACK-002")
    assert "its supervisor was killed" in done.json["detail"]


def test_a_pid_file_of_the_past_is_told_and_mended(stopped: Stack) -> None:
    (stopped.data / "postgres/postmaster.pid").write_text(f"{os.getpid()}\n{stopped.data}/postgres\n")
    done = stopped.call("doctor")
    found = {check["id"]: check for check in done.json["checks"]}
    assert found["check.postgres.stale-pid"]["verdict"] == "warn"
    assert str(os.getpid()) in found["check.postgres.stale-pid"]["found"]
    stopped.up()


def test_a_store_that_is_no_folder(stopped: Stack) -> None:
    shutil.rmtree(stopped.data / "nats/jetstream", ignore_errors=True)
    (stopped.data / "nats/jetstream").write_text("")
    assert failing(stopped.call("doctor")) == ["check.nats.store"]
    assert stopped.call("up").returncode == 6


def test_a_server_that_hangs_is_no_server(stack: Stack) -> None:
    stack.up()
    os.kill(stack.pid("nats"), signal.SIGSTOP)
    try:
        assert failing(stack.call("doctor")) == ["check.nats.process"]
    finally:
        os.kill(stack.pid("nats"), signal.SIGCONT)


def test_a_killed_postmaster(stopped: Stack) -> None:
    supervisor = stopped.up()["supervisor"]
    os.kill(supervisor, signal.SIGSTOP)  # else it is back before anybody looks
    pid = stopped.pid("postgres")
    os.kill(pid, signal.SIGKILL)
    stopped.until(lambda: processes.identify(pid) is None)
    done = stopped.call("doctor")
    assert failing(done) == ["check.postgres.process"]
    assert f"process {pid} is gone" in done.stdout
    os.kill(supervisor, signal.SIGCONT)
    stopped.until_replaced("postgres", pid)
    assert stopped.call("doctor").returncode == 0


@pytest.mark.parametrize(
    ("name", "value"), [("PROFILE", "none"), ("NATS_PORT", "70000"), ("S3_PORT", "70000"), ("NATS_PORT", "-1")]
)
def test_settings_that_cannot_be(name: str, value: str, stack: Stack) -> None:
    for verb in ("up", "doctor"):
        done = stack.call(verb, env={f"STELLA_STACK_{name}": value})
        assert done.returncode == 2, done.stdout
    assert not stack.data.exists()
