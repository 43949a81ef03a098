"""Proofs beside the typing: one thread that always works on the newest text.

Rules:
- Whoever asks never waits. Of several wishes about one text, the last one counts.
- The thread ends with the process: a proof is worth nothing to nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from stella.language.compile import Compiled

Proved = TypeVar("Proved")


class Wish(NamedTuple):
    """A text that is to be judged, and which version of it this is."""

    uri: str
    version: int
    compiled: Compiled


class Background(Generic[Proved]):
    """Runs `judge` for each wish, and hands `done` the wish with what came of it: a result, or what was raised."""

    def __init__(self, judge: Callable[[Compiled], Proved], done: Callable[[Wish, Proved | Exception], None]) -> None:
        self._judge = judge
        self._done = done
        self._wishes: dict[str, Wish] = {}
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None

    def ask(self, wish: Wish) -> None:
        """Wish for a proof, in place of an older wish about the same text."""
        with self._change:
            self._wishes[wish.uri] = wish
            self._change.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="proofs", daemon=True)
            self._thread.start()

    def forget(self, uri: str) -> None:
        """Nobody wants to know any more."""
        with self._change:
            self._wishes.pop(uri, None)

    def _work(self) -> None:
        while True:
            with self._change:
                while not self._wishes:
                    self._change.wait()
                wish = self._wishes.pop(next(iter(self._wishes)))
            try:
                proved: Proved | Exception = self._judge(wish.compiled)
            except Exception as error:  # noqa: BLE001  # the last guard of a thread; `done` tells the editor
                proved = error
            self._done(wish, proved)
