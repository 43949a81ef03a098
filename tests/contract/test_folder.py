"""What a Folder promises, kept by the directory, by the bucket and by their twin in memory."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from obstore.store import MemoryStore

from stella.kernel.digest import sha256
from stella.runtime import files
from stella.runtime.bucket import BucketFolder
from stella.runtime.errors import Busy, DiskFull, NotAFolder, ObjectMissing, TooLarge, Unwritable
from stella.runtime.files import TEMPORARY, DiskFolder, observe_steps, replacing
from stella.runtime.places import open_folder
from stella.runtime.ports import Folder
from stella.runtime.s3 import Objects
from stella.testing import MemoryFolder
from tests.bucket_server import Store


@pytest.fixture(params=["disk", "memory", pytest.param("bucket", marks=pytest.mark.network)])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "bucket":
        store: Store = request.getfixturevalue("bucket_server")
        return open_folder(request.getfixturevalue("bucket"), store.settings, store.reveal, sealed=False)
    return DiskFolder(tmp_path / "top") if request.param == "disk" else MemoryFolder()


def leftovers(top: Path) -> list[str]:
    return [path.name for path in top.rglob("*") if path.name.endswith(TEMPORARY)]


def test_what_is_written_is_read(folder: Folder) -> None:
    folder.write("a/b/c.json", b"data")
    assert folder.read("a/b/c.json", 4) == b"data"
    assert folder.size("a/b/c.json") == 4
    assert folder.exists("a/b/c.json")
    with folder.open("a/b/c.json") as file:
        assert file.read(2) == b"da"
        assert file.seek(1) == 1
        assert file.read() == b"ata"


def test_writing_again_replaces(folder: Folder) -> None:
    for data in (b"long long ago", b"now", b""):
        folder.write("a", data)
        assert folder.read("a", 100) == data


@pytest.mark.parametrize("limit", [0, 3])
def test_a_limit_bounds_what_is_read(folder: Folder, limit: int) -> None:
    folder.write("a", b"data")
    with pytest.raises(TooLarge) as caught:
        folder.read("a", limit)
    assert (caught.value.facts["size"], caught.value.facts["limit"]) == (4, limit)


@pytest.mark.parametrize("key", ["none", "a/none", "a/x/none"])
def test_a_missing_key(folder: Folder, key: str) -> None:
    folder.write("a/x", b"a file where a folder could be")
    assert not folder.exists(key)
    for use in (lambda: folder.read(key, 10), lambda: folder.open(key), lambda: folder.size(key)):
        with pytest.raises(ObjectMissing):
            use()


def test_a_folder_is_no_object(folder: Folder) -> None:
    folder.write("a/b", b"")
    assert not folder.exists("a")


def test_keys_are_sorted_and_share_a_prefix(folder: Folder) -> None:
    for key in ("b/2", "b/10", "b/1", "a", "ba/1", "b/sub/1"):
        folder.write(key, b"")
    assert list(folder.keys("b/")) == ["b/1", "b/10", "b/2", "b/sub/1"]
    assert list(folder.keys("b/1")) == ["b/1", "b/10"]
    assert list(folder.keys("b")) == ["b/1", "b/10", "b/2", "b/sub/1", "ba/1"]
    assert list(folder.keys("none/")) == []
    assert list(folder.keys("")) == ["a", "b/1", "b/10", "b/2", "b/sub/1", "ba/1"]


def test_a_lock_is_no_object(folder: Folder) -> None:
    folder.write("a", b"")
    with folder.lock():
        assert list(folder.keys("")) == ["a"]
    assert list(folder.keys("")) == ["a"]


def test_removing_twice_is_no_error(folder: Folder) -> None:
    folder.write("a/b", b"")
    for _ in range(2):
        folder.remove("a/b")
        assert not folder.exists("a/b")


def test_a_stream_is_seen_at_its_end(folder: Folder) -> None:
    with folder.writing() as spool:
        assert spool.write(b"one ") == 4
        assert spool.write(memoryview(b"two")) == 3
        spool.place("store/x")
        assert not folder.exists("store/x")
    assert folder.read("store/x", 100) == b"one two"
    assert list(folder.keys("")) == ["store/x"]


def test_a_stream_that_fails_leaves_what_was_there(folder: Folder) -> None:
    folder.write("a", b"before")

    def fail() -> None:
        with folder.writing() as spool:
            spool.place("a")
            spool.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert folder.read("a", 100) == b"before"
    assert list(folder.keys("")) == ["a"]


def test_streams_of_several_threads(folder: Folder) -> None:
    barrier = threading.Barrier(4)

    def write(number: int) -> None:
        with folder.writing() as spool:
            barrier.wait(10)
            for _ in range(50):
                spool.write(bytes([number]) * 1000)
            spool.place(f"t/{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert [folder.read(f"t/{number}", 10**6) for number in range(4)] == [
        bytes([number]) * 50_000 for number in range(4)
    ]


def test_a_lock_is_held_by_one(folder: Folder) -> None:
    folder.write("a", b"")
    with folder.lock():
        with pytest.raises(Busy) as caught, folder.lock():
            pass
        assert int(caught.value.exit) == 10
    with pytest.raises(RuntimeError), folder.lock():
        raise RuntimeError
    with folder.lock():
        pass


def test_a_batch_is_read_at_once_and_stays(folder: Folder) -> None:
    name = f"store/sha256/{sha256(b'x')[:2]}/{sha256(b'x')}"
    folder.write("first", b"")
    with folder.lock():
        with folder.batch():
            folder.write(name, b"x")
            with folder.writing() as spool:
                spool.write(b"y")
                spool.place("store/sha256/y")
            folder.write("pointer", b"p")
            assert folder.read(name, 1) == b"x"
        assert [folder.read(key, 9) for key in (name, "store/sha256/y", "pointer")] == [b"x", b"y", b"p"]
        with contextlib.suppress(RuntimeError), folder.batch():
            raise RuntimeError
    assert sorted(folder.keys("")) == sorted(["first", name, "store/sha256/y", "pointer"])


def test_usage_is_the_sum_of_sizes(folder: Folder) -> None:
    for key, size in (("b/1", 3), ("b/10", 40), ("c", 500)):
        folder.write(key, bytes(size))
    with folder.lock():
        assert [folder.usage(prefix) for prefix in ("b/", "b/10", "none/", "")] == [43, 40, 0, 543]


class AllFolders(RuleBasedStateMachine):
    """Any sequence of commands has the same outcome on disk, in memory and in the adapter of buckets."""

    keys = st.sampled_from(["a", "b/1", "b/2", "b/c/3", "store/x"])

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.place = tempfile.TemporaryDirectory()
        bucket = BucketFolder(Objects(MemoryStore(), "s3://memory/top", "memory"))
        self.all: tuple[Folder, ...] = (DiskFolder(Path(self.place.name, "top")), MemoryFolder(), bucket)

    def teardown(self) -> None:
        if hasattr(self, "place"):
            self.place.cleanup()

    def same(self, use: Callable[[Folder], object]) -> None:
        found: list[object] = []
        for folder in self.all:
            try:
                found.append(use(folder))
            except (ObjectMissing, TooLarge) as error:
                found.append(type(error))
        assert found[0] == found[1] == found[2]

    @rule(key=keys, data=st.binary(max_size=20), private=st.booleans())
    def write(self, key: str, data: bytes, private: bool) -> None:
        self.same(lambda folder: folder.write(key, data, private=private))

    @rule(key=keys, data=st.binary(max_size=20), fail=st.booleans())
    def stream(self, key: str, data: bytes, fail: bool) -> None:
        def use(folder: Folder) -> None:
            with contextlib.suppress(ZeroDivisionError), folder.writing() as spool:
                spool.place(key)
                spool.write(data)
                if fail:
                    raise ZeroDivisionError

        self.same(use)

    @rule(key=keys)
    def remove(self, key: str) -> None:
        self.same(lambda folder: folder.remove(key))

    @rule(key=keys, limit=st.integers(0, 20))
    def read(self, key: str, limit: int) -> None:
        self.same(lambda folder: folder.read(key, limit))
        self.same(lambda folder: folder.size(key))
        self.same(lambda folder: folder.exists(key))

    @rule(prefix=st.sampled_from(["", "a", "b", "b/", "b/c/", "st", "none/"]))
    def keys_of(self, prefix: str) -> None:
        self.same(lambda folder: list(folder.keys(prefix)))
        self.same(lambda folder: folder.usage(prefix))

    @invariant()
    def nothing_is_left_over(self) -> None:
        if hasattr(self, "place"):
            assert leftovers(Path(self.place.name)) == []


TestAllFolders = AllFolders.TestCase
TestAllFolders.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)


# ---- on disk alone


def test_private_objects_are_for_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = DiskFolder(tmp_path)
        folder.write("keys/k.pem", b"secret", private=True)
        folder.write("open", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "keys/k.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o644


def test_a_private_object_is_never_open_to_others_not_even_for_a_moment(tmp_path: Path) -> None:
    seen: list[int] = []

    def look(kind: str, path: str) -> None:
        if kind == "write":
            seen.extend(stat.S_IMODE(found.stat().st_mode) for found in Path(path).parent.glob(f"*{TEMPORARY}"))

    observe_steps(look)
    try:
        DiskFolder(tmp_path).write("keys/k.pem", b"secret", private=True)
    finally:
        observe_steps(None)
    assert seen == [0o600]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EROFS])
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_disk_that_fails(number: int, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = DiskFolder(tmp_path)
    folder.write("a", b"before")

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    def stream() -> None:
        with folder.writing() as spool:
            spool.place("a")
            spool.write(b"after")

    def replace() -> None:
        with replacing(tmp_path / "a") as file:
            file.write(b"after")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, call, fail)
        full = number in {errno.ENOSPC, errno.EDQUOT}
        for use in (lambda: folder.write("a", b"after"), stream, replace):
            with pytest.raises(DiskFull if full else Unwritable) as caught:
                use()
            assert (int(caught.value.exit), caught.value.reason) == (10, "disk" if full else "io")
            assert leftovers(tmp_path) == []
    assert folder.read("a", 100) == b"before"


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(files.os, "write", lambda handle, data: real(handle, data[:3]))
    DiskFolder(tmp_path).write("a", b"more than three bytes")
    assert (tmp_path / "a").read_bytes() == b"more than three bytes"


def test_a_limit_of_the_process_on_file_size(tmp_path: Path) -> None:
    """The real thing, in a process of its own: the kernel itself refuses to write on."""
    program = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from stella.runtime.errors import Unwritable\n"
        "from stella.runtime.files import DiskFolder\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "folder = DiskFolder(Path(sys.argv[1]))\n"
        "folder.write('a', b'before')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    folder.write('a', bytes(100_000))\n"
        "except Unwritable as error:\n"
        "    print(error.reason)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == "io\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"before"


def test_what_a_kill_left_behind_is_swept_by_the_next_holder_of_the_lock(tmp_path: Path) -> None:
    folder = DiskFolder(tmp_path)
    folder.write("b/a", b"data")
    for name in (f".a{TEMPORARY}", f"b/.c{TEMPORARY}"):
        (tmp_path / name).write_bytes(b"half")
    assert list(folder.keys("")) == ["b/a"], "and it was never an object"
    with folder.lock():
        assert leftovers(tmp_path) == []
    assert folder.read("b/a", 10) == b"data"


@pytest.mark.parametrize(
    ("module", "call", "code", "told"),
    [(files.fcntl, "flock", errno.ENOLCK, Unwritable), (os, "pwrite", errno.ENOSPC, None)],
)
def test_a_lock_that_fails_is_not_said_to_be_held(
    module: object, call: str, code: int, told: type[Exception] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system may know no locks; and a full disk must not hide behind the note of who holds one."""

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(module, call, fail)
    with pytest.raises(told) if told else contextlib.nullcontext(), DiskFolder(tmp_path).lock():
        pass


def test_a_lock_is_held_against_other_processes(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from stella.runtime.files import DiskFolder\n"
        "with DiskFolder(Path(sys.argv[1])).lock():\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Busy) as caught, DiskFolder(tmp_path).lock():
            pass
        assert str(other.pid) in str(caught.value)
        other.kill()
        other.wait()
        with DiskFolder(tmp_path).lock():
            pass


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    folder = DiskFolder(tmp_path)
    folder.write("a", b"")
    with pytest.raises((NotAFolder, Unwritable)):
        folder.write("a/b", b"")
    (tmp_path / "d").mkdir()
    with pytest.raises(NotAFolder):
        folder.read("d", 10)


def test_a_batch_that_never_ended_is_not_trusted(tmp_path: Path) -> None:
    """After a crash an object may have its name and not its bytes; the next holder of the lock removes such ones."""
    folder = DiskFolder(tmp_path)
    good, bad = sha256(b"good"), sha256(b"bad")
    marker = tmp_path / files.UNSYNCED
    with folder.lock(), folder.batch():
        for digest, data in ((good, b"good"), (bad, b"")):
            folder.write(f"store/sha256/{digest[:2]}/{digest}", data)
        left, stamp = marker.read_bytes(), marker.stat().st_mtime_ns
    marker.write_bytes(left)  # as if the machine had stopped inside the batch
    os.utime(marker, ns=(stamp, stamp))
    with folder.lock():
        assert list(folder.keys("store/")) == [f"store/sha256/{good[:2]}/{good}"]
        assert not marker.exists()


@given(st.binary(max_size=5000))
def test_any_bytes_survive(data: bytes) -> None:
    folder = MemoryFolder()
    folder.write("a", data)
    assert folder.read("a", len(data)) == data


@pytest.mark.parametrize("path", ["", ".", "/", "./"])
def test_a_path_that_no_file_can_have_is_refused(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotAFolder), replacing(Path(path)):
        pass
    assert not list(tmp_path.iterdir())
