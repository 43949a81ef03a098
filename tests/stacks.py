"""Stacks for tests: start and stop them as a person would, and look at what lives.

Rules:
- Every stack is stopped, and proved to have left no process, when its test ends.
- Its folder has a short path, since that is what most sockets need; tests of long paths make their own.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from stella.runtime import processes, run_file
from stella.runtime.run_file import Run
from stella.stack import supervisor
from stella.stack.layout import Layout, holder
from tests.database import in_memory
from tests.e2e.material import environment

SECONDS = 120  # a command that takes longer hangs


class Ended(subprocess.CompletedProcess[str]):
    """How a command ended."""

    @property
    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.stdout)
        return document


class Stack:
    """A folder for a stack, and commands on it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.top = data.parent

    def call(
        self, *words: str, python: str = sys.executable, env: dict[str, str] | None = None, **options: Any
    ) -> Ended:
        """Run `stella VERB --data DATA ... --json`."""
        command = [python, "-m", "stella", words[0], "--data", str(self.data), *words[1:], "--json"]
        given = environment(self.top, **(env or {}))
        done = subprocess.run(
            command, cwd=self.top, env=given, capture_output=True, text=True, timeout=SECONDS, check=False, **options
        )
        return Ended(done.args, done.returncode, done.stdout, done.stderr)

    def up(self, *words: str, **options: Any) -> dict[str, Any]:
        """Start; the result."""
        done = self.call("up", *words, **options)
        assert done.returncode == 0, (done.stdout, done.stderr, self.logs())
        return done.json

    def run(self) -> Run:
        """The report."""
        run = run_file.read(self.data)
        assert run is not None
        return run

    def pid(self, name: str) -> int:
        """The process of a child."""
        (process,) = (child.process for child in self.run().children if child.name == name)
        assert process is not None
        return process.pid

    def living(self) -> list[str]:
        """Servers that work in the folder, by name."""
        return [processes.name_of(found.pid) for found in supervisor.orphans(Layout(self.data))]

    def logs(self) -> str:
        """The ends of all logs."""
        found = sorted((self.data / "log").glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}" for log in found)

    def connect(self, role: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection as a user of the stack makes it: endpoint and secret out of the report."""
        run = self.run()
        password = Path(run.secrets[role].removeprefix("file:")).read_text()
        return psycopg.connect(run.endpoints[role], password=password, autocommit=True)

    def write(self, text: str) -> None:
        """Commit a row."""
        with self.connect("postgres-owner") as connection:
            connection.execute("CREATE SCHEMA IF NOT EXISTS kept")
            connection.execute("CREATE TABLE IF NOT EXISTS kept.rows (text text)")
            connection.execute("INSERT INTO kept.rows VALUES (%s)", [text])

    def rows(self) -> list[str]:
        """What was committed."""
        with self.connect("postgres-owner") as connection:
            return [row[0] for row in connection.execute("SELECT text FROM kept.rows ORDER BY text")]

    def until(self, good: Any, patience: float = 30) -> None:
        """Wait until something holds."""
        end = time.monotonic() + patience
        while not good():
            assert time.monotonic() < end, (run_file.read(self.data), self.logs())
            time.sleep(0.01)

    def until_replaced(self, name: str, pid: int) -> None:
        """Wait until another process has taken the place of a child's, and all is ready."""

        def replaced() -> bool:
            run = self.run()
            pids = {child.name: child.process.pid for child in run.children if child.process}
            return run.state == "ready" and pids.get(name, pid) != pid

        self.until(replaced)

    def ready(self) -> bool:
        """Whether all of it is."""
        run = run_file.read(self.data)
        return run is not None and run.state == "ready" and holder(Layout(self.data)) is not None

    def end(self) -> None:
        """Stop it whatever it does; nothing may live afterwards."""
        if self.data.exists():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.call("down")
        left = supervisor.orphans(Layout(self.data)) if self.data.exists() else []
        names = [processes.name_of(found.pid) for found in left]
        for found in left:
            os.kill(found.pid, signal.SIGKILL)
        assert names == []


@contextlib.contextmanager
def folder(name: str = "S") -> Iterator[Stack]:
    """A stack in a folder of its own, gone at the end."""
    top = Path(tempfile.mkdtemp(prefix="stella-st-", dir=in_memory()))
    stack = Stack(top / name)
    try:
        yield stack
    finally:
        stack.end()
        shutil.rmtree(top)


@pytest.fixture(scope="session")
def example() -> Iterator[Path]:
    """The folder of a stack that has run, holds the row `first`, and was stopped: to copy."""
    with folder() as made:
        made.up()
        made.write("first")
        assert made.call("down").returncode == 0
        yield made.data


@pytest.fixture
def stopped(example: Path) -> Iterator[Stack]:
    """A stack that is stopped."""
    with folder() as made:
        shutil.copytree(example, made.data)
        yield made


@pytest.fixture
def stack() -> Iterator[Stack]:
    """A folder without a stack yet."""
    with folder() as made:
        yield made
