"""What the application counts of its requests, in process."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stella.http import app
from tests.unit.http.test_app import World, play, world

__all__ = ["world"]  # a fixture


async def got(world: World, path: str, token: str = "token", **headers: str) -> bytes:
    """The body of what a client is answered that stays and has nothing more to say."""
    told: list[Any] = []
    sent = [b"authorization", f"Bearer {token}".encode()], *([k.encode(), v.encode()] for k, v in headers.items())

    async def receive() -> Any:
        await asyncio.sleep(1000)

    async def send(message: Any) -> None:
        told.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": sent}
    await world.service.app(scope, receive, send)
    assert told[0]["status"] in {200, 206}
    return b"".join(message.get("body", b"") for message in told[1:])


async def figure(world: World, name: str, **labels: str) -> float:
    """The sum of a metric's series with these labels."""
    lines = (await got(world, "/metrics")).decode().splitlines()
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    found = [line for line in lines if line.startswith(f"{name}{{") and all(word in line for word in wanted)]
    return sum(float(line.rpartition(" ")[2]) for line in found)


def test_who_asks_too_much_is_counted(tmp_path: Path) -> None:
    world = World(tmp_path, max_jobs=1, max_queued=1)

    async def scene(world: World) -> None:
        await world.call("POST", "/v1/longs", {"what": "wait"}, token="kim@acme")
        for _ in range(500):
            if [job.state for job in world.store.jobs.values()] == ["running"]:
                break
            await asyncio.sleep(0.01)
        statuses = [(await world.call("POST", "/v1/longs", {}, token="kim@acme"))[0] for _ in range(3)]
        assert statuses == [202, 503, 503]
        assert await figure(world, "tenant_rate_limit_hits_total", tenant="acme") == 2
        assert await figure(world, "tenant_rate_limit_hits_total", tenant="default") == 0
        assert await figure(world, "tenant_queue_depth", tenant="acme") == 1
        world.probe.go.set()

    play(world, scene)


def test_figures_are_there_while_the_store_is_away(world: World) -> None:
    """They say most when something is wrong."""

    async def scene(world: World) -> None:
        await world.call("GET", "/v1/looks")
        assert await figure(world, "stella_jobs", state="queued") == 0
        world.store.away = True
        assert await figure(world, "stella_requests_total", operation="probe.look") == 1
        world.store.away = False

    play(world, scene)


def test_bytes_of_files_are_counted_both_ways(world: World) -> None:
    data = json.dumps("abc").encode()
    patch = {"content_type": "application/octet-stream", "upload_offset": "0"}

    async def volume(direction: str) -> float:
        return await figure(world, "tenant_data_volume_bytes_total", tenant="acme", direction=direction)

    async def scene(world: World) -> None:
        want = {"name": "b", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        _, headers, _ = await world.call("POST", "/v1/uploads", want, token="kim@acme")
        assert (await world.call("PATCH", headers["location"], "abcdef", token="kim@acme", **patch))[0] == 413
        assert await volume("in") == len(data) + 3, "what is refused has arrived all the same"
        status, _, upload = await world.call("PATCH", headers["location"], "abc", token="kim@acme", **patch)
        assert status == 200
        assert await volume("in") == 2 * len(data) + 3
        assert await got(world, f"/v1/files/{upload['path']}", "kim@acme") == data
        assert await volume("out") == len(data)
        assert await got(world, f"/v1/files/{upload['path']}", "kim@acme", range="bytes=1-2") == data[1:3]
        assert await volume("out") == len(data) + 2
        seconds = await figure(world, "tenant_request_seconds_count", tenant="acme", access="transfer")
        assert seconds == 2

    play(world, scene)


def test_a_stream_is_timed_until_it_begins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """How long it goes on is for its client to say, and no reason to call somebody."""
    now = [100.0]
    monkeypatch.setattr(app, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    async def scene(world: World) -> None:
        _, headers, _ = await world.call("POST", "/v1/longs", {})
        await world.until(headers["location"], "done")

        async def receive() -> Any:
            await asyncio.sleep(1000)

        async def send(message: Any) -> None:
            now[0] += 50 if message["type"] == "http.response.body" else 1

        scope = {"type": "http", "method": "GET", "path": f"{headers['location']}/events", "query_string": b""}
        await world.service.app(scope | {"headers": [(b"authorization", b"Bearer token")]}, receive, send)
        assert await figure(world, "stella_request_seconds_sum", operation="jobs.events") == 0
        assert await figure(world, "stella_request_seconds_count", operation="jobs.events") == 1

    play(world, scene)
    (line,) = [json.loads(row) for row in world.log_path.read_text().splitlines() if '"jobs.events"' in row]
    assert line["ms"] > 50_000, "the log has all of it"


def test_a_refused_request_is_of_the_tenant_whose_token_it_has(world: World) -> None:
    async def scene(world: World) -> None:
        assert (await world.call("GET", "/v1/looks", token="kim@acme", x_stella_tenant="zeta"))[0] == 403
        assert (await world.call("GET", "/v1/looks", token="nobody", x_stella_tenant="zeta"))[0] == 401
        assert (await world.call("GET", "/healthz", token="kim@acme"))[0] == 200
        assert await figure(world, "tenant_requests_total", tenant="acme", status="403", route="probe.look") == 1
        assert await figure(world, "tenant_requests_total", tenant="_unknown", status="401") == 1
        assert await figure(world, "tenant_requests_total", tenant="_unknown", route="healthz") == 1
        assert await figure(world, "tenant_requests_total", tenant="zeta") == 0

    play(world, scene)
    (line,) = [json.loads(row) for row in world.log_path.read_text().splitlines() if '"status":403' in row]
    assert (line["principal"], line["tenant"]) == ("kim", "acme")
