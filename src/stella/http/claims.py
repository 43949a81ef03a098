"""Whose each name in the downloads of a tenant is: that of whoever was the first to let something be written there.

Rules:
- A claim is kept where no request reaches, and is as durable as what is written there.
- What is there already without a claim can be claimed by nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from stella.kernel.digest import sha256
from stella.runtime.files import DiskFolder, read_file

MAX_CLAIM = 64 * 1024  # bytes; a name has 255, a principal and a scope as many as a token has room for


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That a principal had something written below `downloads/NAME`, by operations of a scope."""

    name: str
    principal: str
    scope: str


class Claims:
    """The claims of one tenant, each a file in `folder`; `there` says whether something has a name in the downloads."""

    def __init__(self, folder: Path, there: Callable[[str], bool]) -> None:
        self._folder = DiskFolder(folder)
        self._there = there
        self._lock = threading.Lock()

    def of(self, name: str) -> Claim | None:
        """Whose a name is."""
        key = _key(name)
        if not self._folder.exists(key):
            return None
        return msgspec.json.decode(read_file(self._folder.path(key), MAX_CLAIM), type=Claim)

    def take(self, claim: Claim) -> Claim | None:
        """Claim a name; whose it is then, None when it is nobody's and was there before."""
        with self._lock:
            found = self.of(claim.name)
            if found is None and not self._there(claim.name):
                self._folder.write(_key(claim.name), msgspec.json.encode(claim), private=True)
                return claim
            return found

    def sweep(self, before: float) -> None:
        """Forget the claims from before a time, in seconds since 1970, of what is not there."""
        with self._lock:
            for key in self._folder.keys(""):
                path = self._folder.path(key)
                claim = msgspec.json.decode(read_file(path, MAX_CLAIM), type=Claim)
                if path.stat().st_mtime < before and not self._there(claim.name):
                    self._folder.remove(key)


def _key(name: str) -> str:
    return sha256(name.encode(errors="surrogatepass"))
