"""What machines that watch the service ask: health, readiness, metrics, and the OpenAPI document.

Rules:
- `/healthz` says that the process answers, `/readyz` that it can work: the database answers and no stop has begun.
- Both need no token and say nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from stella.http.errors import DatabaseAway, Draining
from stella.http.exchange import JSON, Answer, Request, tagged
from stella.http.metrics import CONTENT_TYPE, Metrics
from stella.http.openapi import document
from stella.http.routes import Route, of_table
from stella.http.store import Store
from stella.http.table import Resource
from stella.operations import Operation


class Status:
    """The resources about the service itself."""

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        operations: Sequence[Operation[Any, Any]],
        more: Sequence[Resource],
        stopping: Callable[[], bool],
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._document = msgspec.json.encode(document(operations, more))
        self._stopping = stopping

    def routes(self) -> list[Route]:
        """Their routes."""
        return of_table(
            {
                "healthz": self.health,
                "readyz": self.ready,
                "metrics": self.metrics,
                "openapi": self.openapi,
            }
        )

    async def health(self, request: Request) -> Answer:
        """GET /healthz."""
        del request
        return Answer(200, b'{"status":"ok"}', [(b"content-type", JSON)])

    async def ready(self, request: Request) -> Answer:
        """GET /readyz."""
        del request
        if self._stopping():
            raise Draining
        await asyncio.to_thread(self._store.ping)
        return Answer(200, b'{"status":"ok"}', [(b"content-type", JSON)])

    async def metrics(self, request: Request) -> Answer:
        """GET /metrics."""
        del request
        try:
            jobs = await asyncio.to_thread(self._store.count_jobs)
        except DatabaseAway:  # the other figures say most when something is wrong
            jobs = None
        text = await asyncio.to_thread(self._metrics.text, jobs)
        return Answer(200, text, [(b"content-type", CONTENT_TYPE)])

    async def openapi(self, request: Request) -> Answer:
        """GET /openapi.json."""
        return tagged(request, Answer(200, self._document, [(b"content-type", JSON)]))
