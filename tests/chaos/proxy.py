"""A proxy before a real store that spoils one request: refuses it, loses it or its answer, or carries it out too late.

Rules:
- Requests pass with their bytes as they are, so that their signatures hold; they are counted from 1.
- What it has spoiled is settled when its context ends: nothing is carried out after that.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Fault = Literal["none", "503", "reset", "lost", "500 after", "late", "cut"]
FAULTS: tuple[Fault, ...] = ("503", "reset", "lost", "500 after", "late", "cut")
LATE = 1.0  # seconds that a request is held; a client that is to give up on it must be less patient
AT_ONCE_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST, and nothing that was written


class Proxy(ThreadingHTTPServer):
    """Spoils request number `point`; `seen` has the requests so far, such as `PUT /bucket/M/head.json`."""

    daemon_threads = False  # closing waits for what is under way

    def __init__(self, store: str, fault: Fault, point: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store = store.removeprefix("http://")
        self.fault, self.point = fault, point
        self.seen: list[str] = []
        self.turn = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what this is about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def do(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        with self.server.turn:
            self.server.seen.append(f"{self.command} {self.path.partition('?')[0]}")
            fault = self.server.fault if len(self.server.seen) == self.server.point else "none"
        if fault == "503":
            return self._answer(503, [], b"<Error><Code>SlowDown</Code></Error>")
        if fault == "reset":
            return self._reset()
        if fault == "late":
            time.sleep(LATE)
        status, headers, answer = self._carried_out(body)
        if fault == "lost":
            return self._reset()
        if fault == "500 after":
            return self._answer(500, [], b"<Error><Code>InternalError</Code></Error>")
        return self._answer(status, headers, answer, cut=fault == "cut")

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do  # noqa: N815  # names that the server asks for

    def _carried_out(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        with contextlib.closing(http.client.HTTPConnection(self.server.store, timeout=30)) as store:
            store.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                store.putheader(name, value)
            store.endheaders(body or None)
            found = store.getresponse()
            dropped = {"connection", "transfer-encoding", "content-length"}
            headers = [row for row in found.getheaders() if row[0].lower() not in dropped]
            if self.command == "HEAD":
                headers.append(("content-length", found.getheader("content-length") or "0"))
            return found.status, headers, found.read()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, *, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("content-length", str(len(body)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self._reset()

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE_RESET)
        self.wfile.flush()
        self.connection.close()

    def log_message(self, *args: object) -> None:
        """Nothing is written."""


@contextlib.contextmanager
def spoiling(store: str, fault: Fault, point: int = 0) -> Iterator[Proxy]:
    """A proxy before the store at an address."""
    proxy = Proxy(store, fault, point)
    serving = threading.Thread(target=proxy.serve_forever, args=(0.02,))
    serving.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        serving.join()
        proxy.server_close()
