"""The files of one call: what the operation reads goes to the service before it, what it writes comes back after it.

Rules:
- A request that names files of this machine is sent with their places at the service; results and errors are told with
  the names that the caller gave.
- Uploads are cut into pieces and go on where they stopped; the service compares size and SHA-256.
- A file that comes back goes on where it stopped as well; it is there when all of it is, with the SHA-256 of its ETag.
- A folder travels as an uncompressed tar of regular files in the order of their names.
- A folder of the service itself, such as a channel, and a private key in it are named by their path there and do not
  travel.
- What a request says of this machine is left out where it is a setting, and refused where somebody typed it.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from stella.client.errors import NotAFile, NotAService, NotThere, ServiceAway
from stella.client.transport import Patience, Transport
from stella.kernel.errors import StellaError
from stella.operations import STORED, Field, Operation, fields_of
from stella.runtime.errors import Unreadable
from stella.runtime.files import make_directory, open_file, reading, replacing, writing
from stella.runtime.ports import Entropy, Progress
from stella.runtime.scratch import scratch

PIECE = 4 * 1024 * 1024  # bytes of an upload in one request: what is lost at most when the connection breaks
CHUNK = 1024 * 1024


class Upload(msgspec.Struct, frozen=True):
    """What the service says of an upload: its id, where its content will be, and how many bytes it has."""

    id: str
    path: str
    offset: int


class Entry(msgspec.Struct, frozen=True):
    """A name in a folder of the service."""

    name: str
    kind: str


class Listing(msgspec.Struct, frozen=True):
    """A page of a folder of the service; `next` is the cursor of the page behind."""

    entries: tuple[Entry, ...]
    next: str | None


class Exchange:
    """The files of one call of `operation`."""

    def __init__(
        self, transport: Transport, operation: Operation[Any, Any], entropy: Entropy, progress: Progress
    ) -> None:
        self._transport = transport
        self._operation = operation
        self._progress = progress
        self._entropy = entropy
        self._place = f"downloads/{entropy(12).hex()}"
        self._sent: list[str] = []  # ids of uploads
        self._names: dict[str, str] = {}  # place at the service -> name that the caller gave
        self._wanted: dict[str, str] = {}  # the same, for files that come back
        self._folders: dict[str, str] = {}  # the same, for folders

    def send(self, request: msgspec.Struct) -> dict[str, Any]:
        """Upload what is named; the request as the service takes it. Raises NotThere, NotAFile, file errors."""
        values: dict[str, Any] = msgspec.to_builtins(request)
        return {
            name: self._at_service(about, values[name])
            for name, _, about, default in fields_of(type(request))
            if values[name] != default and values[name] is not None and not self._of_this_machine(name, about)
        }

    def receive(self) -> None:
        """Fetch what the operation wrote; raises DiskFull, Unwritable, ServiceAway."""
        for there, here in self._wanted.items():
            self._fetch(there, Path(here))
        for there, here in self._folders.items():
            self._fetch_folder(there, Path(here))

    def delete_sent(self) -> None:
        """Delete what was sent: it was for one call. What cannot be deleted now stays at the service."""
        with contextlib.suppress(StellaError):
            for upload in self._sent:
                self._transport.json("DELETE", f"/v1/uploads/{upload}")

    def _fetch(self, there: str, here: Path) -> None:
        url, patience = self._transport.url, Patience()
        etag, size, digest, done = "", -1, hashlib.sha256(), 0
        with replacing(here) as file:
            while done != size:
                try:
                    with self._opened(there, done, etag) as answer:
                        if size < 0:
                            etag, size = answer.headers.get("ETag", ""), answer.length or 0
                            self._progress.start("download", size or None, "bytes")
                        while chunk := answer.read(CHUNK):
                            file.write(chunk)
                            digest.update(chunk)
                            done += len(chunk)
                            patience.renew()
                            self._progress.advance(len(chunk))
                    if done != size:
                        raise ServiceAway(url=url, problem="the answer was cut off")
                except (ConnectionError, TimeoutError, http.client.HTTPException) as error:
                    patience.wait(ServiceAway(url=url, problem=str(error) or type(error).__name__))
                except StellaError as error:
                    patience.wait(error)
            if etag != f'"{digest.hexdigest()}"':
                raise NotAService(url=url, problem="the bytes of a file are not those of its ETag")

    @contextlib.contextmanager
    def _opened(self, there: str, done: int, etag: str) -> Iterator[http.client.HTTPResponse]:
        """A file of the service from a byte on; raises NotAService when it has become another one."""
        headers = {"Range": f"bytes={done}-", "If-Range": etag} if done else {}
        with self._transport.open("GET", f"/v1/files/{quote(there)}", None, headers) as answer:
            if done and (answer.status != http.client.PARTIAL_CONTENT or answer.headers.get("ETag") != etag):
                raise NotAService(url=self._transport.url, problem="a file became another one while it was sent")
            yield answer

    def _fetch_folder(self, there: str, here: Path) -> None:
        make_directory(here)
        cursor = ""
        while True:
            _, _, data = self._transport.json("GET", f"/v1/files/{quote(there)}{cursor}")
            page = self._transport.decoded(data, Listing)
            for entry in page.entries:
                if "/" in entry.name or entry.name in {"", ".", ".."}:
                    raise NotAService(url=self._transport.url, problem="a file's name leads elsewhere")
                fetch = self._fetch_folder if entry.kind == "folder" else self._fetch
                fetch(f"{there}/{entry.name}", here / entry.name)
            if page.next is None:
                return
            cursor = f"?cursor={quote(page.next)}"

    def told(self, value: Any) -> Any:  # noqa: ANN401  # any JSON value
        """A JSON value of the service with the names that the caller gave."""
        if isinstance(value, str):
            for there, here in self._names.items():
                value = value.replace(there, here)
        elif isinstance(value, list):
            return [self.told(row) for row in value]
        elif isinstance(value, dict):
            return {name: self.told(row) for name, row in value.items()}
        return value

    @staticmethod
    def _of_this_machine(name: str, about: Field) -> bool:
        if about.at_home and not about.setting:
            raise NotThere(field=f"--{name}")
        return about.at_home

    def _at_service(self, about: Field, value: Any) -> Any:  # noqa: ANN401  # one JSON value for another
        if isinstance(value, (list, tuple)):
            return [self._at_service(about, row) for row in value]
        if about.where == "file_in" or (about.where == "policy" and not STORED.match(value)):
            return self._upload(value)
        if about.where in {"file_out", "folder_out"}:
            return self._download(value, self._wanted if about.where == "file_out" else self._folders)
        if about.where in {"source", "report"}:
            head, equals, tail = value.partition("=")
            if about.where == "report":
                return f"{head}={self._download(tail, self._wanted)}"
            named = bool(equals) and "/" not in head and not os.path.lexists(value)
            return f"{head}={self._upload(tail)}" if named else self._upload(value)
        return value

    def _download(self, local: str, wanted: dict[str, str]) -> str:
        there = f"{self._place}/{len(self._names)}/{Path(local).name or 'out'}"
        self._names[there] = wanted[there] = local
        return there

    def _upload(self, local: str) -> str:
        path = Path(local)
        with reading(path):
            mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            with scratch("upload") as place:
                packed = place / "folder.tar"
                _pack(path, packed)
                there = self._send(packed, path.name or "folder", unpack=True)
        else:
            there = self._send(path, path.name, unpack=False)
        self._names[there] = local
        return there

    def _send(self, path: Path, name: str, *, unpack: bool) -> str:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # typeshed asks for readinto
            body = {"name": name, "size": size, "sha256": digest, "unpack": unpack}
            key = {"Idempotency-Key": self._entropy(16).hex()}
            _, _, data = self._transport.json("POST", "/v1/uploads", body, key)
            upload = self._transport.decoded(data, Upload)
            self._sent.append(upload.id)
            self._progress.start("upload", size, "bytes")
            offset, patience = upload.offset, Patience()
            while offset < size:
                file.seek(offset)
                piece = file.read(min(PIECE, size - offset))
                if not piece:
                    raise Unreadable(path=path, problem="it became shorter while it was sent")
                try:
                    reached = self._piece(upload.id, offset, piece)
                except StellaError as error:
                    patience.wait(error)
                    _, _, data = self._transport.json("GET", f"/v1/uploads/{upload.id}", patience=patience)
                    reached = self._transport.decoded(data, Upload).offset
                if reached > offset:
                    patience.renew()
                    self._progress.advance(reached - offset)
                offset = reached
        return upload.path

    def _piece(self, upload: str, offset: int, data: bytes) -> int:
        headers = {"Content-Type": "application/octet-stream", "Upload-Offset": str(offset)}
        with self._transport.open("PATCH", f"/v1/uploads/{upload}", data, headers) as answer:
            try:
                return int(answer.headers["Upload-Offset"])
            except (TypeError, ValueError):
                raise NotAService(url=self._transport.url, problem="it does not say how far an upload is") from None


def _pack(folder: Path, target: Path) -> None:
    with writing(target), tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        for path in _files(folder):
            with open_file(path) as file:
                info = tarfile.TarInfo(str(path.relative_to(folder)))
                info.size, info.mode = os.fstat(file.fileno()).st_size, 0o644
                tar.addfile(info, file)


def _files(folder: Path) -> Iterator[Path]:
    with reading(folder):
        listing = sorted(folder.iterdir())
    for path in listing:
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            yield from _files(path)
        elif stat.S_ISREG(mode):
            yield path
        else:
            raise NotAFile(path=path, kind="link" if stat.S_ISLNK(mode) else "device or pipe")
