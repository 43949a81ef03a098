"""Worlds that tests start from; made once for each worker and copied for each test."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.world import World, first_release, second_release

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _no_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time of creation in the environment of whoever runs the tests is not theirs."""
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Generation 1 runs on the site; 2.stella is thin against it, 2-full.stella holds all of it."""
    world = World(tmp_path_factory.mktemp("prepared") / "world").lay_channel()
    world.create(first_release(), "1.stella")
    world.lay_site().import_("1.stella")
    world.pass_time(3600)
    world.create(second_release(), "2.stella", receipt=world.receipt())
    world.create(name="2-full.stella")
    return world


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[World], World]:
    """A copy of a world in a folder of its own."""

    def copy(world: World) -> World:
        twin = world.copy(f"copy-{next(_numbers)}")
        moved = twin.top.rename(tmp_path / "world")
        twin.top = moved
        return twin

    return copy


@pytest.fixture
def world(prepared: World, copied: Callable[[World], World]) -> World:
    """A copy of the prepared world: generation 1 runs, 2.stella is the next good bundle."""
    return copied(prepared)
