"""The Store of the service over PostgreSQL: the right to the database, lost connections, the duty of the runner."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator

import psycopg
import pytest

from stella.http.errors import DatabaseAway, NotMigrated, ServiceRuns
from stella.http.model import JobEvent
from stella.http.postgres import PostgresStore, connections
from stella.http.right import Right
from stella.runtime import roles
from stella.runtime.connections import Connections
from stella.runtime.errors import DatabaseUnavailable
from stella.runtime.postgres import Login, speaking
from stella.runtime.statements import statements
from stella.runtime.transaction import TenantDatabase, enter
from tests.stores import DONE, NOBODY, ROOM, A, guarded, new, opened, place, submit
from tests.tenants import SEAL, Guarded

__all__ = ["guarded", "place"]  # fixtures


def test_one_service_owns_a_database(place: Guarded) -> None:
    first, second = opened(place), opened(place)
    first.own()
    with pytest.raises(ServiceRuns):
        second.own()
    first.close()
    second.close()
    second.own()
    second.close()


def end_connections(place: Guarded) -> None:
    """As a restart of the server does."""
    others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
    with place.connect() as other:
        other.execute(f"SELECT pg_terminate_backend(pid) {others}")
        while other.execute(f"SELECT count(*) {others}").fetchone() != (0,):
            pass


def backends(place: Guarded) -> set[int]:
    """Processes of the server that somebody else is connected to."""
    others = "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
    with place.connect() as other:
        return {int(str(pid)) for (pid,) in other.execute(others)}


def test_the_right_to_a_database_is_taken_again_with_its_first_use(place: Guarded) -> None:
    store = opened(place)
    store.own()
    assert store.term == 1
    store.ping()
    end_connections(place)
    store.ping()
    assert store.term == 2
    second = opened(place)
    with pytest.raises(ServiceRuns):
        second.own()
    second.close()
    store.close()


def test_what_another_service_took_is_used_no_more(place: Guarded) -> None:
    first, second = opened(place), opened(place)
    first.own()
    first.ping()
    job = submit(first, 1)
    assert first.claim((), 1) is not None
    end_connections(place)
    second.own()
    uses: tuple[Callable[[], object], ...] = (
        first.ping,
        first.running,
        lambda: first.claim((), 2),
        lambda: first.move(A, job, JobEvent.FINISH, 2, DONE),
        lambda: first.submit(new(2), ROOM),
    )
    for use in uses:
        with pytest.raises(ServiceRuns):
            use()
    assert [row.id for row in second.running()] == [job]
    second.close()
    assert first.move(A, job, JobEvent.FINISH, 2, DONE)
    first.close()


def test_the_right_is_lost_without_the_other_connections(place: Guarded) -> None:
    first, second = opened(place), opened(place)
    first.own()
    first.ping()
    with place.connect() as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        while other.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() != (0,):
            pass
    second.own()
    with pytest.raises(ServiceRuns):
        first.claim((), 1)
    first.close()
    second.close()


def test_a_read_only_database_is_one_that_is_away(place: Guarded) -> None:
    store = opened(place, " options='-c default_transaction_read_only=on'")
    with pytest.raises(DatabaseAway):
        store.submit(new(1), ROOM)
    store.close()


def test_a_database_without_the_schema_is_refused(guarded: Guarded) -> None:
    store = opened(guarded)
    with pytest.raises(NotMigrated):
        store.own()
    store.close()


def test_a_database_that_is_not_there_is_transient() -> None:
    nowhere = Login("host=/nonexistent dbname=none")
    right = Right(connections(nowhere))
    with pytest.raises(DatabaseAway):
        PostgresStore(TenantDatabase(connections(nowhere, right), SEAL), connections(nowhere, right), right).ping()


def test_a_connection_that_the_server_closed_is_replaced(place: Guarded) -> None:
    store = opened(place)
    store.ping()
    before = backends(place)
    end_connections(place)
    store.ping()
    after = backends(place)
    assert before
    assert after
    assert before.isdisjoint(after)
    store.close()


def test_a_connection_that_is_lost_in_the_middle_is_an_absence(place: Guarded) -> None:
    """Between the look whether it lives and the first word, between two statements, and at the end."""
    store = opened(place)
    store.own()
    steps: list[str] = []

    def lose(step: str, tenant: str) -> None:
        with store._tenants.transaction(tenant) as transaction:
            end_connections(place)
            steps.append(step)
            if step == "statement":
                transaction.all("stella.http", "find_job", id=NOBODY)

    for step in ("statement", "commit"):
        with pytest.raises(DatabaseUnavailable):
            lose(step, A)
    assert steps == ["statement", "commit"]
    with store._tenants._connections.one() as connection:
        end_connections(place)
        with pytest.raises(DatabaseUnavailable), speaking("x"):
            enter(connection, SEAL, A)
    assert store.find_job(A, NOBODY) is None
    store.close()


def test_a_statement_that_takes_too_long_is_an_absence(place: Guarded) -> None:
    job = submit(store := opened(place), 1)
    with place.connect() as other, other.transaction():
        other.execute("SELECT FROM service.jobs FOR UPDATE")
        with store._tenants._connections.one() as connection:
            connection.execute("SET statement_timeout = 50")
        with pytest.raises(DatabaseAway):
            store.withdraw(A, job, 2, DONE)
    store.close()


def test_nothing_connects_without_the_right(place: Guarded) -> None:
    """Whoever must not, makes no connection at all; what is kept is not asked for again."""
    made: list[str] = []

    @contextlib.contextmanager
    def permit() -> Iterator[None]:
        made.append("asked")
        if len(made) > 1:
            raise ServiceRuns
        yield

    kept = Connections(place.login(roles.APP), permit=permit)
    with kept.one():
        pass
    with kept.one():
        assert made == ["asked"]
        with pytest.raises(ServiceRuns), kept.one():
            raise AssertionError
    kept.close()


def test_the_runner_does_no_more_than_its_duty(place: Guarded) -> None:
    with place.connect(roles.JOBS) as connection:
        for text in (
            "INSERT INTO service.jobs (tenant_id, id) VALUES ('acme', gen_random_uuid())",
            "SELECT FROM service.events",
            "DELETE FROM service.events",
            "INSERT INTO service.answers (tenant_id) VALUES ('acme')",
            "UPDATE service.uploads SET name = ''",
            "DELETE FROM service.uploads",
            "TRUNCATE service.jobs CASCADE",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(text)  # type: ignore[call-overload]
    assert place.found() == set()


def test_every_statement_can_be_prepared(place: Guarded) -> None:
    with place.connect() as connection:
        for name, text in ((one.name, one.sql) for one in statements("stella.http").values()):
            names: dict[str, int] = {}
            query = re.sub(r"%\((\w+)\)s", lambda found: f"${names.setdefault(found[1], len(names) + 1)}", text)  # noqa: B023  # called at once
            result = connection.pgconn.prepare(name.encode(), query.encode())
            assert result.status == psycopg.pq.ExecStatus.COMMAND_OK, (name, result.error_message)
    assert len(statements("stella.http")) > 20
