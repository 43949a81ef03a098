"""Jobs over stops, kills and cancellations of the service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stella.runtime.files import TEMPORARY
from stella.runtime.postgres_server import Postgres
from tests.e2e.material import environment
from tests.service import PATIENCE, Running, running

pytestmark = [pytest.mark.network, pytest.mark.slow]

CREATE = "/v1/mirror/bundles"
MIB = 1024 * 1024


@pytest.fixture
def service(tmp_path: Path, postgres: Postgres) -> Iterator[Running]:
    """A channel, and sources whose first takes a while to mirror."""
    with running(tmp_path, postgres, STELLA_SERVICE_MAX_JOBS="1") as made:
        assert made.call("POST", "/v1/mirror/channels", {"dir": "M"}).status == 201
        for name, files in (("big", 60), ("small", 1)):
            (made.work / name).mkdir()
            for number in range(files):
                (made.work / name / f"{number}.bin").write_bytes(os.urandom(2 * MIB if files > 1 else 100))
        yield made


def start_big(service: Running, **other: Any) -> str:
    """A job that has begun its work; its location."""
    body = {"dir": "M", "out": "big.stella", "source": ["artifacts=big"]} | other
    location: str = service.call("POST", CREATE, body).headers["location"]
    service.until(location, "task")
    return location


def left_behind(service: Running) -> list[str]:
    return [name for _, _, names in os.walk(service.work) for name in names if name.endswith(TEMPORARY)]


def test_a_kill_in_the_middle_of_a_job(service: Running) -> None:
    done = service.job(CREATE, {"dir": "M", "out": "small.stella", "source": ["artifacts=small"]})
    location = start_big(service)
    assert service.call("GET", location).json["state"] == "running"
    service.kill()
    service.start()
    job = service.ended(location)
    assert (job["state"], job["attempt"], job["result"]["bundle"]) == ("done", 2, "big.stella"), job
    assert (service.work / "big.stella").is_file()
    assert service.call("GET", f"/v1/jobs/{done['id']}").json == done
    assert left_behind(service) == []


def test_a_job_that_ends_the_service_each_time_is_given_up(service: Running) -> None:
    location = start_big(service)
    for attempt in (2, 3):
        service.kill()
        service.start()
        while (shown := service.call("GET", location).json)["attempt"] < attempt or shown["state"] == "queued":
            assert shown["state"] in {"queued", "running"}
    service.kill()
    service.start()
    job = service.ended(location)
    assert (job["state"], job["attempt"]) == ("failed", 3), job
    assert job["problem"]["code"] == "HTTP-018"


def test_a_stop_hands_the_job_to_the_next_start(service: Running) -> None:
    location = start_big(service)
    begin = time.monotonic()
    code, out = service.stop()
    assert (code, json.loads(out)["handed_over"]) == (0, 1), service.log.read_text()
    assert time.monotonic() - begin < PATIENCE
    assert left_behind(service) == []
    assert not (service.data / "service.json").exists()
    service.start()
    job = service.ended(location)
    assert (job["state"], job["attempt"]) == ("done", 1), job


def test_what_waits_is_still_there_after_a_stop(service: Running) -> None:
    start_big(service)
    waiting = service.call("POST", CREATE, {"dir": "M", "out": "s.stella", "source": ["artifacts=small"]})
    assert waiting.json["state"] == "queued"
    service.stop(signal.SIGINT)
    service.start()
    assert service.ended(waiting.headers["location"])["state"] == "done"


def test_events_resume_where_they_were_left(service: Running) -> None:
    location = start_big(service)
    seen = []
    events = service.events(location)
    while len(seen) < 2:
        number, _, _ = next(events)
        if number is not None:
            seen.append(number)
    events.close()
    service.kill()
    service.start()
    rest = [(number, kind, data) for number, kind, data in service.events(location, after=seen[-1]) if number]
    assert [number for number, _, _ in rest] == list(range(seen[-1] + 1, seen[-1] + 1 + len(rest)))
    assert rest[-1][1:] == ("state", {"state": "done"})
    whole = [(number, kind, data) for number, kind, data in service.events(location) if number]
    assert [number for number, _, _ in whole] == list(range(1, len(whole) + 1))
    assert whole[len(seen) :] == rest
    assert list(service.events(location, after=len(whole))) == []
    states = [data["state"] for _, kind, data in whole if kind == "state"]
    assert states == ["queued", "running", "queued", "running", "done"]


def test_progress_is_told_without_a_number(service: Running) -> None:
    location = start_big(service)
    told = [data for number, kind, data in service.events(location) if kind == "progress" and number is None]
    assert told
    assert all(data.keys() == {"task", "done", "total", "unit"} for data in told)
    assert len(told) < 200


def test_a_running_job_is_cancelled(service: Running) -> None:
    location = start_big(service)
    got = service.call("DELETE", location)
    assert (got.status, got.json["cancelling"]) == (202, True)
    job = service.ended(location)
    assert (job["state"], job["problem"]["code"]) == ("cancelled", "HTTP-019")
    assert not (service.work / "big.stella").exists()
    assert left_behind(service) == []
    (told, *_) = service.call("GET", "/v1/audit/events?action=mirror.create").json["rows"]
    assert (told["outcome"], told["after"]["code"]) == ("failure", "HTTP-019")
    assert service.call("DELETE", location).status == 409
    assert service.job(CREATE, {"dir": "M", "out": "big.stella", "source": ["artifacts=small"]})["state"] == "done"


def test_a_waiting_job_is_cancelled_at_once(service: Running) -> None:
    start_big(service)
    waiting = service.call("POST", CREATE, {"dir": "M", "out": "s.stella", "source": ["artifacts=small"]})
    assert service.call("DELETE", waiting.headers["location"]).json["state"] == "cancelled"
    kinds = [data for _, kind, data in service.events(waiting.headers["location"]) if kind == "state"]
    assert kinds == [{"state": "queued"}, {"state": "cancelled"}]


def test_a_cancelled_job_stays_cancelled_over_a_kill(service: Running) -> None:
    location = start_big(service)
    service.process.send_signal(signal.SIGSTOP)
    threading.Timer(0.3, service.process.send_signal, [signal.SIGCONT]).start()
    service.call("DELETE", location)
    service.kill()
    service.start()
    assert service.ended(location)["state"] == "cancelled"


def test_a_second_service_of_the_same_database_is_refused(service: Running, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stella", "serve", "--data", "other", "--json"],
        cwd=tmp_path,
        env=environment(tmp_path, **service.base.settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, json.loads(done.stdout)["code"]) == (10, "HTTP-030")
    service.kill()
    service.start()


def test_the_queue_is_bounded(tmp_path: Path, postgres: Postgres) -> None:
    settings = {"STELLA_SERVICE_MAX_JOBS": "1", "STELLA_SERVICE_MAX_QUEUED": "1"}
    with running(tmp_path, postgres, **settings) as service:
        answers = [service.call("POST", CREATE, {"dir": "M", "out": "x"}) for _ in range(30)]
        full = [got for got in answers if got.status == 503]
        assert {got.status for got in answers} <= {202, 503}
        assert all((got.json["code"], got.headers["retry-after"]) == ("HTTP-016", "1") for got in full)
