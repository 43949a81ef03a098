"""Where everything of a stack is, and who holds its lock.

Rules:
- Everything is below one folder of mode 0700, but sockets whose path would be too long for the system.
- Such sockets live in a folder of their own that belongs to this account alone; another's is refused. It is not in
  XDG_RUNTIME_DIR, which is removed when its account logs out, under a stack that runs on.
- The lock is a flock(2): it ends with its holder, whatever ends that. It is handed from `up` to the supervisor.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import os
import stat
import time
from pathlib import Path

from stella.runtime.errors import Busy, ObjectMissing, Unreadable, Unwritable
from stella.runtime.files import PRIVATE_MODE, make_directory, reading, replacing, step, sync_filesystem, writing
from stella.runtime.ports import Entropy

MAX_SOCKET_PATH = 107  # bytes, sun_path of unix(7) without its final zero
LONGEST_SOCKET = ".s.PGSQL.5432"
PRIVATE_FOLDER = 0o700
SECRETS = (
    "postgres-super",
    "postgres-owner",
    "postgres-app",
    "postgres-jobs",
    "postgres-issuer",
    "postgres-sealer",
    "seal-key",
    "audit-key",
    "audit-wrap-key",
    "issuer-passphrase",
    "nats",
    "admin-token",
    "s3-access-key",
    "s3-secret-key",
)
KEYS = frozenset({"audit-key", "audit-wrap-key"})  # keys of algorithms, which want bytes
KEY_BYTES = 32
SECRET_BYTES = 24  # of randomness: 192 bits, beyond any search
FOLDERS = ("nats", "valkey", "s3", "log", "secrets", "work")
MEET_PATIENCE = 0.5  # seconds in which somebody who only looks lets go of the lock
LOCK = "lock"
PID_WIDTH = 32  # bytes for the process that holds the lock


class Layout:
    """The places of one stack; `shown` is the folder as it was named."""

    def __init__(self, data: str | Path) -> None:
        """Raises Unreadable for a folder that cannot be named."""
        self.shown = str(data)
        self.data = _absolute(data)
        self.sockets = socket_folder(self.data)

    @property
    def postgres(self) -> Path:
        return self.data / "postgres"

    def folder(self, name: str) -> Path:
        """The folder of a child's data."""
        return self.data / name

    def log(self, name: str) -> Path:
        """The log of a child."""
        return self.data / "log" / f"{name}.log"

    def secret(self, name: str) -> Path:
        """The file of a secret."""
        return self.data / "secrets" / name

    def reference(self, name: str) -> str:
        """A secret as settings refer to it."""
        return f"file:{self.secret(name)}"

    def exists(self) -> bool:
        """Whether a stack was ever started here; raises Unreadable."""
        with reading(self.data):
            try:
                (self.data / LOCK).stat()
            except (FileNotFoundError, NotADirectoryError):
                return False
        return True

    def lay(self, entropy: Entropy) -> None:
        """Make what is missing; needs the lock. What is there stays as it is. Raises DiskFull or Unwritable."""
        for name in FOLDERS:
            make_directory(self.data / name, PRIVATE_FOLDER, durable=False)
        missing = [name for name in SECRETS if not self.secret(name).exists()]
        for name in missing:
            with replacing(self.secret(name), PRIVATE_MODE, durable=False) as file:
                file.write(_made(name, entropy))
        if missing:
            sync_filesystem(self.data)  # before any data that only these secrets open
        make_private(self.sockets)

    def forget_sockets(self) -> None:
        """Remove the folder of the sockets where it is not in our own; needs the lock and that nothing runs."""
        if self.sockets.parent != self.data:
            with contextlib.suppress(OSError):
                for left in self.sockets.iterdir():  # some servers leave theirs
                    if left.is_socket():
                        left.unlink()
                self.sockets.rmdir()


def _absolute(data: str | Path) -> Path:
    """Where a folder is, links followed; raises Unreadable."""
    try:
        found = os.path.realpath(data)  # `Path.resolve` raises for a loop of links
        found.encode()
    except FileNotFoundError:
        raise Unreadable(path=data, problem="the folder that this command was called in is gone") from None
    except UnicodeEncodeError:  # reports and connection strings are text
        raise Unreadable(path=ascii(str(data)), problem="its name is no UTF-8") from None
    return Path(found)


def _made(name: str, entropy: Entropy) -> bytes:
    return base64.b64encode(entropy(KEY_BYTES)) if name in KEYS else entropy(SECRET_BYTES).hex().encode()


def socket_folder(data: Path) -> Path:
    """`run` in the data folder when that is short enough and has no comma, which separates addresses; else a hash."""
    near = data / "run"
    if len(os.fsencode(near / LONGEST_SOCKET)) <= MAX_SOCKET_PATH and "," not in str(near):
        return near
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    return Path("/run/stella", name) if os.geteuid() == 0 else Path(f"/tmp/stella-{os.geteuid()}", name)  # noqa: S108  # checked to be ours alone


def make_private(folder: Path) -> None:
    """Make a folder that is ours alone, with its parent; raises Unwritable when either is another's or a link."""
    for part in (folder.parent, folder):
        make_directory(part, PRIVATE_FOLDER, durable=False)
        found = part.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise Unwritable(path=part, problem="it belongs to another account")
    if stat.S_IMODE(folder.stat().st_mode) != PRIVATE_FOLDER:
        raise Unwritable(path=folder, problem=f"its mode is {stat.S_IMODE(folder.stat().st_mode):04o}, not 0700")


class Lock:
    """The right to run or change a stack, held until it is released or its process ends."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def claim(self) -> None:
        """Say who holds it, in one write of one width, so that nobody ever reads a part of it."""
        os.pwrite(self.handle, f"{os.getpid():<{PID_WIDTH}}".encode(), 0)

    def release(self) -> None:
        """Let go."""
        os.close(self.handle)


def take(layout: Layout) -> Lock:
    """Take the lock of a stack, laying its folder; raises Busy with the process that holds it."""
    make_directory(layout.data, PRIVATE_FOLDER)
    with writing(layout.data):
        step("create", layout.data / LOCK)
        handle = os.open(layout.data / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_MODE)
    end = time.monotonic() + MEET_PATIENCE
    while not _locked(handle):
        if time.monotonic() > end:
            pid = os.pread(handle, PID_WIDTH, 0).decode(errors="replace").strip()
            os.close(handle)
            raise Busy(path=layout.shown, holder=f" (pid {pid})" if pid else "")
        time.sleep(0.01)
    lock = Lock(handle)
    lock.claim()
    return lock


def holder(layout: Layout) -> int | None:
    """The process that holds the lock; None when nobody does, 0 when it has not said who it is. Raises Unreadable."""
    try:
        with reading(layout.data / LOCK):
            handle = os.open(layout.data / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except ObjectMissing:
        return None
    try:
        if _locked(handle, fcntl.LOCK_SH):
            return None
        text = os.pread(handle, PID_WIDTH, 0).strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(handle)


def _locked(handle: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
