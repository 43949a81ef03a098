"""What holds for every test.

Rules:
- No test reaches a network: a socket call of this process raises, unless the test is marked `network`.
- The guard is on for fixtures of every scope as well, since it is set for the whole course of a test.
- Each xdist worker loads this file, so the guard holds in every worker; xdist itself speaks through pipes.
"""

from __future__ import annotations

import sys
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# A shared machine stalls now and then; a property is wrong or right, never late.
settings.register_profile("stella", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("stella")

REFUSED = frozenset(
    {
        "socket.bind",
        "socket.connect",
        "socket.getaddrinfo",
        "socket.gethostbyaddr",
        "socket.gethostbyname",
        "socket.getnameinfo",
        "socket.sendmsg",
        "socket.sendto",
    }
)


class SocketUsedInTest(RuntimeError):
    """A test used a socket without the mark `network`."""


class _Guard:
    """For which test socket calls are refused now. An audit hook cannot be removed, so it asks this object."""

    def __init__(self) -> None:
        self.test = ""

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.test and event in REFUSED:
            message = f"{self.test} called {event} {arguments[1:]!r}; mark it `network` if it must"
            raise SocketUsedInTest(message)


_guard = _Guard()
sys.addaudithook(_guard)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Refuse sockets from the set-up of a test to its end."""
    _guard.test = "" if item.get_closest_marker("network") else item.nodeid
    try:
        return (yield)
    finally:
        _guard.test = ""
