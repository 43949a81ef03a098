"""Ends an exchange over HTTP that takes too long as a whole: the timeout of a socket is for each step alone."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading


class Watch:
    """Ends an exchange that drips. Whoever waits on the socket gets an error, or the end of the stream.

    `late` tells whether that happened: the end of what came looks like the end of an answer.
    """

    def __init__(self, connection: http.client.HTTPConnection, seconds: float) -> None:
        self.late = False
        self._connection = connection
        self._sock: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._abort)
        self._timer.daemon = True
        self._timer.start()

    def hold(self) -> None:
        """Keep the socket in sight: the connection lets go of it when an answer has no length.

        It is ended here when the time was over before: during a handshake of TLS nothing can.
        """
        self._sock = self._connection.sock
        if self.late:
            self._abort()

    def end(self) -> None:
        """It is over."""
        self._timer.cancel()

    def _abort(self) -> None:
        self.late = True
        sock = self._sock or self._connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
