"""The lease of a folder in a bucket and the conditions under it: who may write, and what a late writer cannot do."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest
from obstore.store import MemoryStore

from stella.kernel.errors import StellaError
from stella.runtime import lease
from stella.runtime.bucket import BucketFolder
from stella.runtime.errors import (
    BucketMissing,
    Busy,
    Overtaken,
    StoreDenied,
    StoreUnreachable,
    Unconditional,
)
from stella.runtime.files import observe_steps
from stella.runtime.lease import LEASE, Holder, Paper, Terms
from stella.runtime.s3 import Objects, Outdated, connect
from tests.bucket_server import Store

QUICK = Terms(ttl=0.4, beat=0.05, poll=0.02, settle=0)
LIVELY = Terms(ttl=10, beat=0.05, poll=0.02, settle=0)
SILENT = Terms(ttl=20, beat=60, poll=0.02, settle=0)


@pytest.fixture
def memory() -> Objects:
    return Objects(MemoryStore(), "s3://memory/top", "memory")


@pytest.fixture
def objects(bucket_server: Store, bucket: str) -> Objects:
    return connect(bucket, bucket_server.settings, bucket_server.reveal, sealed=False)


@contextlib.contextmanager
def steps(observer: Callable[[str, str], None]) -> Iterator[None]:
    observe_steps(observer)
    try:
        yield
    finally:
        observe_steps(None)


HOLD = """
import sys
from tests.bucket_server import Store
from stella.runtime.places import open_folder
store = Store(*sys.argv[1:4])
with open_folder(sys.argv[4], store.settings, store.reveal, sealed=False).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.network
def test_a_lease_is_held_against_other_processes_and_ends_with_its_holder(bucket_server: Store, bucket: str) -> None:
    folder = BucketFolder(connect(bucket, bucket_server.settings, bucket_server.reveal, sealed=False))
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, *bucket_server, bucket], stdin=-1, stdout=-1, text=True, cwd=root
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Busy) as caught, folder.lock():
            pass
        assert str(other.pid) in str(caught.value)
        other.kill()
        other.wait()
        looks: list[str] = []
        with steps(lambda kind, _: looks.append(kind)), folder.lock():
            folder.write("a", b"")
        assert looks.count("get") == 1, "nobody waits for a process of this machine that is gone"


def foreign(objects: Objects, beat: int) -> None:
    """A lease of a process on another machine."""
    holder = Holder("elsewhere", "another-boot", "pid:[1]", 1, "1")
    objects.put(LEASE, msgspec.json.encode(Paper("theirs", beat, holder)))


def test_a_lease_elsewhere_that_is_renewed_is_respected(memory: Objects) -> None:
    foreign(memory, 1)
    looks: list[str] = []

    def renew_at_the_third(kind: str, _: str) -> None:
        looks.append(kind)
        if looks.count("get") == 3 and kind == "get":
            foreign(memory, 2)

    with steps(renew_at_the_third), pytest.raises(Busy, match="elsewhere"), BucketFolder(memory, terms=LIVELY).lock():
        pass
    assert looks.count("get") == 3


def test_a_lease_elsewhere_that_nobody_renews_is_taken_over(memory: Objects) -> None:
    foreign(memory, 1)
    looks: list[str] = []
    with steps(lambda kind, _: looks.append(kind)), BucketFolder(memory, terms=QUICK).lock():
        pass
    assert looks.count("get") > 10, "and it was watched for its whole time"


def test_a_holder_goes_on_renewing(memory: Objects) -> None:
    first, second = (BucketFolder(memory, terms=LIVELY) for _ in range(2))
    renewed = threading.Event()
    with steps(lambda kind, _: renewed.set() if kind == "renew answer" else None), first.lock():
        assert renewed.wait(10)
        as_elsewhere = patch.multiple(lease, _held=set(), _is_gone=lambda _: False)
        with as_elsewhere, pytest.raises(Busy), second.lock():
            pass
        first.write("a", b"still mine")


def test_garbage_in_the_place_of_a_lease_is_replaced_after_its_time(memory: Objects) -> None:
    garbage = b"\x00 nothing of ours"
    memory.put(LEASE, garbage)
    for terms in (QUICK, SILENT):
        with BucketFolder(memory, terms=terms).lock():
            assert msgspec.json.decode(memory.get(LEASE).data, type=Paper).holder is not None
    assert memory.get(LEASE).data != garbage


def taken_over(memory: Objects) -> tuple[BucketFolder, contextlib.ExitStack]:
    """A folder whose lock was taken by another one, without anybody having told it."""
    stack = contextlib.ExitStack()
    memory.put("pointer", b"old")
    first = BucketFolder(memory, terms=SILENT)
    stack.enter_context(first.lock())
    first.read("pointer", 9)
    lease._held.clear()
    with BucketFolder(memory, terms=SILENT).lock():
        memory.put("pointer", b"new")
    return first, stack


@pytest.mark.parametrize("slept", [False, True])
def test_a_holder_that_was_overtaken_changes_no_pointer(slept: bool, memory: Objects) -> None:
    first, stack = taken_over(memory)
    with stack:
        if slept:
            assert first._lease is not None
            first._lease._until = 0
        with pytest.raises(Overtaken):
            first.write("pointer", b"mine")
    assert memory.get("pointer").data == b"new"


def test_a_holder_that_slept_removes_nothing(memory: Objects) -> None:
    first, stack = taken_over(memory)
    with stack:
        assert first._lease is not None
        first._lease._until = 0
        with pytest.raises(Overtaken):
            first.remove("pointer")
        with pytest.raises(Overtaken):
            first.write("store/x", b"")
    assert memory.get("pointer").data == b"new"


def test_a_lease_whose_every_writing_loses_its_first_answer_is_busy_and_no_crash(
    memory: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Objects.put_if

    def twice(self: Objects, key: str, data: bytes, tag: str | None, *, kind: str = "put") -> str:
        real(self, key, data, tag, kind=kind)
        return real(self, key, data, tag, kind=kind)

    folder = BucketFolder(memory, terms=SILENT)
    with monkeypatch.context() as patched:
        patched.setattr(Objects, "put_if", twice)
        with pytest.raises(Busy), folder.lock():
            pass
    with folder.lock():
        folder.write("a", b"")


def test_a_lease_that_is_being_taken_is_not_taken_by_another_thread(memory: Objects) -> None:
    """Its answer is still under way, and it names a process that does not know yet that it holds it."""
    terms = Terms(ttl=20, beat=60, poll=0.02, settle=0)
    first, second = (BucketFolder(memory, terms=terms) for _ in range(2))
    told: list[type[BaseException]] = []

    def come_in_between(kind: str, path: str) -> None:
        if kind == "put answer" and path.endswith(LEASE):
            observe_steps(None)
            try:
                with second.lock():
                    pass
            except StellaError as problem:
                told.append(type(problem))

    with steps(come_in_between), first.lock():
        first.write("a", b"")
    assert told == [Busy]


def test_a_lease_whose_taking_had_no_answer_is_taken_by_the_same_process_again(memory: Objects) -> None:
    folder = BucketFolder(memory, terms=SILENT._replace(settle=0))

    def lose(kind: str, _: str) -> None:
        if kind == "put answer":
            raise OSError("reset")

    with steps(lose), pytest.raises(StoreUnreachable), folder.lock():
        pass
    with folder.lock():
        folder.write("a", b"")
    assert not lease._held


@pytest.mark.parametrize("problem", [StoreDenied, BucketMissing])
def test_a_lease_that_cannot_be_let_go_hides_no_outcome(
    problem: type[StellaError], memory: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = BucketFolder(memory, terms=SILENT)

    def refuse(*_: object, **__: object) -> str:
        raise problem(endpoint="memory", path="x", bucket="x")

    with folder.lock():
        folder.write("a", b"done")
        monkeypatch.setattr(Objects, "put_if", refuse)
    assert memory.get("a").data == b"done"


def test_what_nobody_read_is_not_replaced_by_a_holder_whose_clock_stood_still(memory: Objects) -> None:
    """A machine that is paused as a whole does not see that time has passed."""
    first, stack = taken_over(memory)
    memory.put("record", b"of the other")
    with stack, pytest.raises(Overtaken):
        first.write("record", b"mine")
    assert memory.get("record").data == b"of the other"


def test_letting_go_of_a_lost_lease_leaves_the_other_one(memory: Objects) -> None:
    first = BucketFolder(memory, terms=SILENT)
    with first.lock():
        foreign(memory, 7)
    assert b"theirs" in memory.get(LEASE).data


def test_what_was_missing_is_written_where_still_nothing_is(memory: Objects) -> None:
    folder = BucketFolder(memory, terms=SILENT)
    with folder.lock():
        assert not folder.exists("pointer")
        memory.put("pointer", b"theirs")
        with pytest.raises(Overtaken):
            folder.write("pointer", b"mine")
    assert memory.get("pointer").data == b"theirs"


def test_what_nobody_read_is_replaced_whatever_it_is(memory: Objects) -> None:
    folder = BucketFolder(memory, terms=SILENT)
    late = iter([True])

    def come_late(kind: str, path: str) -> None:
        if (kind, path[-2:]) == ("put", "/a") and next(late, False):
            memory.put("a", b"late")

    with folder.lock(), steps(come_late):
        folder.write("a", b"mine")
    assert memory.get("a").data == b"mine"


@pytest.mark.parametrize("kind", ["put answer", "get", "renew answer"])
def test_a_lost_answer_is_looked_up(kind: str, memory: Objects) -> None:
    folder = BucketFolder(memory, terms=SILENT)
    memory.put("a", b"before")
    once = iter([True])

    def lose(at: str, _: str) -> None:
        if at == kind and next(once, False):
            raise OSError("reset")

    with folder.lock():
        folder.read("a", 9)
        assert folder._lease is not None
        with steps(lose):
            if kind == "renew answer":
                with pytest.raises(StoreUnreachable):
                    folder._lease.renew()
            if kind != "get":
                folder.write("a", b"after")
        folder._lease.renew()
    assert memory.get("a").data == (b"before" if kind == "get" else b"after")


def test_a_write_that_was_carried_out_and_then_refused_is_no_failure(
    memory: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library repeats a request that a store answers with 5xx, also when it was carried out."""
    folder, once, real = BucketFolder(memory, terms=SILENT), iter([True]), Objects.put_if

    def twice(self: Objects, key: str, data: bytes, tag: str | None, *, kind: str = "put") -> str:
        if next(once, False):
            real(self, key, data, tag, kind=kind)
        return real(self, key, data, tag, kind=kind)

    memory.put("a", b"before")
    with folder.lock():
        folder.read("a", 9)
        with monkeypatch.context() as patched:
            patched.setattr(Objects, "put_if", twice)
            folder.write("a", b"after")
        folder.write("a", b"and again")
    once = iter([True])
    with monkeypatch.context() as patched:
        patched.setattr(Objects, "put_if", twice)
        with folder.lock():
            folder.write("b", b"")
    assert (memory.get("a").data, memory.get("b").data) == (b"and again", b"")


def test_a_store_that_ignores_conditions_is_refused(memory: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(self: Objects, key: str, data: bytes, _: str | None, *, kind: str = "put") -> str:
        return self.put(key, data, kind=kind)

    monkeypatch.setattr(Objects, "put_if", careless)
    with pytest.raises(Unconditional), BucketFolder(memory).lock():
        pass


@pytest.mark.network
@pytest.mark.parametrize("there", [False, True])
def test_of_many_writes_on_one_condition_one_is_carried_out(there: bool, objects: Objects) -> None:
    tag = objects.put("a", b"before") if there else None
    gate = threading.Barrier(3)

    def write(number: int) -> bool:
        gate.wait(10)
        try:
            objects.put_if("a", f"by {number}".encode(), tag)
        except Outdated:
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(write, range(3))) == [False, False, True]
