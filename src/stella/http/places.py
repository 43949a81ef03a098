"""Where requests may read and write: below the folder of its tenant, and below one bucket prefix.

Rules:
- In the bucket a tenant is held to its own prefix twice: by its name here, and by its keys in the store. Where tenants
  have no keys of their own only `default` has a place there.
- A path is relative and made of plain names. Nothing on the way to it is a link, and nothing that is not there yet can
  become one through a request: an upload makes files and folders alone.
- A thread stands in the folder of the tenant that it works for (`standing`), so what passes here is handed to an
  operation as it was written, and results and errors name it the same way.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from stella.http.claims import Claims
from stella.http.errors import UnsafePlace
from stella.kernel.tenant import DEFAULT_TENANT, is_tenant, parse_tenant
from stella.operations import Where
from stella.runtime.errors import SharedKeys
from stella.runtime.files import make_directory

MAX_PATH = 1024  # bytes; Linux resolves no more than 4096, and the service's own folder stands in front
MAX_NAME = 255  # bytes; what file systems take
FORBIDDEN = "it has control characters or is not UTF-8"
UPLOADS = "uploads"  # what was sent, below the id of each upload
DOWNLOADS = "downloads"  # what clients ask to be written so that they can fetch it; folders in it are made for them
WRITTEN = frozenset({"file_out", "folder_out", "report"})
CLAIMS = "claims"  # beside the uploads that are on their way, whose names all have a dot
TENANTS = "tenants"  # the folder that holds a folder of each
MAX_TENANTS = 4096  # whose ground is remembered
PAIRS = frozenset({"source", "report"})  # written as `NAME=PATH`, where the name may be left out


class Ground(NamedTuple):
    """What belongs to one tenant: where its requests begin, what they may name, the uploads that are on their way.

    `claims` say whose each name in its downloads is.
    """

    root: Path
    places: Places
    parts: Path
    claims: Claims


class Grounds:
    """The ground of each tenant: `tenants/TENANT` below `work` and below the bucket prefix, `TENANT` below `parts`.

    `shared` is the setting whose key to the bucket is the same for every tenant, if it is.
    """

    def __init__(self, work: Path, parts: Path, bucket: str = "", shared: str = "") -> None:
        self._tops = (work / TENANTS, parts)
        self._bucket = bucket.rstrip("/")
        self._shared = shared
        self.of = lru_cache(MAX_TENANTS)(self._of)

    def _of(self, tenant: str) -> Ground:
        """The ground of a tenant, laid when it is first asked for; raises BadTenant or as `make_directory`."""
        work, parts = (top / parse_tenant(tenant) for top in self._tops)
        make_directory(work)
        bucket = self._bucket and f"{self._bucket}/{TENANTS}/{tenant}"
        places = Places(work, bucket, "" if tenant == DEFAULT_TENANT else self._shared)
        claims = Claims(parts / CLAIMS, lambda name: os.path.lexists(work / DOWNLOADS / name))
        return Ground(work, places, parts, claims)

    def every(self) -> Iterator[tuple[str, Ground]]:
        """The tenants that have left something here."""
        found = {path.name for top in self._tops for path in top.glob("*")}
        return ((name, self.of(name)) for name in sorted(found) if is_tenant(name))

    def sweep(self, before: float) -> None:
        """As `Places.sweep`, for every tenant, and what is known of whose it was."""
        for _, ground in self.every():
            ground.places.sweep(before)
            ground.claims.sweep(before)


class Places:
    """The tree below `root`, and the bucket prefix where folders may be named too unless its keys are `shared`."""

    def __init__(self, root: Path, bucket: str = "", shared: str = "") -> None:
        self.root = root
        self.bucket = bucket.rstrip("/")
        self._shared = shared

    def check(self, field: str, where: Where, text: str) -> None:
        """Raise UnsafePlace for a value of a request field that leads elsewhere; make room for what will be written."""
        self.require(field, where, text)
        self.make_room(where, text)

    def require(self, field: str, where: Where, text: str) -> None:
        """Raise UnsafePlace for a value of a request field that leads elsewhere.

        Raises SharedKeys for one in the bucket, of a tenant that has no keys of its own there.
        """
        if where == "folder" and self._in_bucket(text):
            if self._shared:
                raise SharedKeys(key=self._shared)
            return
        self.inside(text, field)
        if (tail := tail_of(where, text)) is not None:
            self.inside(tail, field)

    def make_room(self, where: Where, text: str) -> None:
        """Make the folders of what will be written to the downloads; the value was required before."""
        path = Path(tail_of(where, text) or text)
        if where in WRITTEN and path.parts[:1] == (DOWNLOADS,):
            make_directory((self.root / path).parent)

    def sweep(self, before: float) -> None:
        """Remove results that nobody fetched since that time, in seconds since 1970."""
        for path in (self.root / DOWNLOADS).glob("*"):
            with contextlib.suppress(OSError):
                found = path.lstat()
                if found.st_mtime >= before:
                    continue
                if stat.S_ISDIR(found.st_mode):
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def inside(self, text: str, field: str = "path") -> Path:
        """The path on this machine; raises UnsafePlace."""
        problem = problem_of(text) or self._link(text)
        if problem:
            raise UnsafePlace(field=field, text=ascii(text)[1:-1][:MAX_PATH], problem=problem)
        return self.root / text

    def _in_bucket(self, text: str) -> bool:
        return bool(self.bucket) and text.startswith(f"{self.bucket}/") and not problem_of(text.partition("://")[2])

    def _link(self, text: str) -> str:
        path = self.root
        for name in text.split("/"):
            path /= name
            try:
                if stat.S_ISLNK(os.lstat(path).st_mode):
                    return "a part of it is a link"
            except FileNotFoundError:
                return ""
            except NotADirectoryError:
                return "a part of it is a file"
            except OSError as error:
                return os.strerror(error.errno or 0)
        return ""


def tail_of(where: Where, text: str) -> str | None:
    """The path of a value that is written as `NAME=PATH`; None for every other value."""
    head, equals, tail = text.partition("=")
    return tail if where in PAIRS and equals and "/" not in head else None


def problem_of(text: str) -> str:
    """What is wrong with a relative path as text; empty when nothing is."""
    names = text.removesuffix("/").split("/")
    raw = text.encode(errors="surrogatepass")
    problems = (
        (not text, "it is empty"),
        (text.startswith("/"), "it is absolute"),
        (len(raw) > MAX_PATH, f"it is longer than {MAX_PATH} bytes"),
        (any(name in {"", ".", ".."} for name in names), "a part of it is empty, `.` or `..`"),
        (any(len(name.encode(errors="replace")) > MAX_NAME for name in names), f"a part exceeds {MAX_NAME} bytes"),
        (any(letter < " " or letter == "\x7f" or "\ud800" <= letter <= "\udfff" for letter in text), FORBIDDEN),
    )
    return next((problem for found, problem in problems if found), "")
