"""The guard of a sealed process: no socket, no name look-up.

Rules:
- Sealing is for the life of the process: an audit hook cannot be removed.
- Every socket is refused, local ones too: a sealed command needs none, and one rule has no gaps to argue about.
- The guard sees what goes through Python. A child process is not covered; the commands that a sealed site runs start
  none that speak to a network.
"""

from __future__ import annotations

import sys
import threading

from stella.runtime.errors import EgressBlocked

LOCAL_EVENTS = frozenset({"socket.gethostname", "socket.getservbyname", "socket.getservbyport"})  # read local tables

_lock = threading.Lock()
_sealed = False
_denied = 0


def seal() -> None:
    """Deny every socket and name look-up of this process from now on; calling it again changes nothing."""
    global _sealed  # noqa: PLW0603  # a process is sealed as a whole
    with _lock:
        if not _sealed:
            sys.addaudithook(_refuse)
            _sealed = True


def sealed() -> bool:
    """Whether this process is sealed."""
    return _sealed


def denied() -> int:
    """How many attempts were refused so far."""
    return _denied


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event.startswith("socket.") and event not in LOCAL_EVENTS:
        global _denied  # noqa: PLW0603  # counts for the process that is sealed
        with _lock:
            _denied += 1
        raise EgressBlocked(target=_target(event, arguments))


def _target(event: str, arguments: tuple[object, ...]) -> str:
    """What the attempt was about, for the message: a host, an address, or the call when it has no target yet."""
    if event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"} and arguments and arguments[0]:
        return str(arguments[0])
    if event in {"socket.connect", "socket.bind", "socket.sendto"} and len(arguments) > 1:
        return str(arguments[1])
    return event
