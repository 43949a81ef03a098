"""Bundles of migrations through a service: its own private server for the trial, its own database for the import."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stella import bootstrap
from stella.runtime.postgres_server import Postgres, binaries
from stella.runtime.processes import running_in
from tests.service import Running, running

pytestmark = [pytest.mark.network, pytest.mark.slow]

ADMIN = "/v1/admin/migrations"


@pytest.fixture
def service(tmp_path: Path, postgres: Postgres) -> Iterator[Running]:
    (tmp_path / "tmp").mkdir()
    with running(tmp_path, postgres, TMPDIR=str(tmp_path / "tmp")) as made:
        yield made


def test_a_bundle_is_made_and_imported_as_jobs(service: Running, tmp_path: Path) -> None:
    assert service.call("POST", "/v1/mirror/channels", {"dir": "M", "channel": "migrations"}).status == 201
    made = service.job(f"{ADMIN}/bundles", {"dir": "M", "out": "1.stella"})
    assert (made["state"], made["status"], made["result"]["schema"]) == ("done", 200, "stella.migrate.bundle@1"), made
    assert made["result"]["modules"] == list(bootstrap.SCHEMAS)
    assert "mirror.channels" in made["result"]["tables_protected"]
    assert list((tmp_path / "tmp").iterdir()) == []
    assert running_in(tmp_path / "tmp", [binaries() / "postgres"]) == []
    done = service.job(f"{ADMIN}/imports", {"bundle": "1.stella", "trust": "M/trust"})
    assert (done["state"], done["result"]["complete"]) == ("done", True), done  # a start has applied the same files
    assert done["result"]["notes"] == ["everything was applied before; nothing was changed"]
    (service.work / "1.stella").write_bytes((service.work / "1.stella").read_bytes()[:-1])
    cut = service.job(f"{ADMIN}/imports", {"bundle": "1.stella", "trust": "M/trust"})
    assert (cut["state"], cut["problem"]["code"]) == ("failed", "BUNDLE-002"), cut
