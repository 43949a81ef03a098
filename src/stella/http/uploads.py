"""Uploads: a file, or a folder as ustar, sent in pieces that survive a restart.

Rules:
- What was acknowledged is durable: bytes are synced before the offset in the store moves, and a piece that was cut off
  keeps what was synced of it.
- Nothing is at the path of an upload before all of it is there and its digest is right; then it appears at once.
- A step that a crash interrupted is done again by the next request that looks at the upload.
- One request at a time appends to an upload.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from stella.http.errors import (
    BadField,
    BodyTooLarge,
    TooManyUploads,
    UploadDiffers,
    UploadEnded,
    UploadMissing,
    WrongOffset,
)
from stella.http.model import NewUpload, Upload, UploadShown, UploadState
from stella.http.places import UPLOADS, Ground, Grounds, problem_of
from stella.http.store import Bound, Store
from stella.http.unpack import unpack
from stella.kernel.errors import StellaError
from stella.operations import Principal
from stella.runtime.errors import Busy
from stella.runtime.files import PUBLIC_MODE, make_directory, step, sync_directory, sync_filesystem, writing

MAX_OPEN = Bound(100, 1000)  # uploads that are not finished; each may claim disk
KEEP_OPEN = 24 * 3600  # seconds after which an unfinished upload is removed
SYNC_EVERY = 16 << 20  # bytes; what a kill can cost a client to send again
CHUNK = 1 << 20


class Uploads:
    """The uploads of each tenant: pieces in its `parts`, finished ones in `uploads/ID/NAME` below its root."""

    def __init__(self, store: Store, grounds: Grounds, limit: int, now: Callable[[], int]) -> None:
        self._store = store
        self._grounds = grounds
        self._limit = limit
        self._now = now
        self._busy: set[tuple[str, str]] = set()
        self._lock = threading.Lock()  # of those who ask whether an upload is busy: threads and the loop

    def begin(self, upload_id: str, want: NewUpload, principal: Principal) -> Upload:
        """Start an upload. Raises BadField, BodyTooLarge or TooManyUploads."""
        problem = problem_of(want.name)
        if problem:
            raise BadField(what="`name`", problem=problem)
        if want.size > self._limit:
            raise BodyTooLarge(limit=self._limit, setting="service.max_upload_mib")
        upload = Upload(
            tenant=principal.tenant,
            id=upload_id,
            name=want.name.removesuffix("/"),
            size=want.size,
            sha256=want.sha256,
            unpack=want.unpack,
            state=UploadState.OPEN,
            offset=0,
            principal=principal.name,
            changed=self._now(),
        )
        make_directory(self._grounds.of(upload.tenant).parts, 0o700)
        if not self._store.add_upload(upload, MAX_OPEN):
            raise TooManyUploads(limit=MAX_OPEN.each)
        return self.find(upload.tenant, upload_id)

    def find(self, tenant: str, upload_id: str) -> Upload:
        """An upload, finished if all of it is there. Raises UploadMissing, UploadDiffers or UploadNotUstar."""
        upload = self._known(tenant, upload_id)
        if not _to_finish(upload):
            return upload
        with self._alone(tenant, upload_id):
            return self._finished(tenant, upload_id)

    def _known(self, tenant: str, upload_id: str) -> Upload:
        upload = self._store.find_upload(tenant, upload_id)
        if upload is None:
            raise UploadMissing(id=upload_id)
        return upload

    def _finished(self, tenant: str, upload_id: str) -> Upload:
        """As `find`, for whoever is alone with the upload: what was known of it before that may be old."""
        upload = self._known(tenant, upload_id)
        return self._finish(upload) if _to_finish(upload) else upload

    async def append(
        self, tenant: str, upload_id: str, offset: int, length: int | None, pieces: AsyncIterator[bytes]
    ) -> Upload:
        """Append what comes; what came before an exception is kept. Also raises WrongOffset, UploadEnded or Busy."""
        with self._alone(tenant, upload_id):
            upload = await asyncio.to_thread(self._finished, tenant, upload_id)
            if upload.state is not UploadState.OPEN:
                raise UploadEnded(state=upload.state.value)
            if offset != upload.offset:
                raise WrongOffset(found=offset, offset=upload.offset)
            room = upload.size - offset
            if (length or 0) > room:
                raise BodyTooLarge(limit=room, setting="service.max_upload_mib")
            await self._write(upload, pieces, room)
            return await asyncio.to_thread(self._finished, tenant, upload_id)

    async def _write(self, upload: Upload, pieces: AsyncIterator[bytes], room: int) -> None:
        part = await asyncio.to_thread(_Part, self._part(upload), upload.offset)
        gathered, waiting = bytearray(), 0
        try:
            async for piece in pieces:
                if len(piece) > room:
                    raise BodyTooLarge(limit=upload.size, setting="service.max_upload_mib")
                room -= len(piece)
                gathered += piece
                if len(gathered) >= CHUNK:
                    await asyncio.to_thread(part.write, bytes(gathered))
                    waiting += len(gathered)
                    gathered.clear()
                if waiting >= SYNC_EVERY:
                    await self._keep(upload, part)
                    waiting = 0
        finally:
            try:
                if gathered:
                    await asyncio.to_thread(part.write, bytes(gathered))
                await self._keep(upload, part)
            finally:
                part.close()

    async def _keep(self, upload: Upload, part: _Part) -> None:
        """Make what was written durable, then say so in the store."""

        def keep() -> None:
            part.sync()
            self._store.move_upload(upload.tenant, upload.id, part.offset, UploadState.OPEN, self._now())

        await asyncio.to_thread(keep)

    def remove(self, tenant: str, upload_id: str) -> None:
        """Forget an upload and its bytes. Raises UploadMissing or Busy."""
        self._known(tenant, upload_id)
        with self._alone(tenant, upload_id):
            ground = self._grounds.of(tenant)
            _clear(ground, upload_id)
            shutil.rmtree(ground.root / UPLOADS / upload_id, ignore_errors=True)
            self._store.remove_upload(tenant, upload_id)

    def sweep(self) -> None:
        """Remove what was left unfinished for long, and pieces that a kill has left of what has ended."""
        for upload in self._store.stale_uploads(self._now() - KEEP_OPEN):
            with contextlib.suppress(StellaError):
                self.remove(upload.tenant, upload.id)
        for tenant, ground in self._grounds.every():
            for upload_id in {path.name.partition(".")[0] for path in ground.parts.glob("*.*")}:
                found = self._store.find_upload(tenant, upload_id)
                if found is None or found.state is not UploadState.OPEN:
                    _clear(ground, upload_id)

    def shown(self, upload: Upload) -> UploadShown:
        """An upload as clients see it."""
        return UploadShown(
            id=upload.id,
            state=upload.state,
            name=upload.name,
            size=upload.size,
            offset=upload.offset,
            sha256=upload.sha256,
            unpack=upload.unpack,
            path=f"{UPLOADS}/{upload.id}/{upload.name}",
        )

    def _finish(self, upload: Upload) -> Upload:
        ground = self._grounds.of(upload.tenant)
        final = ground.root / UPLOADS / upload.id / upload.name
        try:
            if not final.exists():  # else a crash came between the two last steps
                self._place(upload, final)
        except StellaError as error:
            if error.code not in REFUSING:
                raise
            self._store.move_upload(upload.tenant, upload.id, upload.offset, UploadState.REFUSED, self._now())
            _clear(ground, upload.id)
            raise
        self._store.move_upload(upload.tenant, upload.id, upload.offset, UploadState.COMPLETE, self._now())
        _clear(ground, upload.id)
        return self._known(upload.tenant, upload.id)

    def _place(self, upload: Upload, final: Path) -> None:
        part = self._part(upload)
        if not upload.size:
            _Part(part, 0).close()
        found = _sha256(part)
        if found != upload.sha256:
            raise UploadDiffers(found=found, expected=upload.sha256)
        make_directory(final.parent)
        whole = part
        if upload.unpack:
            whole = part.with_suffix(".d")
            shutil.rmtree(whole, ignore_errors=True)
            make_directory(whole)
            unpack(part, whole)
            sync_filesystem(whole)
        with writing(final):
            step("rename", final)
            whole.rename(final)
        sync_directory(final.parent)

    def _part(self, upload: Upload) -> Path:
        return self._grounds.of(upload.tenant).parts / f"{upload.id}.part"

    @contextlib.contextmanager
    def _alone(self, tenant: str, upload_id: str) -> Iterator[None]:
        with self._lock:
            if (tenant, upload_id) in self._busy:
                raise Busy(path=f"upload {upload_id}", holder="")
            self._busy.add((tenant, upload_id))
        try:
            yield
        finally:
            self._busy.discard((tenant, upload_id))


def _clear(ground: Ground, upload_id: str) -> None:
    """Remove the pieces of an upload."""
    (ground.parts / f"{upload_id}.part").unlink(missing_ok=True)
    shutil.rmtree(ground.parts / f"{upload_id}.d", ignore_errors=True)


def _to_finish(upload: Upload) -> bool:
    """Whether all bytes are there, and the upload is not yet at its path."""
    return upload.state is UploadState.OPEN and upload.offset == upload.size


REFUSING = frozenset({"HTTP-022", "HTTP-023"})  # the bytes are wrong, and would be wrong again


class _Part:
    """The file of the bytes that came so far, cut to what is known to be durable."""

    def __init__(self, path: Path, offset: int) -> None:
        self._path = path
        self.offset = offset
        with writing(path):
            step("create", path)
            self._handle = os.open(path, os.O_WRONLY | os.O_CREAT, PUBLIC_MODE)
            os.ftruncate(self._handle, offset)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        with writing(self._path):
            step("write", self._path)
            while view:
                written = os.pwrite(self._handle, view, self.offset)
                self.offset += written
                view = view[written:]

    def sync(self) -> None:
        with writing(self._path):
            step("fsync", self._path)
            os.fsync(self._handle)
        sync_directory(self._path.parent)

    def close(self) -> None:
        os.close(self._handle)


def _sha256(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
