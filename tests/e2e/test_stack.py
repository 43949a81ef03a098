"""`up`, `down`, `status`, `doctor` as a person runs them, on real servers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from stella.runtime import postgres_server, processes, roles
from stella.runtime.postgres_server import SUPERUSER
from stella.stack.layout import SECRETS, Layout
from stella.stack.servers import GUARD
from tests.e2e.lives import the_life_of_a_tenant
from tests.e2e.material import ROOT, environment
from tests.stacks import Ended, Stack, example, folder, stack, stopped

__all__ = ["example", "stack", "stopped"]  # fixtures
pytestmark = [pytest.mark.network, pytest.mark.slow]


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    """A stack that runs; tests only look at it."""
    with folder() as made:
        made.up()
        yield made


def modes(top: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mode & 0o777 for path in [top, *top.rglob("*")]}


def test_what_runs_is_ready_and_is_ours(running: Stack) -> None:
    done = running.call("status")
    assert done.returncode == 0, done.stderr
    children = {child["name"]: child for child in done.json["children"]}
    assert {name: child["state"] for name, child in children.items() if name != "service"} == {
        "postgres": "ready",
        "nats": "ready",
    }
    for child in children.values():
        assert child["pid"] == running.pid(child["name"])
        assert child["memory_bytes"] > 1_000_000
        assert child["endpoint"]
    for child in running.run().children:
        assert processes.identify(int(child.process.pid)) == child.process  # type: ignore[union-attr]


def test_the_roles_are_as_narrow_as_they_must_be(running: Stack) -> None:
    with running.connect() as app, running.connect("postgres-owner") as owner:
        assert app.execute("SELECT current_user, current_database()").fetchone() == ("stella_app", "stella")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("CREATE SCHEMA mine")
        owner.execute("CREATE SCHEMA checked")
        owner.execute("DROP SCHEMA checked")
        rights = owner.execute(
            "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname IN (%s, %s) ORDER BY 1",
            ["stella_app", "stella_owner"],
        )
        assert rights.fetchall() == [("stella_app", False, False, False), ("stella_owner", False, False, False)]
        (dba,) = owner.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'stella'").fetchone()  # type: ignore[misc]
        assert dba == "stella_owner"
        everybody = "SELECT has_database_privilege('public', 'stella', %s)"
        assert [owner.execute(everybody, [right]).fetchone() for right in ("CONNECT", "TEMP")] == [(False,), (False,)]


def test_nobody_gets_in_without_a_secret(running: Stack) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(running.run().endpoints["postgres"], password="guess")
    port = int(running.run().endpoints["nats"].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as line:
        assert b'"auth_required":true' in line.recv(4096)
        line.sendall(b'CONNECT {"auth_token":"guess","verbose":false}\r\nPING\r\n')
        assert b"Authorization Violation" in line.recv(4096)


def test_everything_is_closed_to_others(running: Stack) -> None:
    assert running.data.stat().st_mode & 0o777 == 0o700
    private = {path: mode for path, mode in modes(running.data / "secrets").items() if mode & 0o077}
    assert private == {}
    for name in ("run.json", "nats/nats.conf"):
        assert (running.data / name).stat().st_mode & 0o777 == 0o600
    secrets = {path.read_text() for path in (running.data / "secrets").iterdir()}
    assert len(secrets) == len(SECRETS)
    told = (running.data / "run.json").read_text() + running.logs()
    assert [secret for secret in secrets if secret in told] == []
    lines = [(Path(f"/proc/{child.process.pid}/cmdline")).read_text() for child in running.run().children]  # type: ignore[union-attr]
    assert [secret for secret in secrets for line in lines if secret in line] == []


def test_every_listener_is_on_loopback_or_a_socket(running: Stack) -> None:
    owners = {child.process.pid for child in running.run().children if child.process}
    assert {pid: processes.ports_of(pid) for pid in owners if not processes.ports_of(pid)}.keys() == {
        running.pid("postgres")
    }
    table = Path("/proc/net/tcp").read_text().splitlines()[1:] + Path("/proc/net/tcp6").read_text().splitlines()[1:]
    ports = {port for pid in owners for port in processes.ports_of(pid)}
    addresses = {
        words[1].rpartition(":")[0]
        for words in map(str.split, table)
        if words[3] == "0A" and int(words[1].rpartition(":")[2], 16) in ports
    }
    assert addresses == {"0100007F"}


def test_a_second_up_finds_it(running: Stack) -> None:
    before = running.run()
    found = running.up()
    assert (found["already"], found["state"]) == (True, "ready")
    assert found["endpoints"] == before.endpoints
    assert running.run() == before


def test_a_second_up_with_another_configuration_is_refused(running: Stack) -> None:
    done = running.call("up", "--profile", "full")
    assert (done.returncode, done.json["code"]) == (2, "STACK-003")
    assert "profile is core, asked for full" in done.json["detail"]
    assert f"process {running.run().supervisor.pid}" in done.json["detail"]  # type: ignore[union-attr]


def test_the_doctor_is_content_but_for_production(running: Stack) -> None:
    done = running.call("doctor")
    assert done.returncode == 0, done.stdout
    verdicts = {check["id"]: check["verdict"] for check in done.json["checks"]}
    assert done.json["operational"] is True
    assert done.json["production_ready"] is False
    assert verdicts["check.postgres.process"] == verdicts["check.nats.process"] == "pass"
    assert verdicts["check.postgres.single"] == "warn"
    assert all(check["found"] and check["why"] for check in done.json["checks"])
    assert [check["id"] for check in done.json["checks"] if check["verdict"] == "fail" and not check["fix"]] == []


def test_down_stops_in_order_and_status_says_so(stack: Stack) -> None:
    supervisor = stack.up()["supervisor"]
    stack.write("kept")
    done = stack.call("down")
    assert done.returncode == 0
    assert [name for name in done.json["stopped"] if name != "service"] == ["nats", "postgres"]
    assert processes.identify(supervisor) is None
    assert stack.living() == []
    assert "database system is shut down" in (stack.data / "log/postgres.log").read_text()
    assert (stack.call("status").returncode, stack.call("down").json["was_running"]) == (4, False)
    assert stack.call("doctor").returncode == 0
    stack.up()
    assert stack.rows() == ["kept"]


def test_the_full_profile(stack: Stack) -> None:
    found = stack.up("--profile", "full", env={"STELLA_STORE_ACCOUNTS": "stack"})
    assert {"postgres", "nats", "valkey", "s3"} <= found["endpoints"].keys()
    secrets = {name: Path(found["secrets"][name].removeprefix("file:")).read_text() for name in found["secrets"]}
    import obstore
    from obstore.store import S3Store

    store = S3Store(
        "trial",
        endpoint=found["endpoints"]["s3"],
        region="us-east-1",
        access_key_id=secrets["s3-access-key"],
        secret_access_key=secrets["s3-secret-key"],
        client_options={"allow_http": True},
    )
    obstore.put(store, "a", b"b")
    assert bytes(obstore.get(store, "a").bytes()) == b"b"
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(found["endpoints"]["valkey"].removeprefix("unix://"))
        line.sendall(b"SET a b\r\n")
        assert line.recv(64) == b"+OK\r\n"
    listening = {port for name in ("valkey", "s3") for port in processes.ports_of(stack.pid(name))}
    table = Path("/proc/net/tcp").read_text().splitlines()[1:] + Path("/proc/net/tcp6").read_text().splitlines()[1:]
    at = [
        words[1].partition(":")[0]
        for words in map(str.split, table)
        if words[3] == "0A" and port_of(words) in listening
    ]
    assert set(at) == {"0100007F"}
    assert len(processes.ports_of(stack.pid("s3"))) <= 12
    the_life_of_a_tenant(stack)


def port_of(words: list[str]) -> int:
    return int(words[1].rpartition(":")[2], 16)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_supervisor_is_down(number: signal.Signals, stack: Stack) -> None:
    words = [sys.executable, "-m", "stella", "up", "--foreground", "--data", str(stack.data), "--json"]
    with subprocess.Popen(words, env=environment(stack.top), stdout=subprocess.PIPE, text=True) as process:
        stack.until(stack.ready)
        assert stack.run().supervisor.pid == process.pid  # type: ignore[union-attr]
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
    assert (process.returncode, json.loads(out)["state"]) == (0, "stopped")
    assert (stack.living(), stack.run().state) == ([], "stopped")


def test_a_detached_stack_outlives_its_terminal(stack: Stack) -> None:
    found = stack.up(start_new_session=True)
    assert os.getsid(found["supervisor"]) == found["supervisor"]
    assert os.getsid(stack.pid("nats")) == stack.pid("nats")


def test_two_checkouts_side_by_side(running: Stack, stack: Stack) -> None:
    mine = stack.up()["endpoints"]
    theirs = running.run().endpoints
    assert not set(mine.values()) & set(theirs.values())
    stack.write("mine")
    stack.call("down")
    assert running.call("status").returncode == 0


@pytest.mark.parametrize(
    "name", ["ein Ordner mit Umlauten äöü und 'Anführung' \"doppelt\"", "x" * 200, "a,b", "$HOME %s {fact} \\"]
)
def test_a_home_of_any_name(name: str) -> None:
    with folder(name) as stack:
        found = stack.up()
        place = stack.run().endpoints["postgres"]
        stack.write(name)
        assert stack.rows() == [name]
        assert stack.call("status").json["data"] == str(stack.data)
        assert stack.call("doctor").returncode == 0
        sockets = Layout(stack.data).sockets
        assert sockets.stat().st_mode & 0o777 == 0o700
        assert str(sockets).split("/")[-1][:5] in place
        assert found["state"] == "ready"
        stack.call("down")
        assert sockets.parent == stack.data or not sockets.exists()


def test_a_logout_takes_no_sockets_along() -> None:
    with tempfile.TemporaryDirectory(prefix="st-") as short, folder("x" * 200) as stack:
        stack.up(env={"XDG_RUNTIME_DIR": short})
        assert list(Path(short).iterdir()) == []
        assert stack.call("doctor").returncode == 0
        assert stack.call("down").returncode == 0


def test_default_ports_may_be_taken(stack: Stack) -> None:
    with contextlib.ExitStack() as held:
        for port in (4222, 5432, 6379, 8333, 8888, 9333):
            line = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):  # a stranger of this machine has it, which is as good
                line.bind(("127.0.0.1", port))
                line.listen()
        assert stack.up()["state"] == "ready"


def test_an_interrupted_up_leaves_nothing(stack: Stack) -> None:
    words = [sys.executable, "-m", "stella", "up", "--data", str(stack.data)]
    with subprocess.Popen(words, env=environment(stack.top), stderr=subprocess.PIPE, text=True) as process:
        stack.until((stack.data / "run.json").exists)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "interrupted\n")
    assert stack.living() == []
    stack.up()


def test_external_servers_replace_our_own(running: Stack, stack: Stack, tmp_path: Path) -> None:
    server = f"{running.run().endpoints['postgres'].split()[0]} "
    super_password = (running.data / "secrets/postgres-super").read_text()
    given = {"password": super_password, "autocommit": True}
    with psycopg.connect(f"{server} user={SUPERUSER} dbname=postgres", **given) as connection:  # type: ignore[arg-type]
        roles.make_database(connection, "other")  # one service alone uses a database
    with psycopg.connect(f"{server} user={SUPERUSER} dbname=other", **given) as connection:  # type: ignore[arg-type]
        roles.harden(connection)
    password = (running.data / "secrets/postgres-app").read_text()
    endpoints = running.run().endpoints | {"postgres": f"{server} user={roles.APP} dbname=other"}
    (tmp_path / "pass").write_text(f"{password}\n")
    words = ("--postgres-dsn", endpoints["postgres"], "--nats-url", endpoints["nats"])
    token = (running.data / "secrets/nats").read_text()
    env = {
        "STELLA_STACK_POSTGRES_PASSWORD": f"file:{os.path.relpath(tmp_path / 'pass', stack.top)}",
        "STELLA_STACK_NATS_TOKEN": "env:TOKEN_OF_BUS",
        "TOKEN_OF_BUS": token,
        "STELLA_DATABASE_OWNER_DSN": f"{server} user={roles.OWNER} dbname=other",
        "STELLA_DATABASE_OWNER_PASSWORD": f"file:{running.data}/secrets/postgres-owner",
        **{setting: f"file:{running.data}/secrets/{secret}" for secret, setting in GUARD.items()},
    }
    found = stack.up(*words, env=env)
    assert found["endpoints"]["postgres"] == endpoints["postgres"]
    assert found["secrets"]["postgres"] == f"file:{stack.top}/{os.path.relpath(tmp_path / 'pass', stack.top)}"
    assert found["secrets"]["nats"] == "env:TOKEN_OF_BUS"
    told = (stack.data / "run.json").read_text() + stack.logs() + str(found)
    supervisor = Path(f"/proc/{found['supervisor']}/cmdline").read_text()
    assert [secret for secret in (password, token) if secret in told + supervisor] == []
    status = stack.call("status").json
    assert {child["name"]: child["state"] for child in status["children"] if child["name"] != "service"} == {
        "postgres": "external",
        "nats": "external",
    }
    assert stack.living() == []
    assert not (stack.data / "postgres").exists()
    checked = {check["id"]: check["found"] for check in stack.call("doctor", env=env).json["checks"]}
    assert checked["check.postgres.process"] == checked["check.nats.process"] == "it answers from outside"
    stack.call("down")
    lost = stack.call("up", "--nats-url", "nats://127.0.0.1:1", "--postgres-dsn", endpoints["postgres"], env=env)
    assert (lost.returncode, lost.json["code"]) == (10, "STACK-005")
    for wrong in ({"TOKEN_OF_BUS": "guess"}, {"STELLA_STACK_NATS_TOKEN": ""}):
        done = stack.call("up", *words, env=env | wrong)
        assert (done.returncode, "Authorization Violation" in done.json["detail"]) == (10, True), done.stdout
    (tmp_path / "pass").write_text("guess")
    done = stack.call("up", *words, env=env)
    assert (done.returncode, "password authentication failed" in done.json["detail"]) == (10, True), done.stdout
    for name, value in (("POSTGRES_PASSWORD", "file:/none"), ("NATS_TOKEN", "env:UNSET"), ("NATS_TOKEN", token)):
        done = stack.call("up", *words, env=env | {f"STELLA_STACK_{name}": value})
        assert (done.returncode, token in done.stdout) == (2, False), done.stdout
    secret = stack.call("up", "--postgres-dsn", "postgresql://me:secret@db.example/x")
    assert (secret.returncode, secret.json["code"]) == (2, "STACK-008")


def test_a_service_looks_at_its_own_stack(running: Stack) -> None:
    endpoint = running.run().endpoints["service"]
    env = {"STELLA_TOKEN": (running.data / "secrets/admin-token").read_text()}
    here, there = running.call("status"), running.call("status", "--server", endpoint, env=env)
    assert there.returncode == 0, there.stderr
    looked_at = ("data", "state", "supervisor", "started", "endpoints")
    assert [there.json[name] for name in looked_at] == [here.json[name] for name in looked_at]
    assert [(one["name"], one["pid"]) for one in there.json["children"]] == [
        (one["name"], one["pid"]) for one in here.json["children"]
    ]
    here, there = running.call("doctor"), running.call("doctor", "--server", endpoint, env=env)
    assert there.returncode == 0, there.stderr
    verdicts = [[(one["id"], one["verdict"]) for one in done.json["checks"]] for done in (here, there)]
    assert verdicts[0] == verdicts[1]
    url = f"{endpoint}/v1/stack?data=elsewhere"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {env['STELLA_TOKEN']}"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    with refused.value as answer:
        assert (answer.code, json.load(answer)["facts"]["what"]) == (422, "`data`")


def test_a_server_in_the_environment_does_not_hide_what_runs_here(running: Stack) -> None:
    assert running.call("status", env={"STELLA_SERVER": "http://127.0.0.1:1"}).returncode == 0


SEALED = {"STELLA_SEALED": "1"}


def test_a_sealed_machine_runs_its_own_servers(stack: Stack) -> None:
    assert stack.call("up", env=SEALED).json["state"] == "ready"
    assert stack.call("status", env=SEALED).json["state"] == "ready"
    assert stack.call("doctor", env=SEALED).json["operational"]
    assert stack.call("down", env=SEALED).returncode == 0


@pytest.mark.parametrize(
    "flags",
    [
        ("--postgres-dsn", "host=db.example dbname=x"),
        ("--postgres-dsn", "host=localhost dbname=x"),
        ("--nats-url", "nats://127.0.0.1:4222,nats://192.0.2.1:4222"),
    ],
)
def test_a_sealed_machine_uses_no_server_of_another(stack: Stack, flags: tuple[str, str]) -> None:
    done = stack.call("up", *flags, env=SEALED)
    assert (done.returncode, done.json["code"]) == (5, "AIRGAP_EGRESS_BLOCKED")
    assert not stack.data.exists()


ORDINARY = 65534
SYSTEM_PYTHON = "/usr/bin/python3"


@pytest.mark.skipif(os.geteuid() != 0, reason="whoever runs this is an ordinary user")
def test_an_ordinary_user(stack: Stack) -> None:
    packages = Path(psycopg.__file__).parents[1]
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    env = {"PYTHONPATH": f"{ROOT}/src:{packages}", "PATH": path}
    fit = subprocess.run(
        [SYSTEM_PYTHON, "-c", "import stella, psycopg"],
        env=env,
        user=ORDINARY,
        group=ORDINARY,
        extra_groups=[],
        capture_output=True,
        check=False,
    )
    if fit.returncode:
        pytest.skip("another account cannot reach this checkout, or the system has another Python")
    stack.top.chmod(0o755)
    stack.data.mkdir()
    os.chown(stack.data, ORDINARY, ORDINARY)
    options: dict[str, Any] = {"user": ORDINARY, "group": ORDINARY, "extra_groups": []}
    found = stack.up(python=SYSTEM_PYTHON, env=env, **options)
    try:
        assert Path(f"/proc/{found['supervisor']}").stat().st_uid == ORDINARY
        assert {path.lstat().st_uid for path in stack.data.rglob("*")} == {ORDINARY}
        assert stack.call("doctor", python=SYSTEM_PYTHON, env=env, **options).returncode == 0
        others = stack.call("doctor")
        assert "check.data.folder" in [check["id"] for check in others.json["checks"] if check["verdict"] == "fail"]
    finally:
        assert stack.call("down", python=SYSTEM_PYTHON, env=env, **options).returncode == 0


WITHOUT_NAMESPACES = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
ready, go = os.pipe(), os.pipe()
child = os.fork()
if child:
    os.read(ready[0], 1)
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{child}/{name}", "w") as file:
            file.write("0 0 1\\n65534 65534 1\\n" if sys.argv[1] == "account" else "0 0 1\\n")
    os.write(go[1], b".")
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
assert libc.unshare(0x10000000) == 0
os.write(ready[1], b".")
os.read(go[0], 1)
with open("/proc/sys/user/max_user_namespaces", "w") as file:
    file.write("0")
assert libc.unshare(0x10000000) != 0
os.execv(sys.argv[2], sys.argv[2:])
"""


def without_namespaces(stack: Stack, way: str, *words: str) -> Ended:
    """Run a command where there are no user namespaces; `account` leaves root the right to become another account."""
    line = [sys.executable, "-c", WITHOUT_NAMESPACES, way, sys.executable, "-m", "stella", *words, "--json"]
    line += ["--data", str(stack.data)]
    done = subprocess.run(line, env=environment(stack.top), capture_output=True, text=True, timeout=60, check=False)
    if "AssertionError" in done.stderr:
        pytest.skip("namespaces cannot be taken away here")
    return Ended(done.args, done.returncode, done.stdout, done.stderr)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a namespace")
def test_root_without_user_namespaces(stopped: Stack) -> None:
    done = without_namespaces(stopped, "account", "up")
    assert done.returncode == 0, (done.stdout, done.stderr, stopped.logs())
    server = stopped.pid("postgres")
    assert Path(f"/proc/{server}").stat().st_uid == ORDINARY
    (found,) = (
        check
        for check in without_namespaces(stopped, "account", "doctor").json["checks"]
        if check["id"] == "check.user-namespace"
    )
    assert (found["verdict"], "account nobody" in found["found"]) == ("warn", True)
    stopped.write("two")
    assert without_namespaces(stopped, "account", "down").returncode == 0
    assert stopped.living() == []
    stopped.up()
    assert stopped.rows() == ["first", "two"]
    assert {path.lstat().st_uid for path in (stopped.data / "postgres").rglob("*")} == {0}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a namespace")
def test_root_without_any_way_out(stopped: Stack) -> None:
    done = without_namespaces(stopped, "none", "up")
    assert (done.returncode, done.json["code"]) == (10, "STACK-005")
    assert "neither a user namespace nor another account" in done.json["detail"]
    doctor = without_namespaces(stopped, "none", "doctor")
    assert doctor.returncode == 6
    assert "check.user-namespace" in [check["id"] for check in doctor.json["checks"] if check["verdict"] == "fail"]
    assert stopped.living() == []
    stopped.up()
    assert stopped.rows() == ["first"]


def test_nothing_outside_the_folder_changes(stack: Stack) -> None:
    home = stack.top / "home"
    home.mkdir(mode=0o700)
    accounts = Path("/etc/passwd").read_bytes()
    outside = {path: path.stat().st_mode for path in (stack.top, *stack.top.parents, ROOT, *ROOT.parents, home)}
    stack.up(env={"HOME": str(home)})
    assert Path("/etc/passwd").read_bytes() == accounts
    assert {path: path.stat().st_mode for path in outside} == outside
    assert list(home.iterdir()) == []
    assert {path.name for path in stack.top.iterdir()} == {"S", "home"}


def test_a_log_that_grew_large_is_set_aside(stack: Stack) -> None:
    (stack.data / "log").mkdir(parents=True)
    stack.data.chmod(0o700)
    with (stack.data / "log/nats.log").open("wb") as log:
        log.truncate(17 << 20)
    stack.up()
    assert (stack.data / "log/nats.old").stat().st_size == 17 << 20
    assert (stack.data / "log/nats.log").stat().st_size < 1 << 20


def test_the_binaries_are_those_of_the_wheel(running: Stack) -> None:
    program = Path(f"/proc/{running.pid('postgres')}/exe").readlink()
    assert program == (postgres_server.binaries() / "postgres").resolve()
