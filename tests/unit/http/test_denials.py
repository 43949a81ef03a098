"""Denials on their way into the audit log: written one by one, counted in a flood, kept while the database is away."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stella import bootstrap
from stella.audit.personal import Vault
from stella.audit.rules import record_of
from stella.http import denials
from stella.http.denials import EACH, SEVERAL, STRANGER, Denials
from stella.http.logs import Log
from stella.kernel.errors import BadTenant
from stella.kernel.instant import format_time
from stella.operations import Context, Principal
from stella.runtime.config import Loaded
from stella.runtime.errors import DatabaseUnavailable, OutsideTenant
from stella.runtime.settings import Settings
from stella.testing import ManualClock, SilentProgress, counted_entropy

KEY = b"only for tests, 32 bytes of key."
KIM = Principal("kim", frozenset({"mirror:read"}), "acme")
FOREVER = 10_000.0  # seconds of a window that a test ends by ending
PATIENCE = 30.0


class Opened:
    """A transaction of a tenant."""

    def __init__(self, database: Database, tenant: str) -> None:
        self.database, self.tenant = database, tenant

    def one(self, package: str, name: str, **values: Any) -> tuple[Any, ...] | None:
        assert (package, name, values) == ("stella.audit", "last_key", {})
        return 1, Vault(KEY, counted_entropy("key")).make(self.tenant, 1)

    def run(self, package: str, name: str, **values: Any) -> int:
        assert (package, name) == ("stella.audit", "put_event")
        self.database.rows.append((self.tenant, values))
        self.database.written.set()
        return 1


class Database:
    """What the log is written into. `problem` is raised instead."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, dict[str, Any]]] = []
        self.tries = 0
        self.tried, self.written = threading.Event(), threading.Event()
        self.problem: Exception | None = None

    @contextlib.contextmanager
    def transaction(self, tenant: str, **_: Any) -> Iterator[Opened]:
        self.tries += 1
        self.tried.set()
        if self.problem is not None:
            raise self.problem
        yield Opened(self, tenant)


class World:
    """Denials over such a database."""

    def __init__(self, folder: Path, window: float = FOREVER) -> None:
        self.path = folder / "log"
        self.clock = ManualClock()
        self.database = Database()
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.denials = Denials(Log(self.clock, handle, json=True), self.clock, window)

    def start(self) -> None:
        made = bootstrap.make_context(Loaded(Settings(), {}), SilentProgress(), {})
        secret: Callable[[str], bytes] = lambda _: base64.b64encode(KEY)  # noqa: E731
        database: Any = self.database
        fields = {name: getattr(made, name) for name in Context.__dataclass_fields__}
        fields |= {"clock": self.clock, "entropy": counted_entropy("id"), "secret": secret}
        self.denials.start(Context(**fields | {"database": lambda: database}))

    def end(self) -> None:
        self.denials.end(PATIENCE)

    def events(self) -> list[dict[str, Any]]:
        """What was written."""
        rows = [record_of(tenant, str(row["id"]), row["body"]) for tenant, row in self.database.rows]
        assert "audit.malformed" not in {row.action for row in rows}
        return [
            {"tenant": row.tenant, "action": row.action, "resource": row.resource, "outcome": row.outcome}
            | {"time": row.time, "kind": row.actor_type, "actor": row.actor, "after": row.after}
            for row in rows
        ]

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.database.problem = None
    made.end()


def test_a_denial_is_written_where_it_belongs(world: World) -> None:
    world.start()
    world.denials.tell(KIM, "auth.denied", "mirror.create", code="HTTP-002", scope="mirror:write")
    world.denials.tell(STRANGER, "auth.denied", "unknown", code="TOKEN-004")
    world.end()
    known, stranger = world.events()
    assert (known["tenant"], known["kind"], known["outcome"]) == ("acme", "user", "denied")
    assert known["after"] == {"code": "HTTP-002", "scope": "mirror:write"}
    assert known["actor"] != "kim", "a person's name is closed"
    assert (stranger["tenant"], stranger["kind"], stranger["actor"]) == ("default", "system", "unknown")
    assert world.log() == []


def test_a_flood_is_counted(world: World) -> None:
    world.start()
    for _ in range(EACH):
        world.denials.tell(STRANGER, "auth.denied", "mirror.show", code="TOKEN-004", reason="token.bad_signature")
    for number in range(5000):
        world.denials.tell(STRANGER, "auth.denied", f"r{number}", code="TOKEN-004", reason="token.bad_signature")
        world.denials.tell(STRANGER, "auth.denied", f"r{number}", code="TOKEN-005", reason="token.expired")
    world.denials.tell(KIM, "auth.denied", "mirror.create", code="HTTP-002")
    world.end()
    events = world.events()
    assert [event["actor"] for event in events[:EACH]] == ["unknown"] * EACH
    others = sorted((event["tenant"], event["resource"], event["after"]["code"]) for event in events[EACH:])
    assert others == [
        ("acme", "mirror.create", "HTTP-002"),
        ("default", "", "TOKEN-004"),
        ("default", "", "TOKEN-005"),
    ], "somebody else's denial is written one by one still"
    assert {event["after"].get("count") for event in events[EACH:]} == {None, 5000}
    assert {event["after"].get("reason") for event in events[EACH:]} == {None, "token.bad_signature", "token.expired"}


def test_a_window_closes_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denials, "EACH", 1)
    world = World(tmp_path, window=0.05)
    world.start()
    for _ in range(3):
        world.denials.tell(KIM, "object.denied", "k", tried="get")
    end = time.monotonic() + PATIENCE
    while len(world.database.rows) < 2:
        assert time.monotonic() < end
        time.sleep(0.01)
    world.denials.tell(KIM, "object.denied", "k", tried="get")  # of the next window
    world.end()
    assert [event["after"] for event in world.events()] == [{"tried": "get"}, {"count": 2}, {"tried": "get"}]


def test_actors_without_end_are_counted_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denials, "ACTORS", 2)
    monkeypatch.setattr(denials, "EACH", 1)
    world.start()
    for number in range(50):
        world.denials.tell(Principal(f"p{number}", frozenset(), "acme"), "auth.denied", "x", code="TOKEN-005")
    assert len(world.denials._written) == 3
    assert Principal(SEVERAL, frozenset(), "acme") in world.denials._written
    world.end()
    assert [event["after"].get("count") for event in world.events()] == [None, None, None, 47]


def test_what_waits_is_bounded_and_issuers_have_room_of_their_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denials, "ROOM", 10)
    monkeypatch.setattr(denials, "RESERVED", 2)
    for _ in range(50):
        world.denials.tell(KIM, "auth.denied", "x", code="HTTP-002")
    for _ in range(3):
        world.denials.turned("auth.degraded", "https://i", "status 503")
    assert len(world.denials._waiting) == 12
    world.start()
    world.end()
    assert [event["action"] for event in world.events()] == ["auth.denied"] * 10 + ["auth.degraded"] * 2
    assert [(line["event"], line["count"]) for line in world.log()] == [("denials_not_written", 41)]


def test_what_befalls_an_issuer_is_written_each_time(world: World) -> None:
    world.start()
    for _ in range(2):
        world.denials.turned("auth.degraded", "https://i", "status 503")
        world.denials.turned("auth.recovered", "https://i", "")
    world.end()
    found = [(event["action"], event["outcome"], event["after"]) for event in world.events()]
    assert found == [("auth.degraded", "failure", {"problem": "status 503"}), ("auth.recovered", "success", {})] * 2
    assert {(event["tenant"], event["resource"], event["actor"]) for event in world.events()} == {
        ("default", "https://i", "verifier")
    }


def test_a_database_that_is_away_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denials, "RETRY", 0.01)
    world.database.problem = DatabaseUnavailable(where="db", problem="gone")
    begun = world.clock.read().wall
    world.start()
    world.denials.turned("auth.degraded", "https://i", "status 503")
    world.denials.tell(KIM, "auth.denied", "x", code="HTTP-002")
    assert world.database.tried.wait(PATIENCE)
    world.clock.pass_time(3600)
    world.database.problem = None
    assert world.database.written.wait(PATIENCE)
    world.end()
    assert [(event["action"], event["time"]) for event in world.events()] == [
        ("auth.degraded", format_time(begun)),
        ("auth.denied", format_time(begun)),
    ], "each has the time at which it happened"
    assert world.database.tries > 2


def test_a_stop_waits_for_no_database(world: World) -> None:
    world.database.problem = DatabaseUnavailable(where="db", problem="gone")
    for _ in range(3):
        world.denials.tell(KIM, "auth.denied", "x", code="HTTP-002")
    world.start()
    world.end()
    assert not world.denials._thread.is_alive()  # type: ignore[union-attr]
    assert [(line["event"], line["code"]) for line in world.log()] == [("denial_not_written", "DB-002")] * 3


def test_a_log_that_is_itself_refused_is_no_endless_loop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What PostgreSQL refuses to the writer is told like every other refusal."""
    written = []

    def refused(*_: Any) -> None:
        world.denials.tell(KIM, "database.denied", "stella.audit/put_event", problem="no")
        written.append(1)
        raise OutsideTenant(statement="stella.audit/put_event", problem="no")

    monkeypatch.setattr(denials, "_written", refused)
    world.start()
    world.denials.tell(KIM, "auth.denied", "x", code="HTTP-002")
    while len(written) < EACH:
        time.sleep(0.01)
    world.end()
    assert not world.denials._thread.is_alive()  # type: ignore[union-attr]
    assert len(written) == EACH + 1, "one by one until it is a flood, then what was counted"


def test_a_stop_waits_for_no_write_that_hangs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says what it left."""
    go = threading.Event()
    monkeypatch.setattr(denials, "_written", lambda *_: (world.database.tried.set(), go.wait(PATIENCE)))
    world.start()
    for _ in range(EACH + 5):
        world.denials.tell(KIM, "auth.denied", "x", code="HTTP-002")
    assert world.database.tried.wait(PATIENCE)
    world.denials.end(0.01)
    assert [(line["event"], line["count"]) for line in world.log()] == [("denials_not_written", EACH + 4)]
    world.end()
    assert world.denials._thread.is_alive(), "a second call has waited"  # type: ignore[union-attr]
    go.set()


@pytest.mark.parametrize("problem", [BadTenant(text="x"), RuntimeError("secret-of-the-request")])
def test_no_surprise_ends_it(world: World, problem: Exception) -> None:
    world.database.problem = problem
    world.start()
    world.denials.tell(KIM, "auth.denied", "x", code="HTTP-002")
    assert world.database.tried.wait(PATIENCE)
    while not world.log():
        time.sleep(0.01)
    world.database.problem = None
    world.denials.tell(KIM, "auth.denied", "y", code="HTTP-002")
    world.end()
    assert [event["resource"] for event in world.events()] == ["y"]
    assert [line["event"] for line in world.log()] in (["denial_not_written"], ["failed"])
    assert "secret" not in world.path.read_text()
