"""Folders for work in progress go away with their block, or with the next one after a kill."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from stella.runtime import scratch as module
from stella.runtime.errors import Unwritable
from stella.runtime.scratch import scratch

KILLED = """
import os, signal, sys, tempfile
from stella.runtime.scratch import scratch
tempfile.tempdir = sys.argv[1]
with scratch("work") as place:
    (place / "secret").write_text("x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_goes_away_with_the_block(top: Path) -> None:
    with scratch("work") as place:
        assert place.parent == top
        assert place.stat().st_mode & 0o777 == 0o700
        (place / "file").touch()
    assert list(top.iterdir()) == []
    with pytest.raises(KeyError), scratch("work"):
        raise KeyError
    assert list(top.iterdir()) == []


def test_what_a_kill_left_goes_away_with_the_next(top: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(top)], check=False).returncode < 0
    (left,) = top.iterdir()
    with scratch("other"):
        assert left.exists()
    with scratch("work") as place:
        assert list(top.iterdir()) == [place]


def test_one_that_is_used_stays(top: Path) -> None:
    with scratch("work") as one, scratch("work") as other:
        assert sorted(top.iterdir()) == sorted([one, other])
    (top / "elsewhere").mkdir()
    (top / "stella-work-link").symlink_to(top / "elsewhere")
    (top / "stella-work-file").touch()
    with scratch("work"):
        assert (top / "elsewhere").is_dir()
    assert {path.name for path in top.iterdir()} == {"elsewhere", "stella-work-link", "stella-work-file"}


def test_one_of_another_account_stays(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (top / "stella-work-theirs").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with scratch("work") as place:
        assert place.is_dir()
        assert (top / "stella-work-theirs").is_dir()


def test_without_locks_there_is_a_folder_all_the_same(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_lock", lambda _: None)
    with scratch("work") as place:
        assert place.is_dir()
    assert list(top.iterdir()) == []


def test_no_folder_of_temporary_files(tmp_path: Path) -> None:
    with pytest.raises(Unwritable), scratch("work", tmp_path / "none"):
        raise AssertionError
