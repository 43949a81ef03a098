"""What the service says while it runs: one line for each request and each event.

Rules:
- JSON where standard error is no terminal, short lines where it is one. Nothing else writes there.
- A line holds what is listed in the call and nothing of a request's headers, query or body, so no secret gets there.
- A log that cannot be written stops nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from stella.kernel.instant import format_time
from stella.runtime.ports import Clock

Write = Callable[[bytes], object]


class Log:
    """Writes lines to a descriptor."""

    def __init__(self, clock: Clock, descriptor: int, *, json: bool) -> None:
        self._clock = clock
        self._descriptor = descriptor
        self._json = json
        self._second = (0, "")

    def event(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Something happened: `kind` says what."""
        self._line({"event": kind, **facts})

    def request(self, request: str, operation: str, method: str, status: int, ms: float, **rest: str) -> None:
        """A request was answered."""
        told = {"event": "request", "request": request, "operation": operation, "method": method, "status": status}
        self._line({**told, "ms": round(ms, 2), **{key: value for key, value in rest.items() if value}})

    def _line(self, facts: dict[str, Any]) -> None:
        data = msgspec.json.encode({"time": self._time(), **facts}) + b"\n" if self._json else self._short(facts)
        with contextlib.suppress(OSError):
            os.write(self._descriptor, data)

    def _short(self, facts: Mapping[str, Any]) -> bytes:
        kind, *rest = facts.values()
        words = " ".join(str(word) for word in rest if word not in {"", None})
        return f"{self._time()[11:19]} {kind} {ascii(words)[1:-1]}\n".encode()

    def _time(self) -> str:
        """The time of day; made once a second, since requests come by the thousand."""
        now = self._clock.read().wall
        if now != self._second[0]:
            self._second = (now, format_time(now))
        return self._second[1]
