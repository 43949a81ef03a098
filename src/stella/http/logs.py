"""What the service says while it runs: one line for each request and each event.

Rules:
- JSON where standard error is no terminal, short lines where it is one. Nothing else writes there: what
  libraries have to say becomes an event, without its values.
- A line holds what is listed in the call and nothing of a request's headers, query or body, so no secret gets there.
- A log that cannot be written stops nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from stella.kernel.instant import format_time
from stella.runtime.ports import Clock

GRAIN = 0.2  # seconds
_encode = msgspec.json.Encoder().encode


class RequestLine(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="event", tag="request"):
    """What is said of a request; `ms` until its answer was handed over, `trace` from its traceparent."""

    time: str
    request: str
    operation: str
    method: str
    status: int
    ms: float
    principal: str = ""
    tenant: str = ""
    trace: str = ""


class Log:
    """Writes lines to a descriptor."""

    def __init__(self, clock: Clock, descriptor: int, *, json: bool) -> None:
        self._clock = clock
        self._descriptor = descriptor
        self._json = json
        self._now = (0.0, "")
        self._waiting: list[bytes] = []

    def event(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Something happened: `kind` says what. From any thread."""
        self._write(self._formed({"time": self.time(), "event": kind, **facts}))

    def request(self, line: RequestLine) -> None:
        """A request was answered. In a loop: the lines of one turn are written together."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(_encode(line) + b"\n" if self._json else self._formed(msgspec.structs.asdict(line)))

    def time(self) -> str:
        """The time of day, made anew at most some times a second: requests come by the thousand."""
        now = time.monotonic()
        if now - self._now[0] > GRAIN:
            self._now = (now, format_time(self._clock.read().wall))
        return self._now[1]

    def _flush(self) -> None:
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._write(data)

    def _formed(self, facts: Mapping[str, Any]) -> bytes:
        if self._json:
            return _encode(facts) + b"\n"
        moment, *rest = facts.values()
        words = " ".join(str(word) for word in rest if word not in {"", None})
        return f"{moment[11:19]} {ascii(words)[1:-1]}\n".encode()

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._descriptor, data)


class Forwarded(logging.Handler):
    """What libraries log, as events. What a client did wrong is no event: it has its answer."""

    def __init__(self, log: Log, trace_of: Callable[[BaseException], str]) -> None:
        super().__init__(logging.ERROR)
        self._log = log
        self._trace_of = trace_of

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        facts = {"logger": record.name, "problem": str(record.msg).strip()}
        self._log.event("library", facts | ({"traceback": self._trace_of(error)} if error else {}))
