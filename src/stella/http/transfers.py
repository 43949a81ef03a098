"""The resources of uploads and files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from stella.http import idempotency
from stella.http.binding import convert, decode, read_query
from stella.http.errors import BadField, WrongMediaType
from stella.http.exchange import ENDLESS, Answer, Request, answer, number_in
from stella.http.files import Files, send_file
from stella.http.handlers import Limits
from stella.http.metrics import Metrics
from stella.http.model import ListFolder, NewUpload, Upload
from stella.http.routes import Route, of_table
from stella.http.store import Store
from stella.http.table import OCTETS
from stella.http.uploads import Uploads
from stella.kernel.ids import RANDOM_BYTES, uuid7
from stella.runtime.ports import Entropy


class Transfers:
    """Uploads to and downloads from the folder of a tenant."""

    def __init__(
        self,
        store: Store,
        uploads: Uploads,
        files: Files,
        metrics: Metrics,
        limits: Limits,
        now: Callable[[], int],
        entropy: Entropy,
    ) -> None:
        self._keys = idempotency.Keys(store, now)
        self._uploads = uploads
        self._files = files
        self._metrics = metrics
        self._limits = limits
        self._now = now
        self._entropy = entropy

    def routes(self) -> list[Route]:
        """Their routes."""
        return of_table(
            {
                "uploads.create": self.create,
                "uploads.show": self.show,
                "uploads.offset": self.show,
                "uploads.append": self.append,
                "uploads.delete": self.delete,
                "files.read": self.read,
            }
        )

    async def create(self, request: Request) -> Answer:
        """POST /v1/uploads."""
        body = await request.json(self._limits.body, self._limits.seconds)
        want = decode(body, NewUpload)

        async def work() -> Answer:
            upload_id = uuid7(self._now(), self._entropy(RANDOM_BYTES))
            upload = await asyncio.to_thread(self._uploads.begin, upload_id, want, request.principal)
            return self._shown(upload, 201)

        return await self._keys.once(request, body, work, repeatable=True)

    async def show(self, request: Request) -> Answer:
        """GET and HEAD /v1/uploads/{id}."""
        return self._shown(
            await asyncio.to_thread(self._uploads.find, request.principal.tenant, request.values[0]), 200
        )

    async def append(self, request: Request) -> Answer:
        """PATCH /v1/uploads/{id}."""
        found = request.header(b"content-type").partition(";")[0].strip().lower()
        if found != OCTETS:
            raise WrongMediaType(found=found or "of no type", expected=OCTETS)
        before = number_in(request.header(b"upload-offset"))
        if before is None or before == ENDLESS:
            raise BadField(what="`Upload-Offset`", problem="expected a number of bytes")
        length = request.announced(2**63, "service.max_upload_mib")
        tenant, upload_id = request.principal.tenant, request.values[0]
        upload = await self._uploads.append(tenant, upload_id, before, length, self._counted(request))
        return self._shown(upload, 200)

    async def _counted(self, request: Request) -> AsyncIterator[bytes]:
        async for piece in request.pieces():
            self._metrics.moved(request.principal.tenant, "in", len(piece))
            yield piece

    async def delete(self, request: Request) -> Answer:
        """DELETE /v1/uploads/{id}."""
        await asyncio.to_thread(self._uploads.remove, request.principal.tenant, request.values[0])
        return Answer(204)

    async def read(self, request: Request) -> Answer:
        """GET /v1/files/{path}."""
        want = convert(read_query(request.query), ListFolder, strict=False)
        found = await asyncio.to_thread(self._files.look, request.principal.tenant, request.values[0], want)
        if isinstance(found, Answer):
            return found
        return send_file(request, *found, lambda size: self._metrics.moved(request.principal.tenant, "out", size))

    def _shown(self, upload: Upload, status: int) -> Answer:
        headers = [(b"upload-offset", b"%d" % upload.offset), (b"upload-length", b"%d" % upload.size)]
        headers += [(b"location", f"/v1/uploads/{upload.id}".encode())]
        return answer(self._uploads.shown(upload), status, [*headers, (b"cache-control", b"no-store")])
