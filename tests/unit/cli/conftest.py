"""A command line in this process, and one as a process, both with the fake slice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stella import bootstrap, operations
from stella.cli.main import run

SCRIPT = Path(__file__).with_name("fake_stella.py")
FAKE = "tests.unit.cli.fake_slice"


class Ended(NamedTuple):
    """How a command line ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, no setting in the environment, and a folder without a project file."""
    for name in list(os.environ):
        if name.startswith(("STELLA_", "XDG_")) or name in {"REQUIRE_PROD_SIGNING", "NO_COLOR"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return tmp_path


@pytest.fixture
def stella(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Ended]]:
    """Run words as `stella` would, in this process; the fake slice leaves the table of operations afterwards."""
    del home
    monkeypatch.setitem(bootstrap.NOUNS, "fake", bootstrap.Noun(FAKE, "A slice for tests."))
    monkeypatch.delitem(sys.modules, FAKE, raising=False)

    def call(*words: str) -> Ended:
        capfd.readouterr()
        code = run(words)
        return Ended(code, *capfd.readouterr())

    yield call
    for name in [name for name in operations._TABLE if name.startswith("fake.")]:
        del operations._TABLE[name]


@pytest.fixture
def process(home: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Start `stella` as a process with pipes."""
    del home

    def start(*words: str, **options: Any) -> subprocess.Popen[bytes]:
        given: dict[str, Any] = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "stdin": subprocess.DEVNULL,
        } | options
        return subprocess.Popen([sys.executable, str(SCRIPT), *words], **given)

    return start
