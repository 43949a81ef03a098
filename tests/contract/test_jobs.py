"""The Store of the service: the twin and PostgreSQL keep the same promises."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from stella.http.model import Answered, JobEvent, JobState, UploadState
from stella.http.store import Bound, Load, Outcome, Place, Queue, Store
from stella.identity.model import State
from tests.stores import DONE, KEY, NOBODY, ROOM, A, B, guarded, job_id, new, place, stop, store, submit, upload

__all__ = ["guarded", "place", "stop", "store"]  # fixtures


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
    assert sorted(store.count_jobs()) == [Load(A, "queued", 1, "probe.run"), Load(A, "running", 4, "probe.run")]


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


@pytest.mark.parametrize("state", [State.SUSPENDED, State.DELETING, State.ERASED])
def test_a_job_of_a_tenant_that_was_stopped_waits(
    store: Store, stop: Callable[[str, State], None], state: State
) -> None:
    first, sibling = submit(store, 1), submit(store, 2, tenant=B)
    stop(A, state)
    stop(B, State.ACTIVE)
    assert store.stopped({A, B, "nobody"}) == {A: state}
    assert store.stopped(()) == {}
    claimed = store.claim((), 1)
    assert claimed is not None
    assert (claimed.tenant, claimed.id) == (B, sibling)
    assert store.claim((), 1) is None
    stop(A, State.ACTIVE)
    assert store.stopped({A, B}) == {}
    claimed = store.claim((), 2)
    assert claimed is not None
    assert (claimed.id, claimed.attempt) == (first, 1)


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
    for number, tenant in enumerate((A, A, A, B, "zeta", B), 1):
        submit(store, number, tenant=tenant, folder="M" if number != 2 else "D")
    working: list[Place] = []
    started = []
    while job := store.claim(working, 1):
        started.append((job.tenant, job.id))
        working.append(Place(job.tenant, job.folder))
    assert started == [(A, job_id(1)), (B, job_id(4)), ("zeta", job_id(5)), (A, job_id(2))]
    loads = [(A, "queued", 1), (A, "running", 2), (B, "queued", 1), (B, "running", 1), ("zeta", "running", 1)]
    assert sorted(store.count_jobs()) == [Load(*load, "probe.run") for load in loads]


def test_a_queue_of_its_own_has_a_depth(store: Store) -> None:
    """It is the tenant's, and shared by some operations; others do not fill it."""
    queue = Queue(("probe.run", "probe.other"), 2)
    assert store.submit(new(1, operation="probe.run", folder=""), ROOM, queue) is not None
    assert store.submit(new(2, operation="probe.else", folder=""), ROOM) is not None
    assert store.submit(new(3, operation="probe.other", folder="", key="k"), ROOM, queue) is not None
    assert store.submit(new(4, operation="probe.run", folder=""), ROOM, queue) is None
    again = store.submit(new(5, operation="probe.other", folder="", key="k"), ROOM, queue)
    assert again is not None
    assert again.id == job_id(3)
    assert store.submit(new(6, tenant=B, operation="probe.run", folder=""), ROOM, queue) is not None
    assert store.submit(new(7, operation="probe.else", folder=""), ROOM) is not None
    assert store.claim((), 1) is not None
    assert store.submit(new(8, operation="probe.run", folder=""), ROOM, queue) is not None


def test_what_is_full_does_not_start_and_keeps_nobody_else(store: Store) -> None:
    for number, tenant, operation in ((1, A, "probe.run"), (2, A, "probe.else"), (3, B, "probe.run")):
        submit(store, number, tenant=tenant, operation=operation, folder="")
    full = [(A, "probe.run")]
    started = []
    while job := store.claim((), 1, full):
        started.append(job.id)
    assert sorted(started) == [job_id(2), job_id(3)]
    found = store.claim((), 1)
    assert found is not None
    assert found.id == job_id(1)
