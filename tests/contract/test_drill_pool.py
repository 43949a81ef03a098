"""The drill of the pool on a real PostgreSQL passes, and each property that it guards fails it when it is broken."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stella.drill import database, pool_leak
from stella.drill.database import Drilled, private_database
from stella.drill.errors import NoServerToDrill
from stella.drill.model import Outcome
from stella.runtime import postgres_server, transaction
from stella.runtime.connections import Connections
from stella.runtime.postgres import Connection, speaking
from stella.runtime.transaction import TenantDatabase, Transaction
from stella.testing import counted_entropy
from tests.unit.drill.planned import broken, plan

pytestmark = [pytest.mark.network, pytest.mark.slow]
Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def drilled() -> Iterator[Drilled]:
    """A database that the tests of this module drill one after the other."""
    with private_database(counted_entropy("pool")) as made:
        yield made


@pytest.fixture
def again(drilled: Drilled, monkeypatch: Patch) -> Iterator[Drilled]:
    """The same, empty, in place of the one that a drill makes."""

    @contextlib.contextmanager
    def kept(entropy: object) -> Iterator[Drilled]:
        del entropy
        yield drilled

    monkeypatch.setattr(pool_leak, "private_database", kept)
    yield drilled
    with laid(drilled) as connection:
        connection.execute("TRUNCATE drill.entries")


@contextlib.contextmanager
def laid(drilled: Drilled) -> Iterator[Connection]:
    """The owner's way in, as whom the database was laid."""
    with drilled.owner() as connection:
        yield connection


def run(rounds: int = 60) -> Outcome:
    return pool_leak.drill(plan(tenants=4), rounds, counted_entropy("drill"))


def test_nothing_of_one_tenant_is_left_for_the_next() -> None:
    found = run(120)
    assert broken(found) == []
    assert found.requests == 120 + 4 * pool_leak.TURNS
    assert 0 < found.errors < found.requests


def session_wide(patch: Patch) -> None:
    exchange = transaction._exchange
    patch.setattr(transaction, "_exchange", lambda to, text: exchange(to, text.replace(b"SET LOCAL", b"SET")))


def commits_what_failed(patch: Patch) -> None:
    @contextlib.contextmanager
    def commits(self: TenantDatabase, tenant: str) -> Iterator[Transaction]:
        with speaking("the drill"), self._connections.one() as connection:
            assert self._seal
            transaction.enter(connection, self._seal, tenant)
            try:
                yield Transaction(connection, tenant)
            finally:
                if not connection.broken:
                    transaction._exchange(connection, b"COMMIT")

    patch.setattr(TenantDatabase, "transaction", commits)


def first_come(patch: Patch) -> None:
    values, first = Transaction._values, list[str]()

    def given(self: Transaction, found: Any) -> dict[str, Any]:
        first.append(self.tenant)
        return values(self, found) | {"tenant": first[0]}

    patch.setattr(Transaction, "_values", given)


def no_pool(patch: Patch) -> None:
    make = Connections.__init__

    def made(self: Connections, *words: Any, **named: Any) -> None:
        make(self, *words, **named | {"keep": 0})

    patch.setattr(Connections, "__init__", made)


@pytest.mark.parametrize(
    ("mutation", "guard"),
    [
        (session_wide, "connections with a context left on them"),
        (commits_what_failed, "rows lost, changed, or kept of a transaction that failed"),
        (first_come, "transactions that failed without a cause"),
        (no_pool, "transactions on a connection that another tenant had before"),
    ],
)
@pytest.mark.usefixtures("again")
def test_a_broken_transaction_fails_the_drill(
    monkeypatch: Patch, mutation: Callable[[Patch], None], guard: str
) -> None:
    mutation(monkeypatch)
    assert guard in broken(run())


UNSEALED = """CREATE OR REPLACE FUNCTION tenancy.tid() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog AS $$ SELECT split_part(current_setting('app.ctx', true), '.', 2) $$"""
SEALED = "SELECT pg_get_functiondef('tenancy.tid()'::regprocedure)"


def test_a_context_without_a_seal_fails_the_drill(again: Drilled) -> None:
    with laid(again) as connection:
        (text,) = connection.execute(SEALED).fetchone() or ("",)
        connection.execute(UNSEALED)
        try:
            found = broken(run())
        finally:
            connection.execute(text)
    assert {"of them accepted", "tables open without a context", "findings of the gate between tenants"} <= set(found)


def test_a_table_without_policies_fails_the_drill(again: Drilled) -> None:
    with laid(again) as connection:
        connection.execute("ALTER TABLE drill.entries DISABLE ROW LEVEL SECURITY")
        try:
            found = broken(run())
        finally:
            connection.execute("SELECT tenancy.protect('drill.entries')")
    assert "rows of another tenant that were shown when it was named" in found
    assert "findings of the gate between tenants" in found


def interrupted() -> Path:
    """Where a database was whose block was interrupted."""
    folder = Path("/")
    with contextlib.suppress(KeyboardInterrupt), private_database(counted_entropy("x")) as made:
        folder = made._server.data
        assert folder.exists()
        raise KeyboardInterrupt
    return folder


def test_the_server_ends_with_the_block() -> None:
    processes = []
    start = postgres_server.start

    def started(*words: Any, **named: Any) -> Any:
        processes.append(start(*words, **named))
        return processes[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres_server, "start", started)
        folder = interrupted()
    assert [process.poll() for process in processes] == [0]
    assert not folder.exists()


def test_a_server_that_does_not_start(monkeypatch: Patch) -> None:
    monkeypatch.setattr(database.postgres_server, "server_command", lambda *_, **__: ["/bin/false"])
    with pytest.raises(NoServerToDrill), private_database(counted_entropy("x")):
        pass
