"""The Store of the service for tests: its twin, and the real one as the roles of a service see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stella.http.model import NewJob, Upload, UploadState
from stella.http.postgres import PostgresStore, connections
from stella.http.right import Right
from stella.http.store import Bound, Key, Outcome, Store
from stella.identity.model import State
from stella.kernel.ids import uuid7
from stella.runtime import roles
from stella.runtime.postgres import Login
from stella.runtime.transaction import TenantDatabase
from tests.memory_store import MemoryStore
from tests.tenants import SEAL, Guarded, guarded

__all__ = ["guarded"]  # fixture

DONE = Outcome(200, b'{"ok":true}')
A, B = "acme", "acme-2"
KEY = Key(A, "admin", "probe.run", "k-1")
NOBODY = "00000000-0000-7000-8000-000000000000"
ROOM = Bound(100, 1000)


def opened(place: Guarded, more: str = "") -> PostgresStore:
    """A store on that database, over the roles that a service has; `more` of the address."""
    app, jobs = (
        Login(f"{place.login(role).dsn}{more}", place.login(role).password) for role in (roles.APP, roles.JOBS)
    )
    right = Right(connections(jobs))
    return PostgresStore(TenantDatabase(connections(app, right), SEAL), connections(jobs, right), right)


@pytest.fixture
def place(guarded: Guarded) -> Guarded:
    """A migrated database."""
    guarded.migrate("identity")  # the runner asks which tenants work
    guarded.migrate("service")
    return guarded


@pytest.fixture(params=["twin", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "twin":
        yield MemoryStore()
        return
    made = opened(request.getfixturevalue("place"))
    yield made
    made.close()


@pytest.fixture
def stop(store: Store, request: pytest.FixtureRequest) -> Callable[[str, State], None]:
    """Puts a tenant into a state, as `stella tenant` does."""

    def put(tenant: str, state: State) -> None:
        if isinstance(store, MemoryStore):
            store.stops |= {tenant: state}
            store.stops = {name: found for name, found in store.stops.items() if found is not State.ACTIVE}
            return
        request.getfixturevalue("place").execute(
            "INSERT INTO identity.tenants AS t (tenant_id, name, state, created, changed, erase_after, proof)"
            " SELECT %s, '', s, 1, 1, CASE s WHEN 'deleting' THEN 1 END, CASE s WHEN 'erased' THEN ''::bytea END"
            " FROM (VALUES (%s)) AS v (s) ON CONFLICT (tenant_id) DO UPDATE"
            " SET state = EXCLUDED.state, erase_after = EXCLUDED.erase_after, proof = EXCLUDED.proof",
            [tenant, state.value],
        )

    return put


def job_id(number: int) -> str:
    return uuid7(1_800_000_000, number.to_bytes(10, "big"))


def new(number: int, **other: Any) -> NewJob:
    given: dict[str, Any] = {
        "tenant": A,
        "id": job_id(number),
        "operation": "probe.run",
        "request": b'{"dir":"M"}',
        "folder": "M",
        "principal": "admin",
        "trace": "",
        "created": 100 + number,
    }
    return NewJob(**given | other)


def submit(store: Store, number: int, **other: Any) -> str:
    job = store.submit(new(number, **other), ROOM)
    assert job is not None
    return job.id


def upload(number: int, **other: Any) -> Upload:
    given: dict[str, Any] = {
        "tenant": A,
        "id": job_id(number),
        "name": "b.stella",
        "size": 9,
        "sha256": "0" * 64,
        "unpack": False,
        "state": UploadState.OPEN,
        "offset": 0,
        "principal": "admin",
        "changed": 100,
    }
    return Upload(**given | other)
