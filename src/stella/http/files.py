"""Files of a tenant's folder, to read.

Rules:
- What others may not read on this machine, such as keys, is not sent. Links are not followed.
- The ETag of a file is the digest of its bytes; it is computed once and kept as long as the file looks the same.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from starlette.responses import FileResponse

from stella.http.errors import PrivateFile, RangeRefused
from stella.http.exchange import ENDLESS, Answer, Message, Request, Send, answer, number_in
from stella.http.model import FolderEntry, FolderShown, ListFolder
from stella.http.places import Grounds
from stella.kernel.cursor import make_cursor, read_cursor
from stella.runtime.errors import ObjectMissing
from stella.runtime.files import reading

KEPT_DIGESTS = 4096  # files whose digest is remembered, some 200 bytes each
OTHERS_READ = 0o044


class Files:
    """Sends files and lists folders."""

    def __init__(self, grounds: Grounds) -> None:
        self._grounds = grounds
        self._digests: OrderedDict[tuple[int, int, int, int], str] = OrderedDict()

    def look(self, tenant: str, text: str, want: ListFolder) -> Answer | tuple[Path, os.stat_result, str]:
        """A folder's listing, or the path, state and digest of a file.

        Raises UnsafePlace, ObjectMissing, PrivateFile or Unreadable.
        """
        path = self._grounds.of(tenant).places.inside(text)
        with reading(Path(text)):
            found = require_shown(path, text)
        if stat.S_ISDIR(found.st_mode):
            return self._folder(text.rstrip("/"), path, want)
        if not stat.S_ISREG(found.st_mode):
            raise ObjectMissing(path=text)
        return path, found, self._digest(path, found)

    def _folder(self, text: str, path: Path, want: ListFolder) -> Answer:
        query = ("files", text)
        after = read_cursor(want.cursor, query, tuple[str])[0] if want.cursor is not None else ""
        rows: list[FolderEntry] = []
        with reading(Path(text)), os.scandir(path) as found:
            for entry in sorted(found, key=lambda entry: entry.name):
                state = entry.stat(follow_symlinks=False)
                if entry.name <= after or not entry.name.isprintable():
                    continue
                if stat.S_ISDIR(state.st_mode):
                    rows.append(FolderEntry(entry.name, "folder", None))
                elif stat.S_ISREG(state.st_mode):
                    rows.append(FolderEntry(entry.name, "file", state.st_size))
                if len(rows) > want.limit:
                    break
        more = len(rows) > want.limit
        following = make_cursor(query, (rows[want.limit - 1].name,)) if more else None
        return answer(FolderShown(path=text, entries=tuple(rows[: want.limit]), next=following))

    def _digest(self, path: Path, found: os.stat_result) -> str:
        key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        known = self._digests.get(key)
        if known is None:
            with path.open("rb", buffering=0) as file:
                known = hashlib.file_digest(file, "sha256").hexdigest()
            self._digests[key] = known
            if len(self._digests) > KEPT_DIGESTS:
                self._digests.popitem(last=False)
        return known


def require_shown(path: Path, text: str) -> os.stat_result:
    """The state of what has a path; raises PrivateFile for a file that only its owner may read, or OSError."""
    found = path.lstat()
    if stat.S_ISREG(found.st_mode) and not found.st_mode & OTHERS_READ:
        raise PrivateFile(path=text)
    return found


def send_file(
    request: Request, path: Path, found: os.stat_result, digest: str, sent: Callable[[int], None] = lambda _: None
) -> Answer:
    """The file or the range of it that was asked for; 304 when the client has it. Raises RangeRefused.

    `sent` hears how many bytes of it went out, piece by piece.
    """
    etag = f'"{digest}"'
    if etag in {tag.strip() for tag in request.header(b"if-none-match").split(",")}:
        return Answer(304, b"", [(b"etag", etag.encode())])
    headers = {"etag": etag, "x-content-type-options": "nosniff", "cache-control": "private, no-cache"}
    wanted = request.header(b"range") if request.method == "GET" else ""
    if wanted and not _satisfiable(wanted, found.st_size):
        raise RangeRefused(range=ascii(wanted)[1:-1][:100], size=found.st_size)
    response = FileResponse(path, headers=headers, media_type="application/octet-stream", stat_result=found)

    async def stream(send: Send) -> None:
        async def told(message: Message) -> None:
            await send(message)
            sent(len(message.get("body", b"")))

        await response(request.scope, request.receive, told)

    return Answer(206 if wanted else 200, stream=stream)


def _satisfiable(wanted: str, size: int) -> bool:
    """Whether it is one range of bytes within the file (RFC 9110, section 14.1.2)."""
    unit, _, spec = wanted.partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip() != "bytes" or not dash or "," in spec:
        return False
    begin, end = number_in(first), number_in(last)
    if ENDLESS in {begin, end} or (last and end is None):
        return False
    if not first:
        return bool(end) and size > 0
    return begin is not None and begin < size and (end is None or end >= begin)
