"""Loads that are killed, and loads that meet: what is in the store is whole, whoever wrote it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import stella
from stella.inventory import snapshot
from stella.inventory.loading import load_star
from tests.fleets import AS_OF, FleetFiles

# Ends itself like `kill -9` at the step whose number is given: no handler runs, nothing is cleaned up.
KILLED = """
import os, signal, sys
from itertools import count
from stella.cli.main import run
from stella.runtime.files import observe_steps
steps, after = count(), int(sys.argv[1])
observe_steps(lambda *_: next(steps) == after and os.kill(os.getpid(), signal.SIGKILL))
sys.exit(run(sys.argv[2:]))
"""
WORDS = ["inventory", "load", "--sbom", "sboms", "--advisories", "osv", "--as-of", AS_OF, "--dir", "store", "--json"]


def started(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    source = str(Path(stella.__file__).parents[1])
    environment = {"PYTHONPATH": source, "PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.Popen(
        [sys.executable, *words], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.parametrize("after", [0, 5, 12, 19])
def test_a_process_that_is_killed_leaves_nothing_that_counts(tmp_path: Path, after: int) -> None:
    FleetFiles(tmp_path)
    process = started(tmp_path, "-c", KILLED, str(after), *WORDS)
    process.communicate(timeout=60)
    store = tmp_path / "store"
    assert process.returncode == -signal.SIGKILL
    for one in snapshot.snapshots(store) if store.exists() else ():
        load_star(one)
    again = started(tmp_path, "-m", "stella", *WORDS)
    told, _ = again.communicate(timeout=60)
    assert again.returncode == 0
    assert [one.name for one in snapshot.snapshots(store)] == [json.loads(told)["digest"]]
    assert [one.name for one in store.iterdir() if one.name.startswith(".loading")] == []


def test_two_loads_at_once_leave_one_whole_snapshot(tmp_path: Path) -> None:
    FleetFiles(tmp_path)
    both = [started(tmp_path, "-m", "stella", *WORDS) for _ in range(2)]
    ended = [(process.communicate(timeout=60), process.returncode) for process in both]
    codes = sorted(code for _, code in ended)
    assert codes[0] == 0, ended
    assert codes[1] == 0 or b"IO-" in b"".join(said[0] + said[1] for said, _ in ended)
    (one,) = snapshot.snapshots(tmp_path / "store")
    assert load_star(one).findings == 3
