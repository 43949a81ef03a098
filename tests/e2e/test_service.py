"""The service as a process: the main job over HTTP, restarts, stops."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from stella.runtime.postgres_server import Postgres
from tests.service import Running, running

pytestmark = pytest.mark.network


@pytest.fixture
def service(tmp_path: Path, postgres: Postgres) -> Iterator[Running]:
    with running(tmp_path, postgres) as made:
        yield made


def test_the_main_job_over_http(service: Running) -> None:
    assert service.call("POST", "/v1/mirror/channels", {"dir": "M"}).status == 201
    (service.work / "src").mkdir()
    (service.work / "src" / "notes.txt").write_text("one\n")
    made = service.job("/v1/mirror/bundles", {"dir": "M", "out": "1.stella", "source": ["artifacts=src"]})
    assert (made["state"], made["status"], made["result"]["schema"]) == ("done", 200, "stella.mirror.create@1"), made
    assert made["result"]["bundle"] == "1.stella"
    laid = service.call("POST", "/v1/site", {"dir": "D", "trust": "M/trust"})
    assert laid.status == 201, laid
    done = service.job("/v1/site/imports", {"dir": "D", "bundle": "1.stella"})
    assert done["result"]["generation"] == 1
    assert service.call("GET", "/v1/site?dir=D").json["active"] == 1
    assert service.call("GET", "/v1/mirror/channels/M").json["head"] == 1
    code, out = service.stop()
    assert (code, json.loads(out)["schema"]) == (0, "stella.serve@1"), service.log.read_text()
