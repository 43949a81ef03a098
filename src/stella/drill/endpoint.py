"""A small issuer's address: a key set over HTTP on loopback, with a switch for every way in which one can fail.

Rules:
- It is a server on a real socket: what speaks to it is the transport that a service uses.
- A connection that hangs is let go when the fault ends, and nothing is left when the endpoint is closed.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Literal

from stella.kernel.instant import Seconds
from stella.tenancy.keys import MAX_SET
from stella.tenancy.mint import SigningKey

HOST = "127.0.0.1"
DRIP = 0.05  # seconds between two bytes of an answer that is slow
BACKLOG = 128
GARBAGE = b"\x00<html>\xff{"
REQUEST = 16 * 1024  # bytes
ELSEWHERE = "/elsewhere"  # where a redirect points: an attacker's keys, if it were followed

Fault = Literal["refuse", "hang", "slow", "500", "garbage", "redirect", "huge"]
FAULTS: tuple[Fault, ...] = ("refuse", "hang", "slow", "500", "garbage", "redirect", "huge")


class Endpoint:
    """Publishes `keys`. `asked` counts requests, `given` whole key sets, `followed` redirects that were followed."""

    def __init__(self, max_age: Seconds) -> None:
        self.max_age = max_age
        self.asked = self.given = self.followed = 0
        self._keys: tuple[SigningKey, ...] = ()
        self._fault: Fault | None = None
        self._mended = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._socket = _bound(0)
        self.port: int = self._socket.getsockname()[1]
        self._listen()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/jwks"

    def publish(self, *keys: SigningKey) -> None:
        """Replace the key set."""
        self._keys = keys

    def fail(self, fault: Fault) -> None:
        """Fail like that from now on."""
        self._mended.clear()
        self._fault = fault
        if fault == "refuse":  # bound, so that nobody else gets the port, and not listening: a connection is reset
            fresh = _bound(self.port)
            self._deafen()
            self._socket = fresh

    def mend(self) -> None:
        """Answer again."""
        refused, self._fault = self._fault == "refuse", None
        self._mended.set()
        if refused:
            self._listen()

    def close(self) -> None:
        """Let go of the port and of every connection."""
        self._mended.set()
        self._deafen()
        with self._lock:
            for line in self._open:
                with contextlib.suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        self._socket.listen(BACKLOG)
        threading.Thread(target=self._accept, args=(self._socket,), name="drill-endpoint", daemon=True).start()

    def _deafen(self) -> None:
        with contextlib.suppress(OSError):  # wakes who waits in accept
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(line,), name="drill-answer", daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with self._lock:
            self._open.add(line)
        try:
            with line:
                line.settimeout(10)
                path = _path(line)
                if path:
                    self._count(path)
                    for part in self._answer(path):
                        line.sendall(part)
        except OSError:
            pass  # who asked has gone
        finally:
            with self._lock:
                self._open.discard(line)

    def _count(self, path: str) -> None:
        with self._lock:
            self.asked += 1
            self.followed += path == ELSEWHERE

    def _answer(self, path: str) -> Iterator[bytes]:
        body = json.dumps({"keys": [key.jwk() for key in self._keys]}).encode()
        match self._fault if path != ELSEWHERE else None:
            case "hang":
                self._mended.wait()
            case "slow":
                yield _head(200, {"Content-Length": str(len(body))})
                for byte in body:
                    yield bytes([byte])
                    if self._mended.wait(DRIP):
                        return
            case "500":
                yield _head(500, {"Content-Length": "0"})
            case "garbage":
                yield _head(200, {"Content-Length": str(len(GARBAGE))}) + GARBAGE
            case "redirect":
                yield _head(302, {"Location": ELSEWHERE, "Content-Length": "0"})
            case "huge":
                body = body[:-1] + b" " * MAX_SET + b"}"
                yield _head(200, {"Content-Length": str(len(body))}) + body
            case _:
                with self._lock:
                    self.given += 1
                age = f"max-age={self.max_age}"
                yield _head(200, {"Content-Length": str(len(body)), "Cache-Control": age}) + body


def _bound(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind((HOST, port))
    return made


def _path(line: socket.socket) -> str:
    """The path that a request asks for; nothing when it ends before that."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = line.recv(REQUEST)
        if not part or len(data) > REQUEST:
            return ""
        data += part
    return data.split(b" ", 2)[1].decode("latin-1")


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Drill\r\n{lines}Connection: close\r\n\r\n".encode()
