"""The Store of the service: the twin and PostgreSQL keep the same promises."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from stella.http.errors import DatabaseAway, NotMigrated, ServiceRuns
from stella.http.model import Answered, JobEvent, JobState, NewJob, Upload, UploadState
from stella.http.postgres import PostgresStore
from stella.http.store import Key, Outcome, Store
from stella.kernel.ids import uuid7
from stella.runtime.postgres import statements
from tests.memory_store import MemoryStore
from tests.service import migrate

DONE = Outcome(200, b'{"ok":true}')
KEY = Key("admin", "probe.run", "k-1")
NOBODY = "00000000-0000-7000-8000-000000000000"


@pytest.fixture(params=["twin", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "twin":
        yield MemoryStore()
        return
    dsn = request.getfixturevalue("database")
    migrate(dsn)
    made = PostgresStore(dsn)
    yield made
    made.close()


def job_id(number: int) -> str:
    return uuid7(1_800_000_000, number.to_bytes(10, "big"))


def new(number: int, **other: Any) -> NewJob:
    given: dict[str, Any] = {
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
    job = store.submit(new(number, **other), 100)
    assert job is not None
    return job.id


def kinds(store: Store, job: str) -> list[tuple[int, str, bytes]]:
    return [(event.number, event.kind, event.data) for event in store.events_after(job, 0, 100)]


def test_a_job_from_the_queue_to_its_end(store: Store) -> None:
    job = store.submit(new(1, trace="t"), 10)
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
    assert store.add_event(job.id, "task", b"{}", 210) == 3
    assert store.move(job.id, JobEvent.FINISH, 220, DONE)
    ended = store.find_job(job.id)
    assert ended is not None
    assert (ended.state, ended.finished, ended.status, ended.outcome) == (JobState.DONE, 220, 200, DONE.body)
    assert kinds(store, job.id) == [
        (1, "state", b'{"state":"queued"}'),
        (2, "state", b'{"state":"running"}'),
        (3, "task", b"{}"),
        (4, "state", b'{"state":"done"}'),
    ]
    assert [event.number for event in store.events_after(job.id, 2, 1)] == [3]


def test_what_has_ended_never_moves_again(store: Store) -> None:
    job = submit(store, 1)
    assert not store.move(job, JobEvent.FINISH, 1, DONE)
    store.claim((), 2)
    assert store.move(job, JobEvent.FAIL, 3, Outcome(500, b"{}"))
    for event in JobEvent:
        assert not store.move(job, event, 4, DONE)
    assert store.add_event(job, "task", b"{}", 5) == 0
    found = store.find_job(job)
    assert found is not None
    assert (found.state, found.status, found.finished) == (JobState.FAILED, 500, 3)
    assert len(kinds(store, job)) == 3


def test_a_waiting_job_is_withdrawn_and_a_running_one_is_marked(store: Store) -> None:
    first, second = submit(store, 1), submit(store, 2, folder="")
    assert store.move(first, JobEvent.WITHDRAW, 1, DONE)
    claimed = store.claim((), 2)
    assert claimed is not None
    assert claimed.id == second
    assert not store.move(second, JobEvent.WITHDRAW, 3, DONE)
    store.mark_cancelling(first)
    store.mark_cancelling(second)
    assert [(job.id, job.cancelling) for job in store.running()] == [(second, True)]
    assert not store.find_job(first).cancelling  # type: ignore[union-attr]


def test_jobs_start_in_order_and_never_two_in_a_folder(store: Store) -> None:
    for number, folder in ((1, "M"), (2, "M"), (3, "D"), (4, ""), (5, "")):
        submit(store, number, folder=folder)
    started = []
    busy: set[str] = set()
    while job := store.claim(busy, 1):
        started.append(job.id)
        busy |= {job.folder} - {""}
    assert started == [job_id(number) for number in (1, 3, 4, 5)]
    assert store.count_jobs() == {"queued": 1, "running": 4}


def test_a_job_goes_back_into_the_queue_at_its_old_place(store: Store) -> None:
    first, second = submit(store, 1, folder=""), submit(store, 2, folder="")
    store.claim((), 1)
    assert store.move(first, JobEvent.RETURN, 2, refund=True)
    again = store.claim((), 3)
    assert again is not None
    assert (again.id, again.attempt, again.finished) == (first, 1, None)
    assert store.move(first, JobEvent.RETURN, 4)
    assert store.claim((), 5).attempt == 2  # type: ignore[union-attr]
    assert store.find_job(second).state is JobState.QUEUED  # type: ignore[union-attr]


def test_the_queue_is_bounded(store: Store) -> None:
    assert store.submit(new(1), 1) is not None
    assert store.submit(new(2), 1) is None
    store.claim((), 1)
    assert store.submit(new(3), 1) is not None


def test_a_key_stands_for_one_job(store: Store) -> None:
    first = store.submit(new(1, key="k", digest="a"), 10)
    again = store.submit(new(2, key="k", digest="b"), 10)
    other = store.submit(new(3, key="k", principal="kim"), 10)
    assert first is not None
    assert again is not None
    assert other is not None
    assert (again.id, again.digest, other.id) == (first.id, "a", job_id(3))
    assert store.find_job(job_id(2)) is None


def test_a_full_queue_still_knows_its_keys(store: Store) -> None:
    store.submit(new(1, key="k"), 1)
    again = store.submit(new(2, key="k"), 1)
    assert again is not None
    assert again.id == job_id(1)


def test_lists_go_backwards_by_number(store: Store) -> None:
    for number in range(1, 6):
        submit(store, number, operation="probe.run" if number % 2 else "probe.look", folder="")
    newest = store.list_jobs(None, None, None, 2)
    assert [job.id for job in newest] == [job_id(5), job_id(4)]
    assert [job.id for job in store.list_jobs(None, None, newest[-1].number, 9)] == [job_id(n) for n in (3, 2, 1)]
    assert [job.id for job in store.list_jobs(None, "probe.look", None, 9)] == [job_id(4), job_id(2)]
    store.claim((), 1)
    assert [job.id for job in store.list_jobs(JobState.RUNNING, None, None, 9)] == [job_id(1)]
    assert {(job.request, job.outcome) for job in newest} == {(b"", None)}


def test_what_nobody_made_is_nowhere(store: Store) -> None:
    for name in (NOBODY, "", "x", "\0", "'; DROP TABLE service.jobs; --", NOBODY.upper().replace("0", "A")):
        assert store.find_job(name) is None
        assert store.find_upload(name) is None
    assert not store.move(NOBODY, JobEvent.FINISH, 1, DONE)
    assert store.claim((), 1) is None
    assert store.events_after(NOBODY, 0, 9) == []


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
    assert store.add_upload(upload(1), 9)
    assert store.find_upload(job_id(1)) == upload(1)
    store.move_upload(job_id(1), 5, UploadState.OPEN, 101)
    assert store.find_upload(job_id(1)) == upload(1, offset=5, changed=101)
    store.move_upload(job_id(1), 9, UploadState.COMPLETE, 102)
    assert store.find_upload(job_id(1)) == upload(1, offset=9, changed=102, state=UploadState.COMPLETE)
    store.remove_upload(job_id(1))
    assert store.find_upload(job_id(1)) is None


def test_open_uploads_are_bounded_and_grow_stale(store: Store) -> None:
    assert store.add_upload(upload(1), 1)
    assert not store.add_upload(upload(2), 1)
    store.move_upload(job_id(1), 9, UploadState.COMPLETE, 100)
    assert store.add_upload(upload(2), 1)
    assert [found.id for found in store.stale_uploads(101)] == [job_id(2)]
    assert store.stale_uploads(100) == []


def test_what_is_old_is_forgotten(store: Store) -> None:
    ended, running = submit(store, 1, folder=""), submit(store, 2, folder="")
    store.claim((), 1)
    store.claim((), 1)
    store.move(ended, JobEvent.FINISH, 50, DONE)
    store.begin_answer(KEY, "a", 50)
    store.forget(50, 50)
    assert store.find_job(ended) is not None
    assert store.begin_answer(KEY, "b", 60) is not None
    store.forget(51, 51)
    assert store.find_job(ended) is None
    assert store.events_after(ended, 0, 9) == []
    assert store.begin_answer(KEY, "b", 60) is None
    assert store.find_job(running) is not None


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


# PostgreSQL alone.


def test_one_service_owns_a_database(database: str) -> None:
    migrate(database)
    first, second = PostgresStore(database), PostgresStore(database)
    first.own()
    with pytest.raises(ServiceRuns):
        second.own()
    first.close()
    second.close()
    second.own()
    second.close()


def end_connections(database: str) -> None:
    """As a restart of the server does."""
    others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
    with psycopg.connect(database, autocommit=True) as other:
        other.execute(f"SELECT pg_terminate_backend(pid) {others}")
        while other.execute(f"SELECT count(*) {others}").fetchone() != (0,):
            pass


def test_the_right_to_a_database_is_taken_again_with_its_first_use(database: str) -> None:
    migrate(database)
    store = PostgresStore(database)
    store.own()
    assert store.term == 1
    store.ping()
    end_connections(database)
    store.ping()
    assert store.term == 2
    second = PostgresStore(database)
    with pytest.raises(ServiceRuns):
        second.own()
    second.close()
    store.close()


def test_what_another_service_took_is_used_no_more(database: str) -> None:
    migrate(database)
    first, second = PostgresStore(database), PostgresStore(database)
    first.own()
    first.ping()
    job = submit(first, 1)
    assert first.claim((), 1) is not None
    end_connections(database)
    second.own()
    uses: tuple[Callable[[], object], ...] = (
        first.ping,
        first.running,
        lambda: first.claim((), 2),
        lambda: first.move(job, JobEvent.FINISH, 2, DONE),
        lambda: first.submit(new(2), 9),
    )
    for use in uses:
        with pytest.raises(ServiceRuns):
            use()
    assert [row.id for row in second.running()] == [job]
    second.close()
    assert first.move(job, JobEvent.FINISH, 2, DONE)
    first.close()


def test_the_right_is_lost_without_the_other_connections(database: str) -> None:
    migrate(database)
    first, second = PostgresStore(database), PostgresStore(database)
    first.own()
    first.ping()
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        while other.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() != (0,):
            pass
    second.own()
    with pytest.raises(ServiceRuns):
        first.claim((), 1)
    first.close()
    second.close()


def test_a_read_only_database_is_one_that_is_away(database: str) -> None:
    migrate(database)
    store = PostgresStore(f"{database} options='-c default_transaction_read_only=on'")
    store._connect = lambda: psycopg.connect(store._dsn, autocommit=True)  # type: ignore[method-assign]  # its own options
    with pytest.raises(DatabaseAway):
        store.submit(new(1), 9)
    store.close()


def test_a_database_without_the_schema_is_refused(database: str) -> None:
    store = PostgresStore(database)
    with pytest.raises(NotMigrated):
        store.own()
    store.close()


def test_a_database_that_is_not_there_is_transient() -> None:
    with pytest.raises(DatabaseAway):
        PostgresStore("host=/nonexistent dbname=none").ping()


def test_a_connection_that_the_server_closed_is_replaced(database: str) -> None:
    store = PostgresStore(database)
    store.ping()
    end_connections(database)
    store.ping()
    store.close()


def test_every_statement_can_be_prepared(database: str) -> None:
    migrate(database)
    with psycopg.connect(database) as connection:
        for name, text in ((one.name, one.sql) for one in statements("stella.http").values()):
            names: dict[str, int] = {}
            query = re.sub(r"%\((\w+)\)s", lambda found: f"${names.setdefault(found[1], len(names) + 1)}", text)  # noqa: B023  # called at once
            result = connection.pgconn.prepare(name.encode(), query.encode())
            assert result.status == psycopg.pq.ExecStatus.COMMAND_OK, (name, result.error_message)
    assert len(statements("stella.http")) > 20
