"""The service in process: the application over the twin of its store, without a socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from stella import bootstrap
from stella.bundle.errors import NoChannel
from stella.http.assemble import Service, assemble
from stella.http.auth import Presented, Tokens
from stella.http.errors import NotAuthenticated
from stella.http.logs import Log
from stella.http.store import Key, Load
from stella.kernel.tenant import DEFAULT_TENANT
from stella.operations import EVERY_SCOPE, Context, Operation, Principal, arg
from stella.runtime.config import Loaded
from stella.runtime.settings import ServiceSettings, Settings
from stella.testing import SilentProgress
from tests.memory_store import MemoryStore


class Want(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request."""

    dir: Annotated[str, arg("Folder.", "folder")] = "M"
    what: Annotated[str, arg("What happens.")] = ""


class Got(msgspec.Struct, frozen=True, tag_field="schema", tag="probe@1"):
    """Result."""

    actor: str
    turns: int


class Probe:
    """Operations that do what a test says."""

    def __init__(self) -> None:
        self.turns = 0
        self.go = threading.Event()
        self.begun = threading.Event()

    def run(self, ctx: Context, want: Want) -> Got:
        self.turns += 1
        self.begun.set()
        if want.what == "defect":
            raise RuntimeError("secret-of-the-request")
        if want.what == "missing":
            raise NoChannel(path="x")
        if want.what.startswith("wait"):
            ctx.progress.start("wait", None, "turns")
            while not self.go.wait(0.01):
                ctx.progress.advance(1)
        if want.what == "wait-missing":
            raise NoChannel(path="x")
        return Got(ctx.actor, self.turns)

    def rows(self) -> list[Operation[Any, Any]]:
        made = (
            ("probe.look", "GET", "/v1/looks", "probe:read", {"quick": True}),
            ("probe.make", "POST", "/v1/makes", "probe:write", {"creates": True}),
            ("probe.again", "POST", "/v1/agains", "probe:write", {"idempotent": True}),
            ("probe.long", "POST", "/v1/longs", "probe:write", {"long": True, "idempotent": True}),
            ("probe.here", "LOCAL", "/here", "probe:write", {}),
        )
        return [
            Operation(
                name,
                method,
                path,
                scope,
                self.run,
                Want,
                Got,
                lambda _: [],
                "Probe.",
                "",
                "",
                marks.pop("idempotent", False),
                marks.pop("long", False),
                **marks,
            )
            for name, method, path, scope, marks in made
        ]


class World:
    """A service and what was asked of it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.store = MemoryStore()
        self.probe = Probe()
        self.folder = folder
        self.log_path = folder / "log"
        self.settings = Settings(service=ServiceSettings(**settings))
        self.stops: dict[str, str] = {}  # what tenants are that were stopped
        self.service: Service

    def ground(self, tenant: str = DEFAULT_TENANT) -> Path:
        """The folder of a tenant."""
        found = self.folder / "tenants" / tenant
        found.mkdir(parents=True, exist_ok=True)
        return found

    def verify(self, given: Presented) -> Principal:
        """Knows tokens such as `kim@acme`, which has every scope, and `kim@acme probe:read` with those named."""
        name, at, rest = given.authorization.decode().partition(" ")[2].partition("@")
        if not at:
            raise NotAuthenticated(problem="unknown")
        tenant, _, scopes = rest.partition(" ")
        return Principal(name, frozenset(scopes.split() or {EVERY_SCOPE}), tenant)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        handle = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        context = bootstrap.make_context(Loaded(self.settings, {}), SilentProgress(), {})
        log = Log(context.clock, handle, json=True)
        parts = self.folder / "parts"
        tokens = Tokens(b"token", self.verify, lambda tenant: self.stops.get(tenant, ""))
        self.service = assemble(context, self.probe.rows(), self.store, tokens, self.folder, parts, log)
        try:
            async with self.service.working(lambda: None):
                yield self
        finally:
            await asyncio.sleep(0)  # the last lines
            os.close(handle)

    async def call(
        self, method: str, path: str, body: Any = None, token: str = "token", **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers and JSON of an answer."""
        sent = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        sent |= {name.replace("_", "-").lower(): value for name, value in headers.items()}
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        }
        told: list[Any] = []
        sent_whole = False

        async def receive() -> Any:
            nonlocal sent_whole
            if sent_whole:  # whoever asks for more waits for the client to leave, which it does not
                await asyncio.Event().wait()
            sent_whole = True
            return {"type": "http.request", "body": b"" if body is None else json.dumps(body).encode()}

        async def send(message: Any) -> None:
            told.append(message)

        await self.service.app(scope, receive, send)
        found = {name.decode(): value.decode() for name, value in told[0]["headers"]}
        data = b"".join(message.get("body", b"") for message in told[1:])
        return told[0]["status"], found, json.loads(data) if data else None

    async def stream(self, path: str, leaves: float | None = None, token: str = "token") -> list[Any]:
        """The messages of a streamed answer; the client leaves after so many seconds."""
        headers = [(b"authorization", f"Bearer {token}".encode())]
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers}
        told: list[Any] = []

        async def receive() -> Any:
            await asyncio.sleep(1000 if leaves is None else leaves)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            told.append(message)

        await self.service.app(scope, receive, send)
        return told

    async def until(self, location: str, *states: str) -> Any:
        for _ in range(500):
            _, _, job = await self.call("GET", location)
            if job["state"] in states:
                return job
            await asyncio.sleep(0.01)
        raise AssertionError(job)


def play(world: World, scene: Callable[[World], Awaitable[None]]) -> None:
    async def perform() -> None:
        async with world.running():
            await scene(world)

    asyncio.run(perform())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_operation_knows_who_asks(world: World) -> None:
    async def scene(world: World) -> None:
        assert await world.call("GET", "/v1/looks") == (200, ANY, {"schema": "probe@1", "actor": "admin", "turns": 1})
        status, headers, _ = await world.call("POST", "/v1/makes", {})
        assert (status, headers["content-type"]) == (201, "application/json")

    play(world, scene)


class _Any:
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


ANY = _Any()


def test_a_local_operation_has_no_route(world: World) -> None:
    async def scene(world: World) -> None:
        assert (await world.call("POST", "/here", {}))[0] == 404
        assert all("here" not in path for path in (await world.call("GET", "/openapi.json"))[2]["paths"])

    play(world, scene)


def test_the_scope_of_an_operation_is_checked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Principal("kim", frozenset({"probe:read", "jobs:read"}))
    monkeypatch.setattr(Tokens, "principal", lambda *_, **__: reader)

    async def scene(world: World) -> None:
        assert (await world.call("GET", "/v1/looks"))[2]["actor"] == "kim"
        assert (await world.call("GET", "/v1/jobs"))[0] == 200
        for method, path in (
            ("POST", "/v1/makes"),
            ("POST", "/v1/longs"),
            ("DELETE", "/v1/jobs/x"),
            ("POST", "/v1/uploads"),
            ("GET", "/v1/files/x"),
            ("GET", "/metrics"),
        ):
            status, headers, problem = await world.call(method, path, {})
            assert (status, problem["code"], problem["exit"]) == (403, "HTTP-002", 3), path
            assert 'error="insufficient_scope"' in headers["www-authenticate"]
        assert world.probe.turns == 1
        assert world.store.jobs == {}

    play(world, scene)


def test_a_defect_is_a_code_and_a_place_in_the_log(world: World) -> None:
    async def scene(world: World) -> None:
        status, _, problem = await world.call("POST", "/v1/makes", {"what": "defect"})
        assert (status, problem["code"]) == (500, "HTTP-024")
        assert "secret-of-the-request" not in json.dumps(problem)
        request = problem["instance"].rpartition(":")[2]
        await asyncio.sleep(0.01)
        log = world.log_path.read_text()
        assert "secret-of-the-request" not in log
        line = next(json.loads(row) for row in log.splitlines() if '"failed"' in row)
        assert line["request"] == request
        assert "test_app.py" in line["traceback"]

    play(world, scene)


def test_a_store_that_is_away(world: World) -> None:
    async def scene(world: World) -> None:
        world.store.away = True
        for method, path, body in (
            ("GET", "/v1/jobs", None),
            ("GET", "/readyz", None),
            ("POST", "/v1/longs", {}),
            ("GET", "/v1/uploads/x", None),
        ):
            status, headers, problem = await world.call(method, path, body)
            assert (status, problem["code"], headers["retry-after"]) == (503, "HTTP-025", "1"), path
        assert (await world.call("GET", "/v1/looks"))[0] == 200
        assert (await world.call("GET", "/healthz"))[0] == 200
        world.store.away = False
        assert (await world.call("GET", "/readyz"))[0] == 200

    play(world, scene)


def test_a_job_outlives_a_store_that_is_away(world: World) -> None:
    async def scene(world: World) -> None:
        _, headers, _ = await world.call("POST", "/v1/longs", {"what": "wait"})
        await world.until(headers["location"], "running")
        world.store.away = True
        world.probe.go.set()
        await asyncio.sleep(0.1)
        world.store.away = False
        job = await world.until(headers["location"], "done")
        assert job["result"]["actor"] == "admin"

    play(world, scene)


def test_what_ended_badly(world: World) -> None:
    async def scene(world: World) -> None:
        for what, code, status in (("missing", "MIRROR-002", 404), ("defect", "HTTP-024", 500)):
            _, headers, _ = await world.call("POST", "/v1/longs", {"what": what})
            job = await world.until(headers["location"], "failed")
            assert (job["problem"]["code"], job["status"], job["result"]) == (code, status, None)
            _, tags, _ = await world.call("GET", headers["location"])
            assert (await world.call("GET", headers["location"], if_none_match=tags["etag"]))[0] == 304

    play(world, scene)


def test_two_jobs_never_work_in_one_folder(world: World) -> None:
    async def scene(world: World) -> None:
        _, first, _ = await world.call("POST", "/v1/longs", {"dir": "M", "what": "wait"})
        await world.until(first["location"], "running")
        _, second, _ = await world.call("POST", "/v1/longs", {"dir": "M"})
        _, other, _ = await world.call("POST", "/v1/longs", {"dir": "D"})
        await world.until(other["location"], "done")
        assert (await world.call("GET", second["location"]))[2]["state"] == "queued"
        world.probe.go.set()
        await world.until(second["location"], "done")

    play(world, scene)


def test_a_job_that_was_running_runs_again(world: World) -> None:
    async def first(world: World) -> None:
        _, headers, _ = await world.call("POST", "/v1/longs", {"what": "wait"})
        await world.until(headers["location"], "running")

    async def second(world: World) -> None:
        world.probe.go.set()
        (job,) = (await world.call("GET", "/v1/jobs"))[2]["jobs"]
        ended = await world.until(f"/v1/jobs/{job['id']}", "done")
        assert (ended["attempt"], ended["result"]["turns"]) == (1, 2)

    play(world, first)
    assert world.service.runner.handed_over == 1
    play(world, second)


@pytest.mark.parametrize(("path", "again"), [("/v1/agains", True), ("/v1/makes", False)])
def test_a_request_that_a_crash_interrupted(world: World, path: str, again: bool) -> None:
    """An operation that may run twice does; for another a person has to look."""
    operation = next(row.name for row in world.probe.rows() if row.path == path)
    digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"  # of {}
    world.store.begin_answer(Key(DEFAULT_TENANT, "admin", operation, "k"), digest, 2_000_000_000)

    async def scene(world: World) -> None:
        status, headers, answer = await world.call("POST", path, {}, idempotency_key="k")
        if again:
            assert (status, answer["turns"]) == (200, 1)
            assert "idempotent-replayed" not in headers
            _, headers, answer = await world.call("POST", path, {}, idempotency_key="k")
            assert (headers["idempotent-replayed"], answer["turns"]) == ("true", 1)
        else:
            assert (status, answer["code"], world.probe.turns) == (409, "HTTP-014", 0)

    play(world, scene)


def test_a_key_that_is_being_worked_on(world: World) -> None:
    async def scene(world: World) -> None:
        first = asyncio.create_task(world.call("POST", "/v1/makes", {"what": "wait"}, idempotency_key="k"))
        await asyncio.sleep(0.1)
        assert world.probe.turns == 1
        status, headers, problem = await world.call("POST", "/v1/makes", {"what": "wait"}, idempotency_key="k")
        assert (status, problem["code"], headers["retry-after"]) == (409, "HTTP-013", "1")
        world.probe.go.set()
        assert (await first)[0] == 201
        assert (await world.call("POST", "/v1/makes", {"what": "wait"}, idempotency_key="k"))[0] == 201
        assert world.probe.turns == 1

    play(world, scene)


def test_too_many_at_once_are_refused(world: World) -> None:
    async def scene(world: World) -> None:
        asked = [asyncio.create_task(world.call("POST", "/v1/makes", {"what": "wait"})) for _ in range(70)]
        await asyncio.sleep(0.3)
        world.probe.go.set()
        answers = await asyncio.gather(*asked)
        assert sorted({status for status, _, _ in answers}) == [201, 503]
        assert {problem["code"] for status, _, problem in answers if status == 503} == {"HTTP-034"}
        assert sum(status == 503 for status, _, _ in answers) == 6

    play(world, scene)


def test_a_service_that_stops_takes_nothing_new(world: World) -> None:
    async def scene(world: World) -> None:
        world.service.stop()
        for method, path in (("GET", "/readyz"), ("POST", "/v1/longs")):
            status, _, problem = await world.call(method, path, {})
            assert (status, problem["code"]) == (503, "HTTP-031"), path
        assert (await world.call("GET", "/healthz"))[0] == 200

    play(world, scene)


def test_a_trace_is_in_the_log_and_the_job(world: World) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    async def scene(world: World) -> None:
        world.probe.go.set()
        _, headers, _ = await world.call("POST", "/v1/longs", {}, traceparent=f"00-{trace}-00f067aa0ba902b7-01")
        await world.until(headers["location"], "done")
        await world.call("GET", "/v1/looks", traceparent="nonsense")

    play(world, scene)
    lines = [json.loads(line) for line in world.log_path.read_text().splitlines()]
    assert [line["event"] for line in lines if line.get("trace") == trace] == ["request", "job"]
    (look,) = [line for line in lines if line.get("operation") == "probe.look"]
    assert look.keys() == {"time", "event", "request", "operation", "method", "status", "ms", "principal", "tenant"}


def test_metrics_count_what_was_answered(world: World) -> None:
    async def scene(world: World) -> None:
        await world.call("GET", "/v1/looks")
        await world.call("GET", "/v1/looks?no=1")
        await world.call("GET", "/nowhere")
        metrics = world.service.app._metrics.text([Load("acme", "queued", 3)]).decode()
        for line in (
            'stella_requests_total{operation="probe.look",status="200"} 1.0',
            'stella_requests_total{operation="probe.look",status="422"} 1.0',
            'stella_requests_total{operation="unknown",status="404"} 1.0',
            'stella_request_seconds_count{operation="probe.look"} 2.0',
            'stella_request_seconds_bucket{le="+Inf",operation="probe.look"} 2.0',
            'stella_jobs{state="queued"} 3.0',
            'stella_jobs{state="running"} 0.0',
            "stella_upload_bytes_total 0.0",
        ):
            assert line in metrics.splitlines()
        assert "nowhere" not in metrics

    play(world, scene)
