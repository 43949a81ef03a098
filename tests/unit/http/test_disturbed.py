"""The service in process when its store, its files or its clients are not there."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from stella.http.files import Files
from tests.unit.http.test_app import World, play, world

__all__ = ["world"]  # the fixture


def test_the_queue_goes_on_after_a_surprise(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception of the store that nobody foresaw must not leave a service that is ready and starts nothing."""
    surprises = [RuntimeError("secret-of-the-store")] * 2
    claim = world.store.claim

    def surprised(*given: Any) -> Any:
        if surprises:
            raise surprises.pop()
        return claim(*given)

    monkeypatch.setattr(world.store, "claim", surprised)
    monkeypatch.setattr("stella.http.jobs.POLL", 0.01)

    async def scene(world: World) -> None:
        _, headers, _ = await world.call("POST", "/v1/longs", {})
        await world.until(headers["location"], "done")

    play(world, scene)
    assert '"operation":"jobs"' in world.log_path.read_text()
    assert "secret-of-the-store" not in world.log_path.read_text()


def test_a_folder_is_the_same_however_it_is_written(world: World) -> None:
    async def scene(world: World) -> None:
        _, first, _ = await world.call("POST", "/v1/longs", {"dir": "M", "what": "wait"})
        await world.until(first["location"], "running")
        _, second, _ = await world.call("POST", "/v1/longs", {"dir": "M/"})
        _, other, _ = await world.call("POST", "/v1/longs", {"dir": "D/"})
        await world.until(other["location"], "done")
        assert (await world.call("GET", second["location"]))[2]["state"] == "queued"
        world.probe.go.set()
        await world.until(second["location"], "done")

    play(world, scene)


@pytest.mark.parametrize(("what", "status"), [("wait", 201), ("wait-missing", 404)])
def test_an_answer_that_could_not_be_kept_is_kept_later(world: World, what: str, status: int) -> None:
    """The store went away while a request with a key was worked on: the key is not in use for ever."""

    async def scene(world: World) -> None:
        asked = asyncio.create_task(world.call("POST", "/v1/makes", {"what": what}, idempotency_key="k"))
        await asyncio.sleep(0.1)
        world.store.away = True
        world.probe.go.set()
        first = await asked
        assert first[0] == status
        assert (await world.call("POST", "/v1/makes", {"what": what}, idempotency_key="k"))[2]["code"] == "HTTP-025"
        world.store.away = False
        again = await world.call("POST", "/v1/makes", {"what": what}, idempotency_key="k")
        assert again[0] == status
        assert ("idempotent-replayed" in again[1]) == (status == 201)
        assert world.probe.turns == (1 if status == 201 else 2)

    play(world, scene)


def test_a_stream_ends_when_the_store_goes_away(world: World) -> None:
    """And is no failure of the service: the client comes back."""

    async def scene(world: World) -> None:
        _, headers, _ = await world.call("POST", "/v1/longs", {"what": "wait"})
        await world.until(headers["location"], "running")
        told = asyncio.create_task(world.stream(f"{headers['location']}/events"))
        await asyncio.sleep(0.1)
        world.store.away = True
        async with asyncio.timeout(5):
            messages = await told
        assert messages[-1].get("more_body", False) is False
        world.store.away = False
        world.probe.go.set()
        await world.until(headers["location"], "done")

    play(world, scene)
    assert '"failed"' not in world.log_path.read_text()


def test_a_stream_ends_with_its_client(world: World) -> None:
    async def scene(world: World) -> None:
        _, headers, _ = await world.call("POST", "/v1/longs", {"what": "wait"})
        _, waiting, _ = await world.call("POST", "/v1/longs", {"what": "wait"})
        await world.until(headers["location"], "running")
        async with asyncio.timeout(3):
            await world.stream(f"{waiting['location']}/events", leaves=0.1)
        world.probe.go.set()
        await world.until(waiting["location"], "done")

    play(world, scene)


def test_what_ended_with_a_failed_answer_is_cut_off_and_in_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (world.ground() / "f").write_bytes(b"123")
    (world.ground() / "f").chmod(0o644)
    look = Files.look

    def looked(self: Files, *given: Any) -> Any:
        found = look(self, *given)
        (world.ground() / "f").unlink()
        return found

    monkeypatch.setattr(Files, "look", looked)

    async def scene(world: World) -> None:
        with pytest.raises(FileNotFoundError):  # the server closes the connection
            await world.stream("/v1/files/f")
        await asyncio.sleep(0.01)

    play(world, scene)
    lines = [json.loads(line) for line in world.log_path.read_text().splitlines()]
    assert [line["event"] for line in lines if line["operation"] == "files.read"] == ["failed", "request"]
