"""Connections: what a client may do with one before the application hears of it. Limits of time are short ones here."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from stella.http import protocol
from stella.http.protocol import Protocol

pytestmark = pytest.mark.network

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SECONDS = 0.3


class World(NamedTuple):
    """A server that answers each request with its number and the size of its body, and how to reach it."""

    state: ServerState
    port: int
    go: asyncio.Event

    async def connect(self, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        return reader, writer

    async def all_of(self, data: bytes) -> bytes:
        """Send; everything that comes back until the server closes."""
        reader, writer = await self.connect(data)
        try:
            async with asyncio.timeout(10):
                return await reader.read()
        finally:
            writer.close()


def play(scene: Callable[[World], Awaitable[None]]) -> None:
    async def perform() -> None:
        numbers = iter(range(1, 10_000))
        go = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            number = next(numbers)
            if scope["path"] == "/wait":
                await go.wait()
            if scope["path"] == "/body":
                while (message := await receive())["type"] == "http.request" and message["more_body"]:
                    pass
                if message["type"] == "http.disconnect":
                    return
            body = b"x" * 50_000_000 if scope["path"] == "/large" else b"%d" % number
            length = (b"content-length", b"%d" % len(body))
            await send({"type": "http.response.start", "status": 200, "headers": [length]})
            await send({"type": "http.response.body", "body": body})

        config = uvicorn.Config(app, http=Protocol, ws="none", lifespan="off", log_config=None, access_log=False)
        config.load()
        state = ServerState()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Protocol(config, state, {}), "127.0.0.1", 0)
        try:
            await scene(World(state, server.sockets[0].getsockname()[1], go))
        finally:
            go.set()
            server.close()
            for connection in list(state.connections):
                connection.transport.abort()
            await asyncio.sleep(0.05)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(perform())


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("HEADER_SECONDS", SECONDS), ("TAKE_SECONDS", SECONDS), ("LINGER_SECONDS", 0.1)):
        monkeypatch.setattr(protocol, name, value)


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError


def code_of(answer: bytes) -> str:
    return str(json.loads(answer.rpartition(b"\r\n\r\n")[2])["code"])


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (HEAD, b"\r\n"),
        (HEAD, b"GET / HTTP/1.1\r\n"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n", b"a"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: a\r\n"),
    ],
)
def test_a_client_that_was_answered_and_goes_on_slowly(first: bytes, then: bytes) -> None:
    async def scene(world: World) -> None:
        reader, writer = await world.connect(first)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while world.state.connections:
            writer.write(then)
            await asyncio.sleep(SECONDS / 6)
            assert loop.time() - begin < 10 * SECONDS
        writer.close()

    play(scene)


def test_a_request_that_takes_long_is_no_slow_client() -> None:
    async def scene(world: World) -> None:
        wait = b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"
        reader, writer = await world.connect(wait + HEAD + HEAD[:20])  # the last one comes in two pieces
        await asyncio.sleep(2 * SECONDS)
        world.go.set()
        for number in (b"1", b"2"):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            assert await reader.readexactly(1) == number
        writer.write(HEAD[20:])
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.close()

    play(scene)


def test_what_is_wrong_is_said_after_the_answers_before_it() -> None:
    async def scene(world: World) -> None:
        asyncio.get_running_loop().call_later(0.1, world.go.set)
        found = await world.all_of(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n" + HEAD + b"NONSENSE\r\n\r\n")
        first, second, last = found.split(b"HTTP/1.1 ")[1:]
        assert (first[-1:], second[-1:], last[:4], code_of(last)) == (b"1", b"2", b"400 ", "HTTP-032")

    play(scene)


def test_a_body_that_breaks_is_refused_at_once() -> None:
    async def scene(world: World) -> None:
        found = await world.all_of(
            b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nzz\r\n"
        )
        assert (found[:13], code_of(found)) == (b"HTTP/1.1 400 ", "HTTP-032")

    play(scene)


def test_a_large_body_is_not_counted_as_the_head_behind_it() -> None:
    async def scene(world: World) -> None:
        body = b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n" + b"a" * 60_000
        reader, writer = await world.connect(body + HEAD[:20])
        first = await reader.readuntil(b"\r\n\r\n1")
        writer.write(HEAD[20:])
        second = await reader.readuntil(b"\r\n\r\n2")
        assert [found[:13] for found in (first, second)] == [b"HTTP/1.1 200 "] * 2
        writer.close()

    play(scene)


def test_endless_trailers() -> None:
    async def scene(world: World) -> None:
        head = b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        for trailer in (b"X: a\r\n" * 100_000, b"X: " + b"a" * 600_000):
            found = await world.all_of(head + trailer)
            assert (found[:13], code_of(found)) == (b"HTTP/1.1 431 ", "HTTP-007")

    play(scene)


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c"])
def test_an_upgrade_to_nothing(upgrade: bytes) -> None:
    async def scene(world: World) -> None:
        found = await world.all_of(
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n" % upgrade + HEAD
        )
        assert found.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in found

    play(scene)


def test_a_client_that_takes_nothing() -> None:
    async def scene(world: World) -> None:
        reader, writer = await world.connect(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        transport: Any = writer.transport
        await until(lambda: bool(world.state.connections))
        transport.pause_reading()
        await until(lambda: not world.state.connections)
        assert not world.state.connections
        del reader
        writer.close()

    play(scene)


def test_the_number_of_connections_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 4)
    monkeypatch.setattr(protocol, "MAX_TOLD", 2)
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 5.0)

    async def scene(world: World) -> None:
        first = [await world.connect() for _ in range(4)]
        await until(lambda: len(world.state.connections) == 4)
        told = await asyncio.gather(*(world.all_of(HEAD) for _ in range(2)))
        for answer in told:
            assert (answer[:13], code_of(answer)) == (b"HTTP/1.1 503 ", "HTTP-039")
            assert b"retry-after: 1\r\n" in answer
        crowd = [socket.create_connection(("127.0.0.1", world.port)) for _ in range(30)]
        await asyncio.sleep(0.05)
        assert len(world.state.connections) <= 6
        for one in crowd:
            one.close()
        reader, writer = first[0]
        writer.write(HEAD)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.close()
        await until(lambda: len(world.state.connections) < 4)
        assert (await world.all_of(HEAD[:-2] + b"Connection: close\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        for _, writer in first:
            writer.close()

    play(scene)
