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
from stella.http.own import Own
from stella.http.routes import Route, of_table
from stella.http.store import Store
from stella.http.table import OCTETS, READ_FILES, WRITE_FILES
from stella.http.uploads import Uploads
from stella.kernel.ids import RANDOM_BYTES, uuid7
from stella.runtime.ports import Entropy


class Transfers:
    """Uploads to and downloads from the folder of a tenant."""

    def __init__(  # its parts
        self,
        store: Store,
        uploads: Uploads,
        files: Files,
        own: Own,
        metrics: Metrics,
        limits: Limits,
        now: Callable[[], int],
        entropy: Entropy,
    ) -> None:
        self._keys = idempotency.Keys(store, now)
        self._uploads = uploads
        self._files = files
        self._own = own
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
        self._own.may_send(request.principal)
        body = await request.json(self._limits.body, self._limits.seconds)
        want = decode(body, NewUpload)

        async def work() -> Answer:
            upload_id = uuid7(self._now(), self._entropy(RANDOM_BYTES))
            upload = await asyncio.to_thread(self._uploads.begin, upload_id, want, request.principal)
            return self._shown(upload, 201)

        return await self._keys.once(request, body, work, repeatable=True)

    async def show(self, request: Request) -> Answer:
        """GET and HEAD /v1/uploads/{id}."""
        tenant, upload_id = await self._named(request, READ_FILES)
        return self._shown(await asyncio.to_thread(self._uploads.find, tenant, upload_id), 200)

    async def append(self, request: Request) -> Answer:
        """PATCH /v1/uploads/{id}."""
        tenant, upload_id = await self._named(request, WRITE_FILES)
        found = request.header(b"content-type").partition(";")[0].strip().lower()
        if found != OCTETS:
            raise WrongMediaType(found=found or "of no type", expected=OCTETS)
        before = number_in(request.header(b"upload-offset"))
        if before is None or before == ENDLESS:
            raise BadField(what="`Upload-Offset`", problem="expected a number of bytes")
        length = request.announced(2**63, "service.max_upload_mib")
        upload = await self._uploads.append(tenant, upload_id, before, length, self._counted(request))
        return self._shown(upload, 200)

    async def _counted(self, request: Request) -> AsyncIterator[bytes]:
        async for piece in request.pieces():
            self._metrics.moved(request.principal.tenant, "in", len(piece))
            yield piece

    async def delete(self, request: Request) -> Answer:
        """DELETE /v1/uploads/{id}."""
        tenant, upload_id = await self._named(request, WRITE_FILES)
        await asyncio.to_thread(self._uploads.remove, tenant, upload_id)
        return Answer(204)

    async def read(self, request: Request) -> Answer:
        """GET /v1/files/{path}."""
        want = convert(read_query(request.query), ListFolder, strict=False)
        await asyncio.to_thread(self._own.file, request.principal, request.values[0])
        found = await asyncio.to_thread(self._files.look, request.principal.tenant, request.values[0], want)
        if isinstance(found, Answer):
            return found
        return send_file(request, *found, lambda size: self._metrics.moved(request.principal.tenant, "out", size))

    async def _named(self, request: Request, scope: str) -> tuple[str, str]:
        """The tenant and the id of an upload; raises ScopeMissing for one of others without that scope."""
        await asyncio.to_thread(self._own.upload, request.principal, request.values[0], scope)
        return request.principal.tenant, request.values[0]

    def _shown(self, upload: Upload, status: int) -> Answer:
        headers = [(b"upload-offset", b"%d" % upload.offset), (b"upload-length", b"%d" % upload.size)]
        headers += [(b"location", f"/v1/uploads/{upload.id}".encode())]
        return answer(self._uploads.shown(upload), status, [*headers, (b"cache-control", b"no-store")])
