"""Where a thread stands: the folder that relative paths of an operation begin in.

Rules:
- A thread that works for a tenant stands in the folder of that tenant; what it starts, threads and processes, stands
  there too. Linux keeps working directory and umask for each thread that asks for it (unshare(2), CLONE_FS); that
  needs no privilege. Where it is not permitted nothing is served.
- It is asked for anew each time, so that a thread that an earlier operation left behind does not move along.
- All other threads stand where there is nothing: an operation that runs there by mistake finds no file of anybody.
"""

from __future__ import annotations

import ctypes
import os
import threading
from pathlib import Path

from stella.http.errors import NoStanding
from stella.runtime.files import make_directory

CLONE_FS = 0x00000200  # linux/sched.h
UMASK = 0o022  # what may be read by others is what may be sent; see `files`
_libc = ctypes.CDLL(None, use_errno=True)


def stand(folder: Path) -> None:
    """Let this thread stand in a folder, which is made if it is gone. Raises NoStanding or as `make_directory`."""
    _part()
    try:
        os.chdir(folder)
    except FileNotFoundError:
        make_directory(folder)
        os.chdir(folder)


def require() -> None:
    """Raise NoStanding unless threads can stand where they like; this one stays where it is."""
    found: list[BaseException] = []

    def tried() -> None:
        try:
            stand(Path("/"))
        except NoStanding as error:
            found.append(error)

    thread = threading.Thread(target=tried)
    thread.start()
    thread.join()
    if found:
        raise found[0]


def _part() -> None:
    """Share working directory and umask with no other thread from now on."""
    if not hasattr(_libc, "unshare") or _libc.unshare(CLONE_FS) != 0:
        raise NoStanding(problem=os.strerror(ctypes.get_errno()))
    os.umask(UMASK)
