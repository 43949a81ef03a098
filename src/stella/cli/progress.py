"""How far long work is, on a terminal's standard error.

Rules:
- Nothing is shown before half a second has passed, and nothing at all where standard error is not a terminal.
- What draws the bar is imported only when a bar is drawn.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

DELAY = 0.5  # shorter work ends before an eye has found the bar


class Silent:
    """The Progress port that says nothing."""

    def start(self, task: str, total: int | None, unit: str) -> None:
        """Ignore."""

    def advance(self, amount: int) -> None:
        """Ignore."""

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is drawn, so nothing has to make room."""
        yield


class OnTerminal:
    """The Progress port that draws a bar on standard error."""

    def __init__(self, delay: float = DELAY) -> None:
        self._lock = threading.RLock()
        self._delay = delay
        self._timer: threading.Timer | None = None
        self._task: tuple[str, int | None, str] | None = None
        self._done = 0
        self._bar: Bar | None = None
        self._row: TaskID | None = None

    def start(self, task: str, total: int | None, unit: str) -> None:
        with self._lock:
            self._task, self._done = (task, total, unit), 0
            if self._bar is not None:
                self._draw()
            elif self._timer is None:
                self._timer = threading.Timer(self._delay, self._draw)
                self._timer.daemon = True
                self._timer.start()

    def advance(self, amount: int) -> None:
        with self._lock:
            self._done += amount
            if self._bar is not None and self._row is not None:
                self._bar.update(self._row, completed=self._done)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Clear the line while a person is asked; the next task draws again."""
        self.close()
        yield

    def close(self) -> None:
        """Clear the bar; nothing stays on the screen."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._bar is not None:
                self._bar.stop()
                self._bar = None
            self._task = None

    def _draw(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        with self._lock:
            if self._task is None:  # it ended while the timer fired
                return
            task, total, unit = self._task
            if self._bar is not None:
                self._bar.stop()
            amount = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                amount,
                TextColumn("" if unit == "bytes" else unit),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._bar.start()
            self._row = self._bar.add_task(task, total=total, completed=self._done)


@contextlib.contextmanager
def shown() -> Iterator[Silent | OnTerminal]:
    """A Progress for one command; whatever it drew is gone when the block ends."""
    if sys.stderr is None or not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        yield Silent()
        return
    progress = OnTerminal()
    try:
        yield progress
    finally:
        progress.close()
