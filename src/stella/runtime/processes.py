"""Processes of this machine as /proc shows them: who lives, since when, what it listens on, what it costs.

Rules:
- A process is named by its id and the moment it was born, since ids are used again.
- A zombie is gone. What cannot be read belongs to somebody else and is left out.
- Nothing is guessed from a name: a listener is the process that holds the socket (proc_pid_fd(5), proc_net(5)).
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
IPV4 = 4  # bytes of an address, and of a word in which the kernel prints one
LISTEN = "0A"  # state of a TCP socket in /proc/net/tcp
POLL = 0.01  # seconds between two looks


class Process(msgspec.Struct, frozen=True):
    """A process id and its birth, in clock ticks since the machine started; it means nothing after a reboot."""

    pid: int
    born: int


def identify(pid: int) -> Process | None:
    """The process that has this id now; None when there is none."""
    words = _stat(pid)
    return Process(pid, int(words[19])) if words and words[0] not in {"Z", "X"} else None


def is_alive(process: Process) -> bool:
    """Whether this very process still runs."""
    return identify(process.pid) == process


def age(process: Process, boot_seconds: int) -> int:
    """Seconds since its birth."""
    return max(boot_seconds - process.born // TICKS, 0)


def name_of(pid: int) -> str:
    """What it calls itself; empty when it is gone."""
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def gone(processes: Iterable[Process], patience: float) -> list[Process]:
    """Wait for processes to end; those that still live after `patience` seconds."""
    left, end = list(processes), time.monotonic() + patience
    while (left := [process for process in left if is_alive(process)]) and time.monotonic() < end:
        time.sleep(POLL)
    return left


def running_in(folder: Path, programs: Iterable[Path]) -> list[Process]:
    """Processes of these programs that work in `folder` or below it."""
    known = {os.path.realpath(program) for program in programs}
    top = os.path.realpath(folder)
    found: list[Process] = []
    for pid in _pids():
        try:
            program, place = (os.readlink(f"/proc/{pid}/{link}") for link in ("exe", "cwd"))  # noqa: PTH115  # 3x faster
        except OSError:
            continue
        program = program.removesuffix(" (deleted)")  # the package was replaced under it
        if program in known and (place == top or place.startswith(f"{top}/")):
            found += filter(None, [identify(pid)])
    return found


def memory(process: int) -> int:
    """Bytes that a process and those it started use, shared pages divided among them as far as the kernel tells."""
    parents = {pid: int(words[1]) for pid in _pids() if (words := _stat(pid))}
    family = {process}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(map(_proportional, family))


def _proportional(pid: int) -> int:
    for name, key in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            lines = (PROC / str(pid) / name).read_text().splitlines()
        except OSError:
            continue
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))
    return 0


def listens(pid: int, port: int) -> bool:
    """Whether the process itself listens on this TCP port."""
    return bool(_listeners(port) & _sockets(pid))


def ports_of(pid: int) -> list[int]:
    """TCP ports that the process listens on."""
    return sorted({port for _, port in addresses_of(pid)})


def addresses_of(pid: int) -> list[tuple[str, int]]:
    """Where a client on this machine reaches the TCP sockets that the process listens on: address and port."""
    own = _sockets(pid)
    return sorted({(_reached(address), port) for inode, address, port in _listening() if inode in own})


def port_again(endpoint: str) -> int:
    """The port of an endpoint that a server had, if it could listen on it again; 0 when it has none or cannot."""
    port = int(endpoint.rpartition(":")[2] or 0)
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: connections that ended do not count
        try:
            line.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def listener(port: int) -> int | None:
    """The process that listens on a TCP port, as far as this account may see; 0 for one of another account."""
    inodes = _listeners(port)
    if not inodes:
        return None
    return next((pid for pid in _pids() if inodes & _sockets(pid)), 0)


def peer(connection: socket.socket) -> int:
    """The process that listens at the other end of a Unix socket (unix(7), SO_PEERCRED)."""
    pid: int = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    return pid


def _stat(pid: int) -> list[str]:
    """Fields of proc_pid_stat(5) from the third on: the name before them may hold anything."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return []


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir(PROC) if name.isdecimal())  # noqa: PTH208  # names alone are wanted


def _sockets(pid: int) -> set[str]:
    """Inodes of the sockets that a process holds."""
    found: set[str] = set()
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208  # as above
            link = os.readlink(f"/proc/{pid}/fd/{name}")  # noqa: PTH115  # as above
            if link.startswith("socket:["):
                found.add(link[8:-1])
    except OSError:
        pass
    return found


def _listening() -> Iterator[tuple[str, str, int]]:
    """Inode, address as the kernel prints it, and port of every listening TCP socket."""
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for words in map(str.split, lines):
            if words[3] == LISTEN:
                address, _, port = words[1].rpartition(":")
                yield words[9], address, int(port, 16)


def _reached(address: str) -> str:
    """An address of proc_net(5), which is hexadecimal in words of the machine; loopback for the one that means all."""
    raw = bytes.fromhex(address)
    if not any(raw):
        return "127.0.0.1" if len(raw) == IPV4 else "::1"
    order = (raw[at : at + IPV4] for at in range(0, len(raw), IPV4))
    packed = b"".join(word[::-1] if sys.byteorder == "little" else word for word in order)
    return socket.inet_ntop(socket.AF_INET if len(raw) == IPV4 else socket.AF_INET6, packed)


def _listeners(port: int) -> set[str]:
    return {inode for inode, _, found in _listening() if found == port}
