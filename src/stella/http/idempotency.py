"""Requests that may be sent again: `Idempotency-Key` on everything that creates.

Rules:
- A key is one of a tenant, a principal and an operation.
- The first request with a key is worked on; the same one again gets the same answer, marked `idempotent-replayed`. The
  same key with another body is refused, and so is one whose request is still being worked on.
- An error is not kept: nothing was done, and the next request with the key is worked on anew.
- After a crash nobody knows whether an interrupted request took effect. It is worked on again only where the operation
  may run twice; otherwise a person has to look.
- When the store is away at the end of a request, it is told with the next request that has the key.
- A job keeps its own key in the store, in the same transaction that queues it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from functools import partial

from stella.http.errors import BadField, DatabaseAway, KeyInterrupted, KeyInUse, KeyReused, ServiceRuns
from stella.http.exchange import JSON, Answer, Request
from stella.http.store import Key, Store
from stella.kernel.digest import sha256

HEADER = b"idempotency-key"
REPLAYED = (b"idempotent-replayed", b"true")
_KEY = re.compile(rb"[\x21-\x7e]{1,200}")  # a key is a random id
KEEP = 24 * 3600  # seconds that an answer is kept


def key_of(request: Request) -> str:
    """The key that came with a request, empty when none did; raises BadField."""
    key = request.headers.get(HEADER)
    if key is None:
        return ""
    if not _KEY.fullmatch(key):
        raise BadField(what="`Idempotency-Key`", problem="expected at most 200 visible ASCII characters")
    return key.decode()


def same(key: str, earlier: str, found: str) -> None:
    """Raise KeyReused unless both digests are the same."""
    if earlier != found:
        raise KeyReused(key=key, earlier=earlier, found=found)


class Keys:
    """The keys of requests that are answered at once."""

    def __init__(self, store: Store, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now
        self._untold: dict[Key, Callable[[], None]] = {}  # what the store could not be told of requests that have ended

    async def once(
        self, request: Request, body: bytes, work: Callable[[], Awaitable[Answer]], *, repeatable: bool
    ) -> Answer:
        """The answer of `work`, or the kept one of an earlier request with the same key."""
        text = key_of(request)
        if not text:
            return await work()
        key = Key(request.principal.tenant, request.principal.name, request.operation, text)
        digest = sha256(body)
        await self._tell(key)
        kept = await asyncio.to_thread(self._store.begin_answer, key, digest, self._now())
        if kept is not None:
            same(text, kept.digest, digest)
            if kept.state == "answered":
                headers = [(b"content-type", JSON), REPLAYED]
                headers += [(b"location", kept.location.encode())] if kept.location else []
                return Answer(kept.status or 200, kept.body, headers)
            if kept.state == "interrupted" and not repeatable:
                raise KeyInterrupted(key=text)
            if kept.state == "running" or not await asyncio.to_thread(self._store.resume_answer, key, self._now()):
                raise KeyInUse(key=text)
        return await self._worked(key, work)

    async def _worked(self, key: Key, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """Work, and keep what came of it; whoever asked is to know it, whether it can be kept now or not."""
        try:
            answer = await work()
        except Exception:
            self._untold[key] = partial(self._store.forget_answer, key)
            await self._tell_if_there(key)
            raise
        location = next((value.decode() for name, value in answer.headers if name == b"location"), "")
        kept = partial(self._store.keep_answer, key, answer.status, location, answer.body, self._now())
        self._untold[key] = kept
        await self._tell_if_there(key)
        return answer

    async def _tell_if_there(self, key: Key) -> None:
        with contextlib.suppress(DatabaseAway, ServiceRuns):
            await self._tell(key)

    async def _tell(self, key: Key) -> None:
        """Tell the store how the request with a key has ended, if it does not know."""
        untold = self._untold.pop(key, None)
        if untold is not None:
            try:
                await asyncio.to_thread(untold)
            except BaseException:
                self._untold[key] = untold
                raise
