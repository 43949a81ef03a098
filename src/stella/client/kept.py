"""Tokens that `stella login` has kept, one for each server.

Rules:
- They are in the state folder of this account, in files of mode 0600; one that others may read is not used, nor one in
  a folder that others may write to: they could put another one there, or see what is written.
- Logins at the same time do not meet: each writes a file of its own and puts it in place.
- A token that has expired is as good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from stella.client.errors import KeptTokenExposed
from stella.kernel.instant import Instant
from stella.runtime.errors import ObjectMissing
from stella.runtime.files import make_directory, reading, writing

FOLDER_MODE = 0o700
MAX_FILE = 64 * 1024
EARLY = 5  # seconds before its end at which a token is not begun to be used


class Kept(msgspec.Struct, frozen=True):
    """What is kept of a login."""

    server: str
    client: str
    token: str
    expires: Instant
    revocation: str = ""  # where it is revoked


class Tokens:
    """The kept tokens of an account."""

    def __init__(self, env: Mapping[str, str]) -> None:
        given = Path(env.get("XDG_STATE_HOME", ""))
        state = given if given.is_absolute() else Path(env.get("HOME") or "/", ".local", "state")
        self._folder = state / "stella" / "tokens"

    def of(self, server: str) -> Kept | None:
        """What is kept for a server, expired or not; raises KeptTokenExposed."""
        path = self._path(server)
        try:
            with reading(path), os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                self._require_own(path, os.fstat(file.fileno()), 0o077)
                self._require_own(self._folder, self._folder.stat(), 0o022)
                data = file.read(MAX_FILE)
        except ObjectMissing:
            return None
        try:
            found = msgspec.json.decode(data, type=Kept)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None  # of another version, or cut off: as good as none
        return found if found.server == server else None

    def usable(self, server: str, now: Instant) -> str:
        """The token for a server; empty when there is none that counts."""
        found = self.of(server)
        return found.token if found and now < found.expires - EARLY else ""

    def keep(self, kept: Kept) -> None:
        """Keep a token in place of the one before; raises KeptTokenExposed, DiskFull or Unwritable."""
        make_directory(self._folder, FOLDER_MODE)
        path = self._path(kept.server)
        with writing(path):
            self._require_own(self._folder, self._folder.stat(), 0o022)
            handle, made = tempfile.mkstemp(prefix=".", dir=self._folder)  # mode 0600, and a name that nobody had
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(msgspec.json.encode(kept))
                Path(made).replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(made).unlink()
                raise

    def forget(self, server: str) -> bool:
        """Forget it; whether there was one."""
        path = self._path(server)
        with writing(path):
            there = path.exists()
            path.unlink(missing_ok=True)
        return there

    @staticmethod
    def _require_own(path: Path, found: os.stat_result, others: int) -> None:
        """Raise KeptTokenExposed for what is not this account's alone."""
        if stat.S_IMODE(found.st_mode) & others or found.st_uid != os.geteuid():
            raise KeptTokenExposed(path=path)

    def _path(self, server: str) -> Path:
        return self._folder / f"{hashlib.sha256(server.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.json"
