"""Folders for work in progress, outside of every channel and site.

Rules:
- They go away with the block. What a process left that was killed goes away with the next block of the same name: a
  folder is in use as long as somebody holds its lock, which ends with its holder.
- What cannot be removed is left to whoever cleans the folder of temporary files.
- A full or missing folder of temporary files is an error of this machine like every other one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stella.runtime.files import writing

TRIES = 3  # somebody may take a new folder for one that was left; where there are no locks there is never one


@contextlib.contextmanager
def scratch(name: str, within: Path | None = None) -> Iterator[Path]:
    """An empty folder in `within`, else in TMPDIR, for the length of the block; raises DiskFull or Unwritable."""
    prefix = f"stella-{name}-"
    with contextlib.ExitStack() as stack:
        with writing(within or Path(os.environ.get("TMPDIR") or "/tmp")):  # noqa: S108  # only named in the message
            folder = next(filter(None, (_taken(stack, prefix, within) for _ in range(TRIES))), None)
            folder = folder or Path(stack.enter_context(_made(prefix, within)))
        _clear(folder.parent, prefix)
        yield folder


def _made(prefix: str, within: Path | None) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix=prefix, dir=within, ignore_cleanup_errors=True)


def _taken(stack: contextlib.ExitStack, prefix: str, within: Path | None) -> Path | None:
    """A new folder with its lock, until the stack ends."""
    folder = Path(stack.enter_context(_made(prefix, within)))
    lock = _lock(folder)
    if lock is None:
        return None
    stack.callback(os.close, lock)
    return folder


def _clear(top: Path, prefix: str) -> None:
    """Remove what nobody uses any more."""
    with contextlib.suppress(OSError):
        for path in top.glob(f"{prefix}*"):
            lock = _lock(path)
            if lock is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)


def _lock(path: Path) -> int | None:
    """The lock of a folder of this account, None when it is somebody else's, in use, or gone."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(handle)
        if found.st_uid == os.geteuid() and os.path.samestat(found, path.lstat()):
            return handle
    os.close(handle)
    return None
