"""The program of `namespace`: enters a network namespace, lifts its loopback, runs a drill, writes what it found.

Rules:
- The namespaces are entered before anything starts a thread, and nothing is imported before that which could.
- Inside, this process is root of a network that holds nothing but loopback; outside it has the rights that it had.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
from pathlib import Path

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # linux/sched.h
PR_SET_PDEATHSIG = 1  # linux/prctl.h
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1  # linux/sockios.h, linux/if.h
INTERFACE = struct.Struct("16sH22x")  # of netdevice(7): a name and flags


def enter(libc: ctypes.CDLL) -> str:
    """Enter both namespaces; why that is not possible, or nothing."""
    user, group = os.geteuid(), os.getegid()  # before unshare, which makes both unknown
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET):
        return f"unshare: {os.strerror(ctypes.get_errno())}"
    try:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")  # first, else gid_map is refused
        Path("/proc/self/uid_map").write_text(f"0 {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1", encoding="ascii")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            name, flags = INTERFACE.unpack(fcntl.ioctl(line, SIOCGIFFLAGS, INTERFACE.pack(b"lo", 0)))
            fcntl.ioctl(line, SIOCSIFFLAGS, INTERFACE.pack(name, flags | IFF_UP))
    except OSError as error:
        return f"in the namespace: {error.strerror}"
    return ""


def main(arguments: list[str]) -> int:
    """`PARENT ERRAND REPORT`."""
    parent, asked, told = arguments
    libc = ctypes.CDLL(None, use_errno=True)
    refused = enter(libc)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # again: the change of credentials has cleared it
    if os.getppid() != int(parent):
        return 1
    Path(told).write_bytes(_report(Path(asked), refused))
    return 0


def _report(asked: Path, refused: str) -> bytes:
    import msgspec  # noqa: PLC0415  # not before the namespaces are entered

    from stella.drill import service  # noqa: PLC0415
    from stella.drill.errors import NoNamespace  # noqa: PLC0415
    from stella.drill.namespace import Errand, Report  # noqa: PLC0415

    if not refused:
        try:
            errand = msgspec.json.decode(asked.read_bytes(), type=Errand)
            return msgspec.json.encode(Report(service.in_namespace(errand)))
        except NoNamespace as error:
            refused = str(error.facts["problem"])
    return msgspec.json.encode(Report(refused=refused))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
