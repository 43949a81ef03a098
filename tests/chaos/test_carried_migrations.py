"""Kills in the middle of an import of migrations, on a real PostgreSQL: the same command again finishes.

Rules:
- A statement of the runner is a point; the process is killed before it, with signal 9. One in so many is tried by day,
  every one at night.
"""

from __future__ import annotations

import os
import signal
import tempfile
from itertools import count
from pathlib import Path

import pytest

from stella.runtime import migrate, throwaway
from stella.runtime.postgres_server import Postgres, binaries
from stella.runtime.processes import gone, running_in
from tests.carried import Carried, carried, database_of, trial_here
from tests.database import postgres
from tests.migrations import EVERY, ended, in_child

__all__ = ["carried", "postgres", "trial_here"]  # fixtures
pytestmark = pytest.mark.network  # the socket of the server

STRIDE = 9


def points_of(carried: Carried) -> list[str]:
    """The statements that an import sends."""
    sent: list[str] = []
    migrate.observe_statements(sent.append)
    try:
        assert carried.import_().complete
    finally:
        migrate.observe_statements(None)
    return sent


def die_at(carried: Carried, point: int) -> None:
    steps = count()

    def watch(_: str) -> None:
        if next(steps) == point:
            os.kill(os.getpid(), signal.SIGKILL)

    migrate.observe_statements(watch)
    carried.import_()


@pytest.mark.parametrize(
    "stride", [pytest.param(STRIDE, id="some"), pytest.param(1, id="every", marks=pytest.mark.nightly)]
)
def test_a_kill_anywhere_is_finished_by_the_same_command(carried: Carried, postgres: Postgres, stride: int) -> None:
    carried.ship(EVERY)
    carried.bundle()
    sent = points_of(carried)
    assert sum(text == "COMMIT" for text in sent) > len(EVERY)
    between = set()
    for point in range(0, len(sent), stride):
        with database_of(postgres) as login:
            at = Carried(carried.world, login)
            pid = in_child(lambda: die_at(at, point))  # noqa: B023  # it runs at once
            assert ended(pid) == -signal.SIGKILL
            between.add(len(at.history()))
            assert at.import_().complete
            assert at.history() == sorted(EVERY)
            assert at.execute("SELECT count(*) FROM box.item WHERE name LIKE '%!' AND name NOT LIKE '%!!'") == [(11,)]
    assert len(between) > len(EVERY) / 2, "kills fell between files too"


def test_a_killed_trial_leaves_no_server() -> None:
    """The server that a bundle starts for itself dies with the process that started it."""
    with tempfile.TemporaryDirectory(prefix="stella-killed-") as name:  # short, so that the socket is in it too
        place = Path(name)

        def act() -> None:
            tempfile.tempdir = name
            with throwaway.database("trial", "only for tests"):
                os.kill(os.getpid(), signal.SIGKILL)

        assert ended(in_child(act)) == -signal.SIGKILL
        (left,) = place.iterdir()
        assert (left / "data" / "PG_VERSION").exists(), "it ran"
        assert gone(running_in(place, [binaries() / "postgres"]), 20) == []
