"""What a folder in a bucket promises beyond every folder: its objects and its errors; over a real store."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import obstore
import pytest
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import MemoryStore

from stella.kernel.digest import sha256
from stella.kernel.errors import StellaError
from stella.runtime import bucket as folders
from stella.runtime import s3
from stella.runtime.bucket import BucketFolder
from stella.runtime.errors import (
    BadLocation,
    BadSetting,
    BucketMissing,
    DiskFull,
    EgressBlocked,
    ObjectDamaged,
    Overtaken,
    StoreDenied,
    StoreUnreachable,
)
from stella.runtime.files import observe_steps
from stella.runtime.places import open_folder
from stella.runtime.s3 import MIB, Location, Objects, Outdated, connect, endpoint_of
from stella.runtime.settings import StoreSettings
from tests.bucket_server import Store
from tests.disks import FullDisk


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


# ---- objects


@pytest.mark.network
def test_a_large_object_goes_up_in_parts_and_is_read_in_windows(objects: Objects) -> None:
    data = bytes(range(256)) * (18 * MIB // 256) + b"the end"
    folder, key = BucketFolder(objects), f"store/sha256/00/{sha256(data)}"
    with folder.lock(), folder.writing() as spool:
        for start in range(0, len(data), MIB):
            spool.write(data[start : start + MIB])
        spool.place(key)
    assert "-" in (objects.get(key).tag or ""), "an ETag with the number of parts"
    with folder.open(key) as file:
        assert file.read(10) == data[:10]
        assert file.seek(-7, io.SEEK_END) == len(data) - 7
        assert file.read() == b"the end"
        assert file.seek(5 * MIB) == 5 * MIB
        assert file.read(9 * MIB) == data[5 * MIB : 14 * MIB]
        assert (file.seek(0), file.read()) == (0, data)
    assert folder.size(key) == len(data)


@pytest.mark.network
def test_a_large_object_is_of_one_version(objects: Objects) -> None:
    folder = BucketFolder(objects)
    with folder.writing() as spool:
        spool.write(bytes(17 * MIB))
        spool.place("a")
    with folder.open("a") as file:
        file.read(1)
        folder.write("a", b"another")
        with pytest.raises(Overtaken):
            file.read()


@pytest.mark.network
def test_an_upload_that_fails_leaves_nothing_to_see(objects: Objects) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 10 * MIB:
                raise OSError("the disk fails")
            return super().read(size)

    with pytest.raises(StoreUnreachable):
        objects.put_file("a", Broken(bytes(30 * MIB)), 30 * MIB)
    assert objects.listing("") == []


@pytest.mark.parametrize("size", [3, 18 * MIB])
def test_a_damaged_object_is_never_used(size: int, memory: Objects) -> None:
    good = bytes(size)
    key = f"store/sha256/00/{sha256(good)}"
    memory.put(key, good[:-1] + b"!")
    folder = BucketFolder(memory)
    with pytest.raises(ObjectDamaged):
        folder.read(key, size)
    with pytest.raises(ObjectDamaged):
        folder.open(key).read()


@pytest.mark.network
def test_more_keys_than_one_page(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "PAGE", 3)
    names = [f"b/{number:04}" for number in range(1010)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: objects.put(name, b""), names))
    assert list(BucketFolder(objects).keys("b/")) == names


# ---- errors


def reached(location: str, want: StoreSettings, secrets: Callable[[str], bytes]) -> None:
    with open_folder(location, want, secrets, sealed=False).lock():
        pass


@pytest.mark.network
def test_every_trouble_has_its_name(bucket_server: Store, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "RETRIES", {"max_retries": 0})
    store, wrong = bucket_server, bucket_server._replace(secret="another")
    stranger = bucket_server._replace(access="nobody")
    nowhere = StoreSettings(endpoint="http://127.0.0.1:1")
    cases: list[tuple[type[StellaError], int, str, StoreSettings, Store]] = [
        (StoreUnreachable, 10, bucket, nowhere, store),
        (StoreDenied, 3, bucket, store.settings, wrong),
        (StoreDenied, 3, bucket, store.settings, stranger),
        (BucketMissing, 4, "s3://no-such-bucket/a", store.settings, store),
    ]
    for kind, code, location, want, keys in cases:
        folder = open_folder(location, want, keys.reveal, sealed=False)
        uses: list[Callable[[], object]] = [
            lambda folder=folder: folder.read("a", 1),
            lambda folder=folder: folder.exists("a"),
            lambda folder=folder: list(folder.keys("a")),
            lambda folder=folder: folder.write("a", b""),
            lambda: reached(location, want, keys.reveal),  # noqa: B023  # called in this turn
        ]
        for use in uses:
            with pytest.raises(kind) as caught:
                use()
            assert int(caught.value.exit) == code
            assert keys.secret not in str(caught.value)


@pytest.mark.parametrize("problem", [AlreadyExistsError, PreconditionError])
def test_a_conflict_where_no_condition_was_sent_is_the_trouble_of_the_store(
    problem: type[BaseError], memory: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 answers 409 to a write that meets another one, whether it had a condition or not."""

    def conflict(*_: object, **__: object) -> None:
        raise problem("<Code>OperationAborted</Code>")

    for name in ("put", "delete", "head", "get"):
        monkeypatch.setattr(obstore, name, conflict)
    folder = BucketFolder(memory)
    uses: list[Callable[[], object]] = [
        lambda: folder.write("a", b""),
        lambda: folder.remove("a"),
        lambda: folder.exists("a"),
        lambda: folder.read("a", 1),
    ]
    for use in uses:
        with pytest.raises(StoreUnreachable, match="OperationAborted"):
            use()


@pytest.mark.parametrize("location", ["s3://", "s3://A/b", "s3://ab/../c", "s3://abc//d", "s3://abc/ä", "s3://a..b/c"])
def test_a_location_that_names_no_bucket(location: str) -> None:
    with pytest.raises(BadLocation):
        Location.parse(location)


def test_a_location() -> None:
    assert Location.parse("s3://my.bucket/a/b-1_2.c/") == ("my.bucket", "a/b-1_2.c")
    assert Location.parse("s3://bucket") == ("bucket", "")


@pytest.mark.parametrize(
    "endpoint",
    ["http://store.example.org", "ftp://127.0.0.1", "https://u:p@h", "https://h/x", "http://10.0.0.1", "h:x"],
)
def test_an_address_that_will_not_do(endpoint: str) -> None:
    with pytest.raises(BadSetting):
        endpoint_of(StoreSettings(endpoint=endpoint), sealed=False)


@pytest.mark.parametrize(
    ("endpoint", "sealed", "local"),
    [
        ("", False, False),
        ("https://store.example.org:9000", False, False),
        ("http://127.0.0.1:9000", True, True),
        ("http://localhost:9000/", True, True),
        ("https://[::1]:9000", True, True),
    ],
)
def test_an_address_that_will_do(endpoint: str, sealed: bool, local: bool) -> None:
    assert endpoint_of(StoreSettings(endpoint=endpoint), sealed=sealed)[1] is local


@pytest.mark.parametrize("endpoint", ["", "https://store.example.org", "https://10.0.0.1", "https://127.0.0.1.nip.io"])
def test_a_sealed_process_reaches_its_own_machine_alone(endpoint: str) -> None:
    with pytest.raises(EgressBlocked) as caught:
        open_folder("s3://bucket/a", StoreSettings(endpoint=endpoint), str.encode, sealed=True)
    assert int(caught.value.exit) == 5


@pytest.mark.network
def test_the_environment_sends_nothing_elsewhere(
    bucket_server: Store, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = "http://127.0.0.1:1"
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"):
        monkeypatch.setenv(name, nowhere)
    for name in ("AWS_SESSION_TOKEN", "AWS_SKIP_SIGNATURE", "AWS_BUCKET", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST"):
        monkeypatch.setenv(name, "true")
    folder = open_folder(bucket, bucket_server.settings, bucket_server.reveal, sealed=False, make=True)
    with folder.lock():
        folder.write("a", b"here")
    monkeypatch.undo()
    assert open_folder(bucket, bucket_server.settings, bucket_server.reveal, sealed=False).read("a", 9) == b"here"


def test_the_twin_in_memory_of_the_library_keeps_conditions() -> None:
    """The kill tests lean on it."""
    store = MemoryStore()
    obstore.put(store, "a", b"1", mode="create")
    tag = obstore.head(store, "a")["e_tag"]
    objects = Objects(store, "s3://memory/x", "memory")
    for wrong in (None, '"none"'):
        with pytest.raises(Outdated):
            objects.put_if("a", b"2", wrong)
    assert objects.put_if("a", b"2", tag) != tag


def test_a_disk_that_is_full_when_the_last_bytes_leave_the_buffer_is_told(
    memory: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders.tempfile, "SpooledTemporaryFile", lambda **_: FullDisk())
    folder = BucketFolder(memory)

    def write() -> None:
        with folder.writing() as spool:
            spool.write(b"data")
            spool.place("key")

    with pytest.raises(DiskFull):
        write()
    assert not folder.exists("key")
