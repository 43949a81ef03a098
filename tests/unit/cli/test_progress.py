"""Progress: nothing for short work, nothing in a pipe, a bar that goes away."""

from __future__ import annotations

import io
import sys
import threading
import time

import pytest

from stella.cli import progress


class Terminal(io.StringIO):
    """A standard error that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal from now on; not a fixture, since pytest sets the streams anew when the body of a test begins."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    return stream


def until(shown: Terminal, words: str) -> None:
    deadline = time.monotonic() + 10
    while words not in shown.getvalue():
        assert time.monotonic() < deadline, shown.getvalue()
        time.sleep(0.01)


def test_nothing_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (io.StringIO(), None):
        monkeypatch.setattr(sys, "stderr", stream)
        with progress.shown() as shown, shown.paused():
            assert isinstance(shown, progress.Silent)
            shown.start("task", 1, "bytes")
            shown.advance(1)


def test_nothing_on_a_dumb_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    with progress.shown() as shown:
        assert isinstance(shown, progress.Silent)
    assert terminal.getvalue() == ""


def test_short_work_shows_nothing_and_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    before = threading.active_count()
    monkeypatch.setattr(progress.OnTerminal.__init__, "__defaults__", (60,))
    with progress.shown() as shown:
        shown.start("task", 10, "bytes")
        shown.advance(10)
    deadline = time.monotonic() + 5
    while threading.active_count() > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert terminal.getvalue() == ""


def test_long_work_draws_each_task_and_clears(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    shown = progress.OnTerminal(delay=0)
    shown.start("hash", 1000, "bytes")
    until(terminal, "hash")
    shown.advance(500)
    until(terminal, "0.5/1.0 kB")
    shown.start("write", None, "files")
    until(terminal, "write")
    shown.advance(1)
    with shown.paused():
        assert terminal.getvalue().rstrip().endswith(("\x1b[2K", "\x1b[?25h"))  # the line is clear, the cursor is back
    shown.start("again", 5, "files")
    until(terminal, "again")
    shown.close()
    shown.close()
