"""Becomes another program, as a child that dies with its parent.

Run as a script by `runtime.children`; it imports the standard library alone, so that a start costs milliseconds.

Rules:
- The child leads a session of its own and gets a signal when the thread that started it ends, even by SIGKILL.
- Where root must not run a program, it runs in a user namespace in which it is `nobody`; its files stay those of the
  account that started it (user_namespaces(7), prctl(2)).
- Where there are no user namespaces it becomes `nobody` itself, keeps the right to reach its files (capabilities(7),
  ambient set) and owns the one folder that it is given. No account is made, and no mode is changed.
- Done in the child after exec and not in `preexec_fn`, which is not safe in a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION = 0x20080522  # the third form of capset(2)
NOBODY = 65534  # it must have an entry in passwd, since initdb looks its name up
OTHER_ACCOUNT = 124  # exit code of a trial: no user namespace, but root may become another account
NO_WAY = 125  # exit code: this machine grants neither


def become(arguments: list[str]) -> None:
    """`PARENT SIGNAL FOLDER|- PROGRAM ARGUMENTS...`: arrange what the module says, then exec the program.

    Without arguments: only try, and end with 0 for a user namespace, OTHER_ACCOUNT or NO_WAY.

    FOLDER is what the program must own when it cannot run as root.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not arguments:
        os._exit(0 if has_namespace(libc) else _try_account())
    parent, number, folder, *command = arguments
    os.setsid()
    if folder != "-":
        _leave_root(libc, Path(folder))
    libc.prctl(PR_SET_PDEATHSIG, int(number))  # last: a change of credentials clears it
    if os.getppid() != int(parent):
        os._exit(1)  # the parent was gone before the signal was arranged
    os.execv(command[0], command)  # noqa: S606  # no shell: the command comes from our own code


def has_namespace(libc: ctypes.CDLL) -> bool:
    """Enter a user namespace in which this process is `nobody`; whether that worked."""
    owner, group = os.geteuid(), os.getegid()  # before unshare, which makes both unknown
    if libc.unshare(CLONE_NEWUSER):
        return False
    try:
        Path("/proc/self/setgroups").write_text("deny")  # first, else the kernel refuses gid_map
        Path("/proc/self/uid_map").write_text(f"{NOBODY} {owner} 1")
        Path("/proc/self/gid_map").write_text(f"{NOBODY} {group} 1")
    except OSError:
        os._exit(NO_WAY)  # half-way in, there is no way back
    return True


def _leave_root(libc: ctypes.CDLL, folder: Path) -> None:
    owner, group = os.geteuid(), os.getegid()
    _give(folder, owner, group)
    if has_namespace(libc):
        return
    try:
        _give(folder, NOBODY, NOBODY)
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        _keep(libc, 1 << CAP_DAC_OVERRIDE)
    except OSError:
        os._exit(NO_WAY)


def _try_account() -> int:
    try:
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError:
        return NO_WAY
    return OTHER_ACCOUNT


def _give(folder: Path, uid: int, gid: int) -> None:
    """Make `uid` the owner of a tree, if it is another's; a folder that is not there will be its maker's."""
    if not folder.exists() or folder.stat().st_uid == uid:
        return
    for place, _, names in os.walk(folder, topdown=False):  # the folder itself comes last, so it tells that all is done
        for name in (*names, "."):
            os.chown(Path(place, name), uid, gid, follow_symlinks=False)


def _keep(libc: ctypes.CDLL, rights: int) -> None:
    """Keep these capabilities, and no others, through exec."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)(rights, rights, rights, 0, 0, 0)
    if libc.capset(header, sets) or libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0):
        raise OSError(ctypes.get_errno(), "capset")


if __name__ == "__main__":
    become(sys.argv[1:])
