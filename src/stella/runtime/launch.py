"""Becomes another program, as a child that dies with its parent.

Run as a script by `runtime.children`; it imports the standard library alone, so that a start costs milliseconds.

Rules:
- The child leads a session of its own and gets a signal when the thread that started it ends, even by SIGKILL.
- With `--other-uid` it runs in a user namespace where it is `nobody`, because PostgreSQL refuses to run as root; its
  files stay those of the account that started it (user_namespaces(7), prctl(2)).
- Done in the child after exec and not in `preexec_fn`, which is not safe in a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
NOBODY = 65534  # it must have an entry in passwd, since initdb looks its name up
NO_NAMESPACE = 125  # exit code: this machine grants no user namespace


def become(arguments: list[str]) -> None:
    """`PARENT SIGNAL UID|- PROGRAM ARGUMENTS...`: arrange what the module says, then exec the program."""
    parent, number, uid, *command = arguments
    libc = ctypes.CDLL(None, use_errno=True)
    os.setsid()
    if uid != "-":
        _other_uid(libc, int(uid))
    libc.prctl(PR_SET_PDEATHSIG, int(number))  # last: a change of credentials clears it
    if os.getppid() != int(parent):
        os._exit(1)  # the parent was gone before the signal was arranged
    os.execv(command[0], command)  # noqa: S606  # no shell: the command comes from our own code


def _other_uid(libc: ctypes.CDLL, uid: int) -> None:
    owner, group = os.geteuid(), os.getegid()  # before unshare, which makes both unknown
    if libc.unshare(CLONE_NEWUSER):
        os._exit(NO_NAMESPACE)
    try:
        Path("/proc/self/setgroups").write_text("deny")  # first, else the kernel refuses gid_map
        Path("/proc/self/uid_map").write_text(f"{uid} {owner} 1")
        Path("/proc/self/gid_map").write_text(f"{uid} {group} 1")
    except OSError:
        os._exit(NO_NAMESPACE)


if __name__ == "__main__":
    become(sys.argv[1:])
