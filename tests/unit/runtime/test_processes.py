"""Processes as /proc shows them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from stella.runtime import processes
from stella.runtime.processes import Process, gone, identify, is_alive, running_in

SLEEP = Path(shutil.which("sleep") or "/bin/sleep")


def test_a_process_is_its_id_and_its_birth() -> None:
    with subprocess.Popen([SLEEP, "60"]) as child:
        found = identify(child.pid)
        assert found is not None
        assert is_alive(found)
        assert not is_alive(Process(found.pid, found.born + 1)), "an id that was used again"
        assert processes.age(found, found.born // processes.TICKS + 7) == 7
        assert processes.name_of(child.pid) == "sleep"
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert identify(child.pid) is None, "a zombie is gone"
    assert processes.name_of(child.pid) == ""


def test_waiting_for_processes_tells_who_stays() -> None:
    with subprocess.Popen([SLEEP, "60"]) as stays, subprocess.Popen([SLEEP, "0"]) as goes:
        both = [found for child in (stays, goes) if (found := identify(child.pid))]
        goes.wait()
        assert [found.pid for found in gone(both, 0.05)] == [stays.pid]
        stays.kill()


def test_programs_are_found_where_they_work(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "beside").mkdir()
    with subprocess.Popen([SLEEP, "60"], cwd=tmp_path / "below") as child:
        while processes.name_of(child.pid) != "sleep":
            pass
        assert [found.pid for found in running_in(tmp_path, [SLEEP])] == [child.pid]
        assert running_in(tmp_path / "beside", [SLEEP]) == []
        assert running_in(tmp_path / "bel", [SLEEP]) == []
        assert running_in(tmp_path, [Path("/bin/sh")]) == []
        child.kill()


def test_memory_counts_those_that_were_started() -> None:
    hungry = "import sys; block = bytearray(50_000_000); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(["/bin/sh", "-c", f"python3 -c '{hungry}'; exit"], stdin=-1, stdout=-1) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdout.readline()
        assert processes.memory(shell.pid) > 40_000_000
        shell.stdin.close()
    assert processes.memory(4_000_000) == 0


@pytest.mark.network
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_listener_is_who_holds_the_socket(family: socket.AddressFamily) -> None:
    with socket.socket(family) as line:
        try:
            line.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        except OSError:
            pytest.skip("no such address here")
        port = line.getsockname()[1]
        assert processes.listener(port) is None
        line.listen()
        assert processes.listener(port) == os.getpid()
        assert processes.listens(os.getpid(), port)
        assert not processes.listens(1, port)
        assert port in processes.ports_of(os.getpid())
    assert processes.listener(port) is None


@pytest.mark.network
@pytest.mark.parametrize(
    ("bound", "reached"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1.2.3", "127.1.2.3"),
        ("0.0.0.0", "127.0.0.1"),  # the case itself
        ("::1", "::1"),
        ("::", "::1"),
    ],
)
def test_where_a_listener_is_reached(bound: str, reached: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in bound else socket.AF_INET) as line:
        try:
            line.bind((bound, 0))
        except OSError:
            pytest.skip("no such address here")
        line.listen()
        assert (reached, line.getsockname()[1]) in processes.addresses_of(os.getpid())


@pytest.mark.network
def test_a_port_is_had_again_while_nobody_has_it() -> None:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        endpoint = f"nats://127.0.0.1:{line.getsockname()[1]}"
        line.listen()
        assert processes.port_again(endpoint) == 0
    assert processes.port_again(endpoint) == int(endpoint.rpartition(":")[2])
    assert processes.port_again("") == 0


@pytest.mark.network
def test_the_other_end_of_a_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as line, socket.socket(socket.AF_UNIX) as client:
        line.bind(str(tmp_path / "s"))
        line.listen()
        client.connect(str(tmp_path / "s"))
        assert processes.peer(client) == os.getpid()
