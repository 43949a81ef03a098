"""Uploads where requests meet, and where the service was killed between two steps."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stella.http.errors import DatabaseAway, UploadDiffers, WrongOffset
from stella.http.model import NewUpload, Upload, UploadState
from stella.http.places import Grounds
from stella.http.uploads import Uploads
from stella.kernel.errors import StellaError
from stella.operations import Principal
from stella.runtime.errors import Busy
from tests.memory_store import MemoryStore

ID = "00000000-0000-7000-8000-000000000001"
DATA = bytes(1000)
A = "acme"
KIM = Principal("kim", frozenset(), A)


class Stopping(MemoryStore):
    """Holds the next look at an upload after the answer is known, and can be away for a change of it."""

    def __init__(self) -> None:
        super().__init__()
        self.hold: threading.Event | None = None
        self.held = threading.Event()
        self.away_for: UploadState | None = None

    def find_upload(self, tenant: str, upload_id: str) -> Upload | None:
        found = super().find_upload(tenant, upload_id)
        if self.hold is not None:
            hold, self.hold = self.hold, None
            self.held.set()
            hold.wait(5)
        return found

    def move_upload(self, tenant: str, upload_id: str, offset: int, state: UploadState, now: int) -> None:
        if state is self.away_for:
            raise DatabaseAway(problem="switched off")
        super().move_upload(tenant, upload_id, offset, state, now)


@pytest.fixture
def store() -> Stopping:
    return Stopping()


@pytest.fixture
def uploads(store: Stopping, tmp_path: Path) -> Uploads:
    (tmp_path / "work").mkdir()
    return Uploads(store, Grounds(tmp_path / "work", tmp_path / "parts"), 10_000, lambda: 1_800_000_000)


def begin(uploads: Uploads, data: bytes = DATA) -> None:
    uploads.begin(ID, NewUpload(name="b", size=len(data), sha256=hashlib.sha256(data).hexdigest()), KIM)


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def append(uploads: Uploads, offset: int, data: bytes) -> Upload:
    return await uploads.append(A, ID, offset, len(data), pieces(data))


def test_nothing_is_appended_between_the_look_and_the_piece(uploads: Uploads, store: Stopping, tmp_path: Path) -> None:
    """Else a late piece would cut off what another one added, which was acknowledged."""
    begin(uploads)
    store.hold = go = threading.Event()

    async def scene() -> None:
        late = asyncio.create_task(append(uploads, 0, DATA[:10]))
        await asyncio.to_thread(store.held.wait, 5)
        with pytest.raises(Busy):
            await append(uploads, 0, DATA)
        go.set()
        assert (await late).offset == 10

    asyncio.run(scene())
    assert uploads.find(A, ID).offset == 10
    assert (tmp_path / "parts" / A / f"{ID}.part").stat().st_size == 10


def test_of_many_who_look_at_once_one_finishes(uploads: Uploads, store: Stopping, tmp_path: Path) -> None:
    begin(uploads)
    (tmp_path / "parts" / A / f"{ID}.part").write_bytes(DATA)
    store.move_upload(A, ID, len(DATA), UploadState.OPEN, 1)
    ended: list[object] = []
    barrier = threading.Barrier(16)

    def look() -> None:
        barrier.wait()
        try:
            ended.append(uploads.find(A, ID).state)
        except StellaError as error:
            ended.append(type(error))
        except BaseException as error:  # noqa: BLE001  # is compared below
            ended.append(error)

    threads = [threading.Thread(target=look) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(ended) <= {UploadState.COMPLETE, Busy}
    assert uploads.find(A, ID).state is UploadState.COMPLETE


def test_a_refusal_that_could_not_be_kept_is_found_again(uploads: Uploads, store: Stopping, tmp_path: Path) -> None:
    begin(uploads)
    store.away_for = UploadState.REFUSED

    async def scene() -> None:
        with pytest.raises(DatabaseAway):
            await append(uploads, 0, b"x" * len(DATA))

    asyncio.run(scene())
    store.away_for = None
    with pytest.raises(UploadDiffers):
        uploads.find(A, ID)
    assert uploads.find(A, ID).state is UploadState.REFUSED
    assert list((tmp_path / "parts" / A).iterdir()) == []


def test_bytes_that_a_kill_left_behind_are_swept(uploads: Uploads, store: Stopping, tmp_path: Path) -> None:
    """A kill came after an upload had ended and before its pieces were removed; or the upload is gone."""
    begin(uploads)
    parts = tmp_path / "parts" / A
    store.move_upload(A, ID, len(DATA), UploadState.COMPLETE, 1_800_000_000)
    other = ID[:-1] + "2"
    uploads.begin(other, NewUpload(name="b", size=9, sha256="0" * 64), KIM)
    for name in (f"{ID}.part", f"{other}.part", f"{ID[:-1]}3.part"):
        (parts / name).write_bytes(b"x")
    (parts / f"{ID}.d").mkdir()
    (parts / f"{ID}.d" / "file").write_bytes(b"x")
    uploads.sweep()
    assert [path.name for path in parts.iterdir()] == [f"{other}.part"]


def test_an_offset_that_is_not_the_next(uploads: Uploads) -> None:
    begin(uploads)

    async def scene() -> None:
        await append(uploads, 0, DATA[:10])
        for offset in (0, 9, 11, 10_000):
            with pytest.raises(WrongOffset):
                await append(uploads, offset, DATA[:1])

    asyncio.run(scene())
