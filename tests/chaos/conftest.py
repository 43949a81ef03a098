"""Worlds that are built once for a process, and the undisturbed run of each scenario."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import stella.bundle.receive
import stella.mirror.thin
from stella.signing import authority, keys
from tests.chaos import world
from tests.chaos.disturb import Undisturbed, run_undisturbed
from tests.chaos.world import Scenario

MEMORY = "/dev/shm"  # a disk that is fast: thousands of small worlds are made and thrown away


def remembered(issue: Callable[..., bytes]) -> Callable[..., bytes]:
    """Tokens by root, time and certificate; the key, which is read anew each time, goes with the certificate."""
    tokens: dict[tuple[bytes, int, bytes], bytes] = {}

    def find(root: bytes, time: int, key: object, certificate: bytes) -> bytes:
        known = (root, time, certificate)
        if known not in tokens:
            tokens[known] = issue(root, time, key, certificate)
        return tokens[known]

    return find


ISSUED = remembered(authority.issue)
OPENED = cache(keys._load)


@pytest.fixture(autouse=True)
def shortcuts() -> Iterator[None]:
    """No delta worker processes, unless a test asks for them; tokens and keys, which touch no disk, are made once.

    For one test at a time: the tests of other folders share the process and must meet the real things.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(authority, "issue", ISSUED)
        patch.setattr(keys, "_load", OPENED)
        patch.setattr(stella.bundle.receive, "delta_worker", world.direct_worker)
        patch.setattr(stella.mirror.thin, "delta_worker", world.direct_worker)
        yield


@pytest.fixture(scope="session")
def quick() -> Iterator[Path]:
    """A folder for this process, in memory where there is such a place."""
    top = Path(tempfile.mkdtemp(prefix="stella-chaos-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    yield top
    shutil.rmtree(top)


@pytest.fixture
def place(quick: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder for one test."""
    top = Path(tempfile.mkdtemp(dir=quick))
    yield top
    shutil.rmtree(top)
    del request


@pytest.fixture(scope="session")
def undisturbed(quick: Path) -> Callable[[Scenario], Undisturbed]:
    """The undisturbed run of a scenario; the same one for every test of this process."""
    worlds: dict[str, Path] = {}
    runs: dict[str, Undisturbed] = {}

    def find(scenario: Scenario) -> Undisturbed:
        if scenario.world not in worlds:
            worlds[scenario.world] = world.build(quick / "worlds" / scenario.world, scenario.world)
        if scenario.name not in runs:
            runs[scenario.name] = run_undisturbed(scenario, worlds[scenario.world], quick / "runs" / scenario.name)
        return runs[scenario.name]

    return find
