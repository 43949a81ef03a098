"""The Store of the service: the twin and PostgreSQL keep the same promises."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from stella.http.errors import DatabaseAway, NotMigrated, ServiceRuns
from stella.http.model import Answered, JobEvent, JobState, NewJob, Upload, UploadState
from stella.http.postgres import PostgresStore, connections
from stella.http.right import Right
from stella.http.store import Bound, Key, Outcome, Place, Store
from stella.kernel.ids import uuid7
from stella.runtime import roles
from stella.runtime.connections import Connections
from stella.runtime.errors import DatabaseUnavailable
from stella.runtime.postgres import Login, speaking
from stella.runtime.statements import statements
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


def kinds(store: Store, job: str, tenant: str = A) -> list[tuple[int, str, bytes]]:
    return [(event.number, event.kind, event.data) for event in store.events_after(tenant, job, 0, 100)]


def test_a_job_from_the_queue_to_its_end(store: Store) -> None:
    job = store.submit(new(1, trace="t"), ROOM)
    assert job is not None
    assert (job.id, job.state, job.attempt, job.created, job.trace) == (job_id(1), JobState.QUEUED, 0, 101, "t")
    claimed = store.claim((), 200)
    assert claimed is not None
    assert (claimed.state, claimed.attempt, claimed.started, claimed.request) == (
        JobState.RUNNING,
        1,
        200,
        b'{"dir":"M"}',
    )
    assert store.add_event(A, job.id, "task", b"{}", 210) == 3
    assert store.move(A, job.id, JobEvent.FINISH, 220, DONE)
    ended = store.find_job(A, job.id)
    assert ended is not None
    assert (ended.state, ended.finished, ended.status, ended.outcome) == (JobState.DONE, 220, 200, DONE.body)
    assert kinds(store, job.id) == [
        (1, "state", b'{"state":"queued"}'),
        (2, "state", b'{"state":"running"}'),
        (3, "task", b"{}"),
        (4, "state", b'{"state":"done"}'),
    ]
    assert [event.number for event in store.events_after(A, job.id, 2, 1)] == [3]


def test_what_has_ended_never_moves_again(store: Store) -> None:
    job = submit(store, 1)
    assert not store.move(A, job, JobEvent.FINISH, 1, DONE)
    store.claim((), 2)
    assert store.move(A, job, JobEvent.FAIL, 3, Outcome(500, b"{}"))
    for event in JobEvent:
        assert not store.move(A, job, event, 4, DONE)
    assert store.add_event(A, job, "task", b"{}", 5) == 0
    found = store.find_job(A, job)
    assert found is not None
    assert (found.state, found.status, found.finished) == (JobState.FAILED, 500, 3)
    assert len(kinds(store, job)) == 3


def test_a_waiting_job_is_withdrawn_and_a_running_one_is_marked(store: Store) -> None:
    first, second = submit(store, 1), submit(store, 2, folder="")
    assert store.withdraw(A, first, 1, DONE)
    assert kinds(store, first)[1:] == [(2, "state", b'{"state":"cancelled"}')]
    assert not store.withdraw(A, first, 1, DONE)
    claimed = store.claim((), 2)
    assert claimed is not None
    assert claimed.id == second
    assert not store.withdraw(A, second, 3, DONE)
    store.mark_cancelling(A, first)
    store.mark_cancelling(A, second)
    assert [(job.id, job.cancelling) for job in store.running()] == [(second, True)]
    assert not store.find_job(A, first).cancelling  # type: ignore[union-attr]


def test_jobs_start_in_order_and_never_two_in_a_folder(store: Store) -> None:
    for number, folder in ((1, "M"), (2, "M"), (3, "D"), (4, ""), (5, "")):
        submit(store, number, folder=folder)
    started = []
    working: list[Place] = []
    while job := store.claim(working, 1):
        started.append(job.id)
        working.append(Place(job.tenant, job.folder))
    assert started == [job_id(number) for number in (1, 3, 4, 5)]
    assert store.count_jobs() == {"queued": 1, "running": 4}


def test_a_job_goes_back_into_the_queue_at_its_old_place(store: Store) -> None:
    first, second = submit(store, 1, folder=""), submit(store, 2, folder="")
    store.claim((), 1)
    assert store.move(A, first, JobEvent.RETURN, 2, refund=True)
    again = store.claim((), 3)
    assert again is not None
    assert (again.id, again.attempt, again.finished) == (first, 1, None)
    assert store.move(A, first, JobEvent.RETURN, 4)
    assert store.claim((), 5).attempt == 2  # type: ignore[union-attr]
    assert store.find_job(A, second).state is JobState.QUEUED  # type: ignore[union-attr]


def test_the_queue_is_bounded(store: Store) -> None:
    assert store.submit(new(1), Bound(1, 9)) is not None
    assert store.submit(new(2), Bound(1, 9)) is None
    store.claim((), 1)
    assert store.submit(new(3), Bound(1, 9)) is not None


def test_a_key_stands_for_one_job(store: Store) -> None:
    first = store.submit(new(1, key="k", digest="a"), ROOM)
    again = store.submit(new(2, key="k", digest="b"), ROOM)
    other = store.submit(new(3, key="k", principal="kim"), ROOM)
    assert first is not None
    assert again is not None
    assert other is not None
    assert (again.id, again.digest, other.id) == (first.id, "a", job_id(3))
    assert store.find_job(A, job_id(2)) is None


def test_a_full_queue_still_knows_its_keys(store: Store) -> None:
    store.submit(new(1, key="k"), ROOM)
    for limit in (Bound(1, 9), Bound(9, 1)):
        again = store.submit(new(2, key="k"), limit)
        assert again is not None
        assert again.id == job_id(1)
        assert store.submit(new(2), limit) is None


def test_lists_go_backwards(store: Store) -> None:
    for number in range(1, 6):
        submit(store, number, operation="probe.run" if number % 2 else "probe.look", folder="")
    newest = store.list_jobs(A, None, None, None, 2)
    assert [job.id for job in newest] == [job_id(5), job_id(4)]
    assert [job.id for job in store.list_jobs(A, None, None, newest[-1].id, 9)] == [job_id(n) for n in (3, 2, 1)]
    assert [job.id for job in store.list_jobs(A, None, "probe.look", None, 9)] == [job_id(4), job_id(2)]
    store.claim((), 1)
    assert [job.id for job in store.list_jobs(A, JobState.RUNNING, None, None, 9)] == [job_id(1)]
    assert {(job.request, job.outcome) for job in newest} == {(b"", None)}


def test_what_nobody_made_is_nowhere(store: Store) -> None:
    for name in (NOBODY, "", "x", "\0", "'; DROP TABLE service.jobs; --", NOBODY.upper().replace("0", "A")):
        assert store.find_job(A, name) is None
        assert store.find_upload(A, name) is None
    assert not store.move(A, NOBODY, JobEvent.FINISH, 1, DONE)
    assert store.claim((), 1) is None
    assert store.events_after(A, NOBODY, 0, 9) == []


def test_an_answer_is_kept_under_its_key(store: Store) -> None:
    assert store.begin_answer(KEY, "a", 1) is None
    assert store.begin_answer(KEY, "b", 2) == Answered(digest="a", state="running")
    store.keep_answer(KEY, 201, "/there", b"{}", 3)
    kept = Answered(digest="a", state="answered", status=201, location="/there", body=b"{}")
    assert store.begin_answer(KEY, "a", 4) == kept
    store.interrupt_answers()
    assert store.begin_answer(KEY, "a", 4) == kept
    assert store.begin_answer(KEY._replace(principal="kim"), "a", 4) is None


def test_a_key_is_given_back_or_taken_up(store: Store) -> None:
    store.begin_answer(KEY, "a", 1)
    assert not store.resume_answer(KEY, 2)
    store.interrupt_answers()
    assert store.begin_answer(KEY, "a", 3) == Answered(digest="a", state="interrupted")
    assert store.resume_answer(KEY, 4)
    assert not store.resume_answer(KEY, 4)
    store.forget_answer(KEY)
    assert store.begin_answer(KEY, "a", 5) is None


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


def test_an_upload_moves_on(store: Store) -> None:
    assert store.add_upload(upload(1), ROOM)
    assert store.find_upload(A, job_id(1)) == upload(1)
    store.move_upload(A, job_id(1), 5, UploadState.OPEN, 101)
    assert store.find_upload(A, job_id(1)) == upload(1, offset=5, changed=101)
    store.move_upload(A, job_id(1), 9, UploadState.COMPLETE, 102)
    assert store.find_upload(A, job_id(1)) == upload(1, offset=9, changed=102, state=UploadState.COMPLETE)
    store.remove_upload(A, job_id(1))
    assert store.find_upload(A, job_id(1)) is None


def test_open_uploads_are_bounded_and_grow_stale(store: Store) -> None:
    assert store.add_upload(upload(1), Bound(1, 9))
    assert not store.add_upload(upload(2), Bound(1, 9))
    assert not store.add_upload(upload(2), Bound(9, 1))
    store.move_upload(A, job_id(1), 9, UploadState.COMPLETE, 100)
    assert store.add_upload(upload(2), Bound(1, 9))
    assert [found.id for found in store.stale_uploads(101)] == [job_id(2)]
    assert store.stale_uploads(100) == []


def test_what_is_old_is_forgotten(store: Store) -> None:
    ended, running = submit(store, 1, folder=""), submit(store, 2, folder="")
    store.claim((), 1)
    store.claim((), 1)
    store.move(A, ended, JobEvent.FINISH, 50, DONE)
    store.begin_answer(KEY, "a", 50)
    store.forget(50, 50)
    assert store.find_job(A, ended) is not None
    assert store.begin_answer(KEY, "b", 60) is not None
    store.forget(51, 51)
    assert store.find_job(A, ended) is None
    assert store.events_after(A, ended, 0, 9) == []
    assert store.begin_answer(KEY, "b", 60) is None
    assert store.find_job(A, running) is not None


def test_eight_threads_start_each_job_once(store: Store) -> None:
    for number in range(1, 41):
        submit(store, number, folder="")
    started: list[str] = []

    def take() -> None:
        while job := store.claim((), 1):
            started.append(job.id)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(started) == [job_id(number) for number in range(1, 41)]


# Tenants.


def test_a_job_of_another_tenant_is_not_there(store: Store) -> None:
    """Neither seen, nor listed, nor followed, nor cancelled."""
    mine, waits = submit(store, 1), submit(store, 2, folder="D")
    store.claim((), 1)
    assert store.find_job(B, mine) is None
    assert store.list_jobs(B, None, None, None, 9) == []
    assert store.events_after(B, mine, 0, 9) == []
    assert not store.withdraw(B, waits, 2, DONE)
    store.mark_cancelling(B, mine)
    assert [(job.id, job.cancelling) for job in store.running()] == [(mine, False)]
    assert store.find_job(A, waits).state is JobState.QUEUED  # type: ignore[union-attr]
    assert not store.move(B, mine, JobEvent.FINISH, 3, DONE)
    assert store.add_event(B, mine, "task", b"{}", 3) == 0
    assert kinds(store, mine, B) == []


def test_the_same_ids_and_keys_of_two_tenants_are_two(store: Store) -> None:
    for tenant in (A, B):
        job = store.submit(new(1, tenant=tenant, key="k", digest=tenant, request=tenant.encode()), ROOM)
        assert job is not None
        assert (job.tenant, job.id, job.request) == (tenant, job_id(1), tenant.encode())
    again = [store.submit(new(2, tenant=tenant, key="k"), ROOM) for tenant in (A, B)]
    assert [(job.tenant, job.digest) for job in again if job] == [(A, A), (B, B)]
    assert store.withdraw(A, job_id(1), 2, DONE)
    assert store.find_job(B, job_id(1)).state is JobState.QUEUED  # type: ignore[union-attr]
    assert [len(kinds(store, job_id(1), tenant)) for tenant in (A, B)] == [2, 1]
    claimed = store.claim((), 3)
    assert claimed is not None
    assert claimed.tenant == B
    assert store.move(B, job_id(1), JobEvent.FINISH, 4, DONE)
    store.forget(4, 0)
    assert store.find_job(A, job_id(1)) is None
    assert store.find_job(B, job_id(1)) is not None


def test_an_answer_of_another_tenant_is_not_replayed(store: Store) -> None:
    other = KEY._replace(tenant=B)
    assert store.begin_answer(KEY, "a", 1) is None
    assert store.begin_answer(other, "b", 1) is None
    store.keep_answer(KEY, 201, "/there", b"secret", 2)
    assert store.begin_answer(other, "b", 3) == Answered(digest="b", state="running")
    store.interrupt_answers()
    assert not store.resume_answer(KEY, 4)
    assert store.resume_answer(other, 4)
    store.forget_answer(other)
    assert store.begin_answer(KEY, "a", 5) == Answered(
        digest="a", state="answered", status=201, location="/there", body=b"secret"
    )


def test_an_upload_of_another_tenant_is_not_there(store: Store) -> None:
    for tenant in (A, B):
        assert store.add_upload(upload(1, tenant=tenant, name=tenant), ROOM)
    store.add_upload(upload(2), ROOM)
    assert store.find_upload(B, job_id(2)) is None
    store.move_upload(B, job_id(2), 9, UploadState.COMPLETE, 101)
    store.remove_upload(B, job_id(2))
    store.move_upload(B, job_id(1), 9, UploadState.COMPLETE, 101)
    assert store.find_upload(A, job_id(1)) == upload(1, name=A)
    assert store.find_upload(A, job_id(2)) == upload(2)
    store.remove_upload(B, job_id(1))
    assert store.find_upload(A, job_id(1)) == upload(1, name=A)
    assert [(found.tenant, found.id) for found in store.stale_uploads(200)] == [(A, job_id(1)), (A, job_id(2))]


def test_how_many_others_have_says_nothing(store: Store) -> None:
    for number in range(1, 4):
        submit(store, number, tenant=B, folder="")
        assert store.add_upload(upload(number, tenant=B), ROOM)
    assert store.submit(new(4), Bound(1, 9)) is not None
    assert store.submit(new(5), Bound(1, 9)) is None
    assert store.add_upload(upload(4), Bound(1, 9))
    assert not store.add_upload(upload(5), Bound(1, 9))


def test_a_limit_for_all_together(store: Store) -> None:
    for number in range(1, 4):
        submit(store, number, tenant=f"t{number}")
        assert store.add_upload(upload(number, tenant=f"t{number}"), ROOM)
    assert store.submit(new(4), Bound(3, 3)) is None
    assert not store.add_upload(upload(4), Bound(3, 3))
    assert store.submit(new(4), Bound(3, 4)) is not None
    assert store.add_upload(upload(4), Bound(3, 4))


def test_tenants_take_turns(store: Store) -> None:
    """Whoever queues a hundred jobs does not keep others from theirs; the same folder name is another folder."""
    for number, tenant in enumerate((A, A, A, B, "zeta"), 1):
        submit(store, number, tenant=tenant, folder="M" if number != 2 else "D")
    working: list[Place] = []
    started = []
    while job := store.claim(working, 1):
        started.append((job.tenant, job.id))
        working.append(Place(job.tenant, job.folder))
    assert started == [(A, job_id(1)), (B, job_id(4)), ("zeta", job_id(5)), (A, job_id(2))]
    assert store.count_jobs() == {"queued": 1, "running": 4}


# PostgreSQL alone.


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
    end_connections(place)
    store.ping()
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
            store._tenants._open(connection, A)
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
