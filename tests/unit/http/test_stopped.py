"""The service in process when a tenant is suspended: what is under way for it ends, for nobody else."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest

from stella.http.auth import Presented
from stella.http.exchange import Cut
from stella.http.store import Key
from stella.identity.errors import TenantNotActive
from stella.operations import Principal
from tests.unit.http.test_app import World, play, world

__all__ = ["world"]  # the fixture

A, B = "kim@acme", "kim@acme-2"
OCTETS = {"content_type": "application/octet-stream"}


@pytest.fixture(autouse=True)
def refusing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens of a tenant that was stopped are refused, as `Identity.verify` does."""
    verify = world.verify

    def verified(given: Presented) -> Principal:
        found = verify(given)
        if state := world.stops.get(found.tenant):
            raise TenantNotActive(tenant=found.tenant, state=state)
        return found

    monkeypatch.setattr(world, "verify", verified)


async def pieces(world: World, location: str, offset: int, sent: list[bytes], suspend_after: int) -> list[Any]:
    """Send an upload piece by piece; its tenant is suspended behind one of them."""
    headers = {"authorization": f"Bearer {A}", "upload-offset": str(offset), "content-type": "application/octet-stream"}
    scope = {
        "type": "http",
        "method": "PATCH",
        "path": location,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    left, told = list(sent), []

    async def receive() -> Any:
        if len(sent) - len(left) == suspend_after:
            world.stops = {"acme": "suspended"}
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: Any) -> None:
        told.append(message)

    await world.service.app(scope, receive, send)
    return told


def test_an_upload_goes_no_further_and_goes_on_where_it_was(world: World) -> None:
    data = b"0123456789"
    want = {"name": "b", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    async def scene(world: World) -> None:
        _, headers, _ = await world.call("POST", "/v1/uploads", want, token=A)
        place = headers["location"]
        told = await pieces(world, place, 0, [data[:3], data[3:6], data[6:]], 1)
        assert told[0]["status"] == 403
        assert (await world.call("HEAD", place, token=A))[0] == 403
        world.stops = {}
        assert (await world.call("HEAD", place, token=A))[1]["upload-offset"] == "3"
        assert (await pieces(world, place, 3, [data[3:]], -1))[0]["status"] == 200

    play(world, scene)


def test_events_of_a_job_end(world: World) -> None:
    async def scene(world: World) -> None:
        _, mine, _ = await world.call("POST", "/v1/longs", {"what": "wait"}, token=A)
        _, other, _ = await world.call("POST", "/v1/longs", {"what": "wait"}, token=B)
        streams = [
            asyncio.create_task(world.stream(f"{made['location']}/events", token=token))
            for made, token in ((mine, A), (other, B))
        ]
        await asyncio.sleep(0.1)
        world.stops = {"acme": "suspended"}
        async with asyncio.timeout(10):
            messages = await streams[0]
        assert messages[-1] == {"type": "http.response.body", "body": b""}
        assert not streams[1].done()
        world.probe.go.set()
        assert b'"done"' in b"".join(message.get("body", b"") for message in await streams[1])

    play(world, scene)
    assert '"failed"' not in world.log_path.read_text()


def test_a_file_that_is_being_read_is_cut_off(world: World) -> None:
    (world.ground("acme") / "f").write_bytes(bytes(1 << 20))
    (world.ground("acme") / "f").chmod(0o644)
    told: list[Any] = []

    async def scene(world: World) -> None:
        headers = [(b"authorization", f"Bearer {A}".encode())]
        scope = {"type": "http", "method": "GET", "path": "/v1/files/f", "query_string": b"", "headers": headers}

        async def receive() -> Any:
            await asyncio.sleep(1000)

        async def send(message: Any) -> None:
            told.append(message)
            if len(told) == 3:
                world.stops = {"acme": "suspended"}

        with pytest.raises(Cut):  # the server closes the connection
            await world.service.app(scope, receive, send)

    play(world, scene)
    assert len(told) == 3
    assert '"failed"' not in world.log_path.read_text()


def test_a_kept_answer_waits_until_the_tenant_is_resumed(world: World) -> None:
    async def scene(world: World) -> None:
        asked = asyncio.create_task(world.call("POST", "/v1/makes", {"what": "wait"}, token=A, idempotency_key="k"))
        await asyncio.to_thread(world.probe.begun.wait, 10)
        world.stops = {"acme": "suspended"}
        assert (await world.call("POST", "/v1/makes", {"what": "wait"}, token=A, idempotency_key="k"))[0] == 403
        world.probe.go.set()
        first = await asked  # what was begun is done, and kept
        assert first[0] == 201
        kept, _ = world.store.answers[Key("acme", "kim", "probe.make", "k")]
        assert kept.state == "answered"
        assert (await world.call("POST", "/v1/makes", {"what": "wait"}, token=A, idempotency_key="k"))[0] == 403
        world.stops = {}
        again = await world.call("POST", "/v1/makes", {"what": "wait"}, token=A, idempotency_key="k")
        assert (again[0], again[2], again[1]["idempotent-replayed"]) == (201, first[2], "true")
        assert world.probe.turns == 1

    play(world, scene)


def test_a_job_that_was_asked_for_while_its_tenant_was_stopped_is_there_once(world: World) -> None:
    async def scene(world: World) -> None:
        status, first, _ = await world.call("POST", "/v1/longs", {"what": "wait"}, token=A, idempotency_key="j")
        assert status == 202
        world.stops = {"acme": "suspended"}
        assert (await world.call("POST", "/v1/longs", {"what": "wait"}, token=A, idempotency_key="j"))[0] == 403
        world.stops = {}
        _, again, _ = await world.call("POST", "/v1/longs", {"what": "wait"}, token=A, idempotency_key="j")
        assert again["location"] == first["location"]
        world.probe.go.set()

    play(world, scene)
