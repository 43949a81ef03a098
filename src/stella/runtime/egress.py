"""The guard of a sealed process: nothing leaves the machine.

Rules:
- Sealing is for the life of the process: an audit hook cannot be removed.
- Open are Unix sockets and the loopback addresses as numbers, because a sealed site talks to its own PostgreSQL, NATS
  and service. Refused is everything else: other addresses, every name (also `localhost`, which a resolver answers),
  every other family of sockets, and listening where another machine could reach it.
- The guard sees what goes through Python's sockets. Libraries that open their own (the database driver, the S3 client)
  ask `sealed` and `on_this_machine` themselves. A child process is not covered.
"""

from __future__ import annotations

import functools
import ipaddress
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from stella.runtime.errors import EgressBlocked

LOCAL_EVENTS = frozenset({"socket.gethostname", "socket.getservbyname", "socket.getservbyport"})  # read local tables
INTERNET = frozenset({socket.AF_INET, socket.AF_INET6})
TO_AN_ADDRESS = frozenset({"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"})
RESOLVE_FIRST = ("connect", "connect_ex", "bind", "sendto")  # methods that ask a resolver before the hook hears of it

_lock = threading.Lock()
_sealed = False
_denied = 0


def seal() -> None:
    """Let nothing of this process leave the machine from now on; calling it again changes nothing."""
    global _sealed  # noqa: PLW0603  # a process is sealed as a whole
    with _lock:
        if not _sealed:
            sys.addaudithook(_refuse)
            for name in RESOLVE_FIRST:
                setattr(socket.socket, name, _asking(name, getattr(socket.socket, name)))
            _sealed = True


def sealed() -> bool:
    """Whether this process is sealed."""
    return _sealed


def denied() -> int:
    """How many attempts were refused so far."""
    return _denied


def on_this_machine(host: object) -> bool:
    """Whether it is a loopback address in the one spelling of its number, so that no resolver is ever asked."""
    try:
        return isinstance(host, str) and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _asking(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of sockets, the address of which comes last, that asks the guard before anything else."""

    @functools.wraps(method)
    def asked(self: socket.socket, *arguments: Any) -> Any:  # noqa: ANN401  # as the method
        if arguments:
            _refuse(f"socket.{name.removesuffix('_ex')}", (self, arguments[-1]))
        return method(self, *arguments)

    return asked


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event.startswith("socket.") and event not in LOCAL_EVENTS and not _stays(event, arguments):
        global _denied  # noqa: PLW0603  # counts for the process that is sealed
        with _lock:
            _denied += 1
        raise EgressBlocked(target=_target(event, arguments))


def _stays(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether the attempt cannot leave the machine."""
    if event == "socket.__new__":
        return arguments[1] in INTERNET or arguments[1] in {socket.AF_UNIX, -1}  # -1: an open one whose family is asked
    if event == "socket.getaddrinfo":
        return on_this_machine(arguments[0])
    if event in TO_AN_ADDRESS:
        family, address = arguments[0].family, arguments[1]
        if family == socket.AF_UNIX or address is None:  # None: to whom the socket is connected already
            return True
        return family in INTERNET and isinstance(address, tuple) and on_this_machine(address[0])
    return False


def _target(event: str, arguments: tuple[Any, ...]) -> str:
    """What the attempt was about, for the message: a host, an address, or the call when it has no target yet."""
    if event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"} and arguments and arguments[0]:
        return str(arguments[0])
    if event in TO_AN_ADDRESS and len(arguments) > 1:
        return str(arguments[1])
    return event
