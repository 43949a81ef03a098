"""Data migrations that a service runs beside its work: once, in small steps, stopped and taken up again."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stella.runtime.postgres_server import Postgres
from tests.e2e.material import ROOT
from tests.migrations import lay, rows
from tests.service import PASSWORD, PATIENCE, Running, running

pytestmark = [pytest.mark.network, pytest.mark.slow]

ROWS = 30
TABLE = "CREATE TABLE item (id bigint PRIMARY KEY, done int NOT NULL DEFAULT 0);"
FILL = f"INSERT INTO item SELECT n FROM generate_series(1, {ROWS}) n;"
SLOW = """\
-- stella:batch 1
WITH part AS (SELECT id FROM item WHERE id > coalesce($1, '0')::bigint ORDER BY id LIMIT $2),
done AS (UPDATE item SET done = done + 1 FROM part WHERE item.id = part.id RETURNING pg_sleep(0.25))
SELECT (SELECT count(*) FROM done), (SELECT max(id)::text FROM part);
"""
WRONG = "SELECT count(*), max(id / 0)::text FROM item WHERE id > coalesce($1, '0')::bigint AND $2 > 0;"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """What a package named `box` ships; a service that is started with `settings` knows it."""
    (tmp_path / "extra" / "box_of_data").mkdir(parents=True)
    (tmp_path / "extra" / "box_of_data" / "__init__.py").touch()
    (tmp_path / "extra" / "sitecustomize.py").write_text(
        "from stella import bootstrap\nbootstrap.SCHEMAS['box'] = 'box_of_data'\n"
    )
    return lay(tmp_path / "extra" / "box_of_data" / "migrations", {"001_item.sql": TABLE + FILL})


@pytest.fixture
def service(tmp_path: Path, files: Path, postgres: Postgres) -> Iterator[Running]:
    with running(tmp_path, postgres, PYTHONPATH=f"{tmp_path}/extra:{ROOT}/src:{ROOT}") as made:
        assert files.is_dir()
        yield made


def until(good: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := good()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def told(service: Running, kind: str) -> list[dict[str, Any]]:
    return [line for line in service.lines() if line["event"] == kind]


def done(service: Running) -> list[int]:
    return [row[0] for row in rows(f"{service.dsn} {PASSWORD}", "SELECT done FROM box.item ORDER BY id")]


def checkpoint(service: Running) -> list[tuple[Any, ...]]:
    return rows(f"{service.dsn} {PASSWORD}", "SELECT touched, paused FROM box.schema_checkpoints")


def again(service: Running, files: Path, name: str, text: str) -> None:
    """Install a release with one file more."""
    assert service.stop()[0] == 0
    lay(files, {name: text})
    service.start()


def test_a_stop_interrupts_it_and_the_next_start_goes_on(service: Running, files: Path) -> None:
    assert told(service, "data_migration") == []
    again(service, files, "DM001_mark.sql", SLOW)
    assert service.call("GET", "/readyz").status == 200
    until(lambda: sum(done(service)) > 1)
    begin = time.monotonic()
    assert service.stop()[0] == 0
    assert time.monotonic() - begin < 5
    assert told(service, "data_migration") == []
    halfway = done(service)
    assert 1 < sum(halfway) < ROWS
    assert checkpoint(service) == [(sum(halfway), False)]
    service.start()
    until(lambda: sum(done(service)) > sum(halfway))
    service.kill()
    service.start()
    (line,) = until(lambda: told(service, "data_migration"))
    assert (line["file"], line["state"], line["rows"]) == ("box/DM001_mark.sql", "applied", ROWS)
    assert done(service) == [1] * ROWS
    assert checkpoint(service) == []


def test_what_is_paused_stays_paused(service: Running, files: Path) -> None:
    again(service, files, "DM001_mark.sql", SLOW)
    until(lambda: sum(done(service)) > 1)
    assert service.call("POST", "/v1/admin/migrations/pause", {}).status == 200
    (line,) = until(lambda: told(service, "data_migration"))
    assert line["state"] == "paused"
    reached = done(service)
    service.stop(signal.SIGINT)
    service.start()
    until(lambda: len(told(service, "data_migration")) == 2)
    assert done(service) == reached
    job = service.job("/v1/admin/migrations/runs", {"category": "data"})
    assert job["state"] == "done"
    assert done(service) == [1] * ROWS


def test_a_failure_is_told_and_the_service_goes_on(service: Running, files: Path) -> None:
    again(service, files, "DM001_wrong.sql", WRONG)
    (line,) = until(lambda: told(service, "data_migration_failed"))
    assert "box/DM001_wrong.sql" in line["problem"]
    assert "division by zero" in line["problem"]
    assert service.call("GET", "/readyz").status == 200
    assert service.stop()[0] == 0
