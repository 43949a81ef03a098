"""The guard of conftest.py refuses sockets, and lets marked tests through."""

from __future__ import annotations

import socket

import pytest


@pytest.fixture(scope="module")
def early() -> str:
    """What a fixture of wider scope meets when it looks up a name."""
    try:
        socket.getaddrinfo("localhost", 80)
    except RuntimeError as error:
        return str(error)
    return "reached"


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_connect_is_refused(family: socket.AddressFamily, host: str) -> None:
    with socket.socket(family) as plug, pytest.raises(RuntimeError, match=r"socket\.connect"):
        plug.connect((host, 9))


def test_datagrams_are_refused() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug, pytest.raises(RuntimeError, match=r"socket\.sendto"):
        plug.sendto(b"", ("127.0.0.1", 9))


def test_names_are_not_looked_up_in_fixtures_either(early: str) -> None:
    assert "socket.getaddrinfo" in early


@pytest.mark.network
def test_a_marked_test_may() -> None:
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        assert plug.getsockname()[1] > 0
