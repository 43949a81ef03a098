"""Drills at a service: the same result and exit code as in process, and nothing of them is left when one is ended.

Rules:
- The service judges half a minute of play with another one, so that one drill must find something.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stella.cli.main import run
from stella.kernel.errors import Exit
from stella.runtime.postgres_server import Postgres
from stella.tenancy import claims
from tests.e2e.material import ROOT, as_process
from tests.service import PATIENCE, Running, running
from tests.unit.drill.planned import no_namespace

pytestmark = pytest.mark.network

BROKEN = "from stella.tenancy import claims\nclaims.SKEW = 5\n"
FAST = {"tenants": 2, "speed": 10_000, "seed": 7}
FOREVER = {"tenants": 2, "speed": 1, "outage": "1h"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Running]:
    top = tmp_path_factory.mktemp("drills")
    (top / "extra").mkdir()
    (top / "extra" / "sitecustomize.py").write_text(BROKEN)
    (top / "tmp").mkdir()
    path = f"{top}/extra:{ROOT}/src"
    with running(top, postgres, PYTHONPATH=path, TMPDIR=str(top / "tmp")) as made:
        yield made
        assert not [line for line in made.lines() if line["event"] == "failed"]


def left(service: Running) -> set[Path]:
    """What drills have in the folder of temporary files."""
    return set((service.data.parent / "tmp").iterdir())


def has_database(service: Running, before: set[Path]) -> bool:
    """Whether a drill has begun to use a database of its own."""
    return any((folder / "run/.s.PGSQL.5432").exists() for folder in left(service) - before)


def cancelled(service: Running, location: str) -> bool:
    """Cancel a job, and wait for its end."""
    assert service.call("DELETE", location).status == 202
    return bool(service.ended(location)["state"] == "cancelled")


def children(service: Running) -> set[int]:
    """The processes that the service has started, and theirs."""
    found: set[int] = set()
    for task in Path("/proc").glob("[0-9]*/task/*/children"):
        parent = int(task.parts[2])
        if parent == service.process.pid or parent in found:
            found |= set(map(int, task.read_text().split()))
    return found


def until(what: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(("name", "code"), [("key-rotation", Exit.OK), ("clock-skew", Exit.NEGATIVE)])
def test_the_same_result_and_exit_code(
    name: str,
    code: Exit,
    service: Running,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claims, "SKEW", 5)
    before = left(service)
    words = ["drill", name, "--tenants", "2", "--speed", "10000", "--seed", "7", "--json"]
    told: list[dict[str, Any]] = []
    for place, more in (("here", []), ("there", ["--server", service.url])):
        (tmp_path / place).mkdir()
        with as_process(tmp_path / place, STELLA_TOKEN=service.token):
            assert run([*words, "--report", "junit=out.xml", *more]) == code
        told.append(json.loads(capfd.readouterr().out))
        assert (tmp_path / place / "out.xml").read_text().count("<testcase ") == len(told[-1]["measures"])
    here, there = ({key: row for key, row in one.items() if key not in {"took_ms", "events"}} for one in told)
    assert there == here
    assert here["passed"] is (code is Exit.OK)
    assert left(service) == before


def test_a_drill_is_in_the_audit_log(service: Running) -> None:
    assert service.job("/v1/drills/key-rotation", FAST)["state"] == "done"
    rows = service.call("GET", "/v1/audit/events?action=drill.key-rotation&limit=1").json["rows"]
    assert [(row["actor"], row["outcome"]) for row in rows] == [("admin", "success")]


def test_a_drill_that_is_cancelled_leaves_neither_database_nor_process(service: Running) -> None:
    before = left(service)
    job = service.call("POST", "/v1/drills/pool-leak", {"rounds": 1_000_000}).headers["location"]
    until(lambda: has_database(service, before))
    assert children(service)
    assert cancelled(service, job)
    assert not children(service)
    assert left(service) == before


def test_a_network_namespace_ends_with_its_job(service: Running) -> None:
    if no_namespace():
        job = service.job("/v1/drills/clock-skew", {**FAST, "netns": True})
        assert (job["state"], job["problem"]["code"]) == ("failed", "DRILL-003")
        return
    before = left(service)
    job = service.call("POST", "/v1/drills/jwks-outage", {**FOREVER, "netns": True}).headers["location"]
    until(lambda: children(service))
    assert cancelled(service, job)
    assert not children(service)
    assert left(service) == before


def test_nothing_in_the_folder_of_a_tenant_is_run(service: Running, tmp_path: Path) -> None:
    """A drill with a network of its own starts a program, in whose sight no file of a tenant may come."""
    for name in ("fcntl", "struct", "signal", "msgspec", "stella"):
        (service.work / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    try:
        job = service.job("/v1/drills/clock-skew", {**FAST, "netns": True})
    finally:
        for path in service.work.glob("*.py"):
            path.unlink()
    assert not (tmp_path / "ran").exists()
    assert (job["state"], job["problem"] and job["problem"]["code"]) in {("done", None), ("failed", "DRILL-003")}


@pytest.mark.parametrize("bad", [{"outage": "1s"}, {"report": ["html=x"]}])
def test_a_drill_that_does_not_begin_says_so(bad: dict[str, Any], service: Running) -> None:
    job = service.job("/v1/drills/jwks-outage", bad)
    assert (job["state"], job["status"]) == ("failed", 400)


@pytest.mark.parametrize("bad", [{"tenants": 1}, {"speed": 0}, {"report": ["junit=../x"]}, {"kids": 5}])
def test_a_request_out_of_bounds_is_no_job(bad: dict[str, Any], service: Running) -> None:
    assert service.call("POST", "/v1/drills/kid-flood", bad).status == 422


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_drill_ends_with_its_service(end: signal.Signals, service: Running) -> None:
    before = left(service)
    job = service.call("POST", "/v1/drills/pool-leak", {"rounds": 1_000_000}).headers["location"]
    try:
        until(lambda: has_database(service, before))
        found = children(service)
        os.kill(service.process.pid, end)
        service.process.communicate(timeout=PATIENCE)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in found))
        assert found
        assert end is signal.SIGKILL or left(service) == before
    finally:
        service.start()
        assert cancelled(service, job)
