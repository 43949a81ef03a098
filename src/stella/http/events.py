"""The events of a job as a stream (server-sent events, WHATWG HTML section 9.2).

Rules:
- Kept events carry their number as `id`, so a client that comes back with Last-Event-ID misses none and sees none
  twice. Progress carries no id: only the newest matters.
- The stream ends after the event that ends the job, and when the service stops; a client then comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec

from stella.http.feed import Feed
from stella.http.model import ENDED, Event, JobState
from stella.http.store import Store

PAGE = 500  # events read at once
TICK = 0.2  # seconds between looks at the progress of a job
KEPT_TICK = 1.0  # seconds between looks into the store for a job that waits
BEAT = 15.0  # seconds after which a comment shows that the connection lives
_HEARTBEAT = b": still here\n\n"

_ENDINGS = frozenset(b'{"state":"%s"}' % state.value.encode() for state in ENDED)


def frame(kind: str, data: bytes, number: int | None = None) -> bytes:
    """One event on the wire; `data` is JSON and so has no line break."""
    head = b"" if number is None else b"id: %d\n" % number
    return head + b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


async def follow(
    store: Store,
    tenant: str,
    job_id: str,
    after: int,
    feed_of: Callable[[str], Feed | None],
    stopping: Callable[[], bool],
) -> AsyncIterator[bytes]:
    """Frames of a job's events after a number, until it has ended. Raises DatabaseAway."""
    loop = asyncio.get_running_loop()
    shown = b""
    beat = looked = loop.time()
    yield b"retry: 1000\n\n"
    while not stopping():
        feed = feed_of(job_id)
        if feed is None or feed.kept > after or loop.time() - looked >= KEPT_TICK:
            looked = loop.time()
            events = await asyncio.to_thread(store.events_after, tenant, job_id, after, PAGE)
            for event in events:
                after = event.number
                yield frame(event.kind, event.data, event.number)
            if any(_ends(event) for event in events) or (not events and await _has_ended(store, tenant, job_id)):
                return
            if events:
                beat = loop.time()
                continue
        reached = feed.reached() if feed is not None else None
        if reached is not None and (data := msgspec.json.encode(reached)) != shown:
            shown, beat = data, loop.time()
            yield frame("progress", data)
        elif loop.time() - beat >= BEAT:
            beat = loop.time()
            yield _HEARTBEAT
        await asyncio.sleep(TICK if feed is not None else KEPT_TICK / 2)


def _ends(event: Event) -> bool:
    return event.kind == "state" and event.data in _ENDINGS


async def _has_ended(store: Store, tenant: str, job_id: str) -> bool:
    """For a client that has seen the last event already, or whose job was forgotten."""
    job = await asyncio.to_thread(store.find_job, tenant, job_id)
    return job is None or JobState(job.state) in ENDED
