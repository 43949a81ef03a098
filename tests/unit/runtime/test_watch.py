"""The end of an exchange that takes too long as a whole."""

from __future__ import annotations

import http.client
import socket
import time

import pytest

from stella.runtime.watch import Watch

pytestmark = pytest.mark.network


class Connecting(http.client.HTTPConnection):
    """A connection that is made when a test says so, as behind a handshake that takes long."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1")
        self.far: socket.socket | None = None

    def connect(self) -> None:
        self.sock, self.far = socket.socketpair()
        self.sock.settimeout(10)
        self.far.settimeout(10)


def test_a_connection_that_came_too_late_is_ended() -> None:
    """While a socket is wrapped in TLS nothing can end it; what comes then must not drip without end."""
    connection = Connecting()
    watch = Watch(connection, 0.01)
    while not watch.late:
        time.sleep(0.01)
    connection.connect()
    assert connection.far is not None
    watch.hold()
    assert connection.far.recv(1) == b""
    connection.far.close()
    connection.close()


def test_one_in_time_goes_on() -> None:
    connection = Connecting()
    watch = Watch(connection, 60)
    connection.connect()
    assert connection.sock is not None
    assert connection.far is not None
    watch.hold()
    connection.far.sendall(b"x")
    assert connection.sock.recv(1) == b"x"
    watch.end()
    connection.far.close()
    connection.close()
