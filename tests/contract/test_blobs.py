"""What Blobs promises, kept by the directory, by the bucket and by the twin in memory."""

from __future__ import annotations

import io
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from obstore.store import MemoryStore

from stella.kernel.digest import sha256
from stella.kernel.errors import BadBlobKey, BadTenant, ForeignBlob, StellaError
from stella.runtime import tenant_blobs
from stella.runtime.blobs import DiskBlobs
from stella.runtime.errors import DiskFull, NotCleared, ObjectDamaged, ObjectMissing, TooLarge
from stella.runtime.places import open_blobs
from stella.runtime.ports import Blobs
from stella.runtime.s3 import Objects
from stella.runtime.s3_blobs import S3Blobs
from stella.runtime.settings import StoreSettings
from stella.testing import MemoryBlobs
from tests.disks import FullDisk
from tests.tenant_server import TenantServer

MIB = 1024 * 1024
NONE = sha256(b"nothing like it")
_kinds = itertools.count()


class Place:
    """Where tenants have their objects: handles to it, what was refused, and a way to damage an object."""

    def __init__(
        self, handle: Callable[[str], Blobs], damage: Callable[[str, bytes], None], refusals: list[tuple[str, str, str]]
    ) -> None:
        self.handle = handle
        self.damage = damage
        self.refusals = refusals


@pytest.fixture(params=["disk", "memory", pytest.param("s3", marks=pytest.mark.network)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    told: list[tuple[str, str, str]] = []

    def refused(*what: str) -> None:
        told.append(cast("tuple[str, str, str]", what))

    if request.param == "memory":
        objects: dict[str, bytes] = {}
        return Place(lambda tenant: MemoryBlobs(tenant, refused, objects), objects.__setitem__, told)
    if request.param == "disk":
        return Place(
            lambda tenant: open_blobs(str(tmp_path), tenant, StoreSettings(), str.encode, refused, sealed=True),
            lambda key, data: cast("None", (tmp_path / key).write_bytes(data)),
            told,
        )
    server: TenantServer = request.getfixturevalue("tenant_server")
    want, where = server.accounts.settings(server.endpoint), f"s3://{server.accounts.bucket}"

    def damage(key: str, data: bytes) -> None:
        assert server.ask(server.own, "PUT", f"/{server.accounts.bucket}/{key}", body=data).status == 200

    return Place(lambda tenant: open_blobs(where, tenant, want, server.reveal, refused, sealed=True), damage, told)


@pytest.fixture
def blobs(place: Place) -> Blobs:
    return place.handle("a")


@pytest.fixture
def kind() -> str:
    """A kind that no other test uses: one server has the objects of all."""
    return f"kind-{next(_kinds)}"


def test_what_is_put_is_got(blobs: Blobs, kind: str) -> None:
    for data in (b"", b"one", bytes(range(256)) * 300):
        digest = blobs.put(kind, data)
        assert digest == sha256(data)
        assert blobs.get(kind, digest) == data
        assert blobs.has(kind, digest)
        assert blobs.size(kind, digest) == len(data)
        with blobs.open(kind, digest) as file:
            assert (file.read(), file.seek(1), file.read(2)) == (data, 1, data[1:3])


def test_a_stream_is_put_to_its_end(blobs: Blobs, kind: str) -> None:
    data = bytes(range(256)) * 70_000  # more than stays in memory, and than one request takes
    digest = blobs.put(kind, io.BytesIO(data))
    assert digest == sha256(data)
    with blobs.open(kind, digest) as file:
        assert file.read() == data
    assert blobs.get(kind, digest, len(data)) == data
    assert blobs.put(kind, io.BytesIO(b"small")) == sha256(b"small")
    assert blobs.get(kind, sha256(b"small")) == b"small"


def test_a_stream_that_fails_leaves_nothing(blobs: Blobs, kind: str) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError("the medium fails")
            return super().read(size)

    with pytest.raises(OSError, match="the medium fails"):
        blobs.put(kind, Broken(bytes(3 * MIB)))
    assert blobs.list(kind) == ()


def test_a_stream_that_does_not_end_is_cut(blobs: Blobs, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_blobs, "MAX_BLOB", 10 * MIB)

    with pytest.raises(TooLarge):
        blobs.put(kind, io.BytesIO(bytes(12 * MIB)))
    assert blobs.list(kind) == ()


def test_all_of_a_tenant_is_counted_and_removed_and_nothing_of_a_sibling(place: Place, kind: str) -> None:
    mine, sibling = place.handle("a"), place.handle("aa")
    mine.clear()
    kept = [sibling.put(kind, text) for text in (b"one", b"two")]
    theirs = list(sibling.contents())
    keys = sorted(mine.key(name, mine.put(name, text)) for name in (kind, "other") for text in (b"one", b"three"))
    place.damage(f"tenants/a/{kind}/stray", b"no object of ours")
    assert list(mine.contents()) == sorted(
        [*((key, 5 if key.endswith(sha256(b"three")) else 3) for key in keys), (f"tenants/a/{kind}/stray", 17)]
    )
    mine.clear()
    assert list(mine.contents()) == []
    assert mine.list(kind) == mine.list("other") == ()
    assert list(sibling.contents()) == theirs
    assert {held.digest for held in sibling.list(kind)} == set(kept)
    mine.clear()  # again: no error
    assert not place.refusals


def test_what_comes_back_while_all_is_removed_is_told(place: Place, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = place.handle("a")
    mine.put(kind, b"one")
    monkeypatch.setattr(type(mine), "_clear", lambda _: None)
    with pytest.raises(NotCleared):
        mine.clear()


def test_a_missing_object(blobs: Blobs, kind: str) -> None:
    blobs.put(kind, b"another one")
    assert not blobs.has(kind, NONE)
    blobs.delete(kind, NONE)
    for use in (
        lambda: blobs.get(kind, NONE),
        lambda: blobs.open(kind, NONE),
        lambda: blobs.size(kind, NONE),
        lambda: blobs.get("none", NONE),
    ):
        with pytest.raises(ObjectMissing):
            use()
    assert blobs.list("none") == ()


def test_what_is_deleted_is_gone(blobs: Blobs, kind: str) -> None:
    digest = blobs.put(kind, b"x")
    for _ in range(2):
        blobs.delete(kind, digest)
        assert not blobs.has(kind, digest)
    assert blobs.list(kind) == ()


def test_a_limit_bounds_what_is_got(blobs: Blobs, kind: str) -> None:
    digest = blobs.put(kind, b"data")
    assert blobs.get(kind, digest, 4) == b"data"
    with pytest.raises(TooLarge) as caught:
        blobs.get(kind, digest, 3)
    assert (caught.value.facts["size"], caught.value.facts["limit"]) == (4, 3)


@pytest.mark.parametrize("size", [5, 17 * MIB])
def test_a_changed_object_is_an_error_and_never_data(place: Place, kind: str, size: int) -> None:
    blobs, good = place.handle("a"), bytes(size)
    digest = blobs.put(kind, good)
    for bad in (b"!" + good[1:], good[:-1], good + b"!"):
        place.damage(blobs.key(kind, digest), bad)
        with pytest.raises(ObjectDamaged) as caught:
            blobs.get(kind, digest)
        assert caught.value.code == "IO-014"
        with pytest.raises(ObjectDamaged):
            blobs.open(kind, digest)
    blobs.put(kind, good)
    assert blobs.get(kind, digest) == good, "a second put heals it"


def test_a_list_goes_on_behind_any_digest(blobs: Blobs, kind: str) -> None:
    all_ = sorted((blobs.put(kind, bytes([number])), 1) for number in range(40))
    assert list(blobs.list(kind)) == all_
    found, after = [], ""
    for _ in range(6):
        page = blobs.list(kind, after, 7)
        assert len(page) <= 7
        found += page
        after = page[-1].digest
    assert found == all_
    assert blobs.list(kind, after, 7) == ()
    assert blobs.list(kind, "f" * 64) == ()
    assert list(blobs.list(kind, "0" * 64)) == all_
    assert blobs.list(kind, all_[3][0][:-1] + "0", 2)[0].digest >= all_[3][0][:-1] + "0"
    assert len(blobs.list(kind, "", 0)) == 1
    blobs.put(f"{kind}-more", b"x")
    assert list(blobs.list(kind)) == all_, "a kind whose name begins alike is another kind"


def test_what_is_no_object_neither_shows_in_a_list_nor_ends_it(place: Place, kind: str, tmp_path: Path) -> None:
    blobs, digests = place.handle("a"), sorted(sha256(b"%d" % number) for number in range(5))
    for number in range(5):
        blobs.put(kind, b"%d" % number)
    strange = [f"{digest[:2]}/{name}" for digest in digests for name in ("0", "a.txt", digest[:63], "g" * 64)]
    strange += [f"{digest[:2]}/{NONE[::-1]}" for digest in digests if digest[:2] != NONE[::-1][:2]]
    strange += ["0x", "zz/" + NONE, "zz/0"]
    for name in strange:
        (tmp_path / f"tenants/a/{kind}/sha256/{name}").parent.mkdir(parents=True, exist_ok=True)
        place.damage(f"tenants/a/{kind}/sha256/{name}", b"no object")
    for limit in (1, 2, 5, 1000):
        after, found = "", []
        while page := blobs.list(kind, after, limit):
            assert len(page) == min(limit, 5 - len(found))
            found += [held.digest for held in page]
            after = page[-1].digest
        assert found == digests


def test_kinds_are_listed_in_order(place: Place) -> None:
    blobs, mine = place.handle("aa"), ("y", "x0", "x-1", "x")
    for kind in mine:
        blobs.put(kind, kind.encode())
        blobs.put(kind, b"another")
    assert [kind for kind in blobs.kinds() if kind in mine] == [
        "x",
        "x-1",
        "x0",
        "y",
    ]  # a worker's tests share a bucket
    assert [kind for kind in blobs.kinds("x") if kind in mine] == ["x-1", "x0", "y"]
    assert [kind for kind in blobs.kinds("x-1") if kind in mine] == ["x0", "y"]
    assert list(blobs.kinds("y")) == []
    assert not {"x", "x-1", "x0", "y"}.intersection(place.handle("b").kinds())
    for kind in ("y", "x0", "x-1", "x"):
        blobs.delete(kind, sha256(kind.encode()))
        blobs.delete(kind, sha256(b"another"))


def test_tenants_do_not_meet(place: Place, kind: str) -> None:
    digest = place.handle("a").put(kind, b"mine")
    for other in ("b", "aa"):
        blobs = place.handle(other)
        assert not blobs.has(kind, digest)
        assert blobs.list(kind) == ()
        blobs.delete(kind, digest)
        with pytest.raises(ObjectMissing):
            blobs.get(kind, digest)
        assert blobs.put(kind, b"mine") == digest
        blobs.delete(kind, digest)
    assert place.handle("a").get(kind, digest) == b"mine"
    assert place.refusals == [], "nobody asked for what is another's"


def test_a_key_has_one_form(blobs: Blobs) -> None:
    assert blobs.key("sbom", NONE) == f"tenants/a/sbom/sha256/{NONE[:2]}/{NONE}"
    assert blobs.resolve(blobs.key("sbom", NONE)) == ("sbom", NONE)


FOREIGN = ["tenants/b/sbom/sha256/{aa}/{d}", "tenants/aa/sbom/sha256/{aa}/{d}", "tenants/b/", "tenants/b/../a/x"]
BAD_KEYS = [
    "",
    "/",
    "tenants",
    "tenants/",
    "tenants//sbom/sha256/{aa}/{d}",
    "/tenants/a/sbom/sha256/{aa}/{d}",
    "tenants/a/sbom/sha256/{aa}/{d}/",
    "tenants/a/sbom/sha256/00/{d}",
    "tenants/a/sbom/sha1/{aa}/{d}",
    "tenants/a/../b/sbom/sha256/{aa}/{d}",
    "tenants/a/%2e%2e/b/sbom/sha256/{aa}/{d}",
    "tenants/a/sbom/sha256/{aa}/{d}\0",
    "tenants/a/sbom/sha256/{aa}/{d}\n",
    "tenants/a/SBOM/sha256/{aa}/{d}",
    "tenants/A/sbom/sha256/{aa}/{d}",
    "tenants/../tenants/b/sbom/sha256/{aa}/{d}",
    "tenants/a\\..\\b/sbom/sha256/{aa}/{d}",
    "tenants/\u0430/sbom/sha256/{aa}/{d}",  # a Cyrillic letter
    "x" * 10_000,
]


@pytest.mark.parametrize(
    ("key", "kind"), [*((key, ForeignBlob) for key in FOREIGN), *((key, BadBlobKey) for key in BAD_KEYS)]
)
def test_a_key_that_is_not_its_own_is_refused_and_told(key: str, kind: type[StellaError], place: Place) -> None:
    text = key.format(aa=NONE[:2], d=NONE)
    with pytest.raises(kind) as caught:
        place.handle("a").resolve(text)
    ((tenant, action, told),) = place.refusals
    assert (tenant, action) == ("a", "resolve")
    assert told.isascii()
    assert len(told) <= 2000
    assert len(caught.value.message) < 2200


BAD_TENANTS = ["", " ", "a b", "a/b", "/", "..", "a/../b", "a\0", "a\n", "A", "-a", "a" * 64, "a" * 300]
BAD_TENANTS += ["\u0430", "\uff41", "a\u200b", "\u0131", "\ud800"]  # look like `a` or `i`, or like nothing
BAD_PARTS = [
    "",
    ".",
    "..",
    "../b/sbom",
    "a/b",
    "/",
    "a\0",
    "a\n",
    "A",
    "ä",
    "%2e%2e",
    "-a",
    ".incoming",
    "x" * 33,
    "\u0430",
]


@pytest.mark.parametrize("part", BAD_PARTS)
def test_a_name_that_is_none_is_refused_before_the_store_is_asked(part: str, place: Place) -> None:
    blobs = place.handle("a")
    uses: dict[str, list[Callable[[], object]]] = {
        "get": [lambda: blobs.get(part, NONE), lambda: blobs.get("sbom", part)],
        "open": [lambda: blobs.open(part, NONE), lambda: blobs.open("sbom", part)],
        "has": [lambda: blobs.has(part, NONE), lambda: blobs.has("sbom", part)],
        "size": [lambda: blobs.size(part, NONE), lambda: blobs.size("sbom", part)],
        "delete": [lambda: blobs.delete(part, NONE), lambda: blobs.delete("sbom", part)],
        "kinds": [lambda: list(blobs.kinds(part))] if part else [],
        "list": [lambda: blobs.list(part), *([lambda: blobs.list("sbom", part)] if part else [])],
        "put": [lambda: blobs.put(part, b"x")],
    }
    for action, tries in uses.items():
        for use in tries:
            place.refusals.clear()
            with pytest.raises(BadBlobKey) as caught:
                use()
            assert int(caught.value.exit) == 2
            assert [(tenant, did) for tenant, did, _ in place.refusals] == [("a", action)]


@pytest.mark.parametrize("tenant", BAD_TENANTS)
def test_a_tenant_that_is_none(tenant: str, place: Place) -> None:
    with pytest.raises(BadTenant) as caught:
        place.handle(tenant)
    assert (caught.value.code, int(caught.value.exit)) == ("TENANT-001", 2)
    assert len(caught.value.message) < 1000


def test_an_audit_that_fails_is_no_answer(tmp_path: Path) -> None:
    def broken(*_: str) -> None:
        raise RuntimeError("the audit is full")

    with pytest.raises(RuntimeError):
        DiskBlobs(tmp_path, "a", broken).get("..", NONE)


@pytest.mark.parametrize("store", ["memory", "s3"])
def test_a_disk_that_is_full_when_the_last_bytes_leave_the_buffer_is_told(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[str, Blobs] = {
        "memory": MemoryBlobs("a", lambda *_: None),
        "s3": S3Blobs(Objects(MemoryStore(), "s3://memory/x", "memory"), "a", lambda *_: None),
    }
    blobs = made[store]
    digest = blobs.put("kind", b"data")
    monkeypatch.setattr(tenant_blobs.tempfile, "SpooledTemporaryFile", lambda **_: FullDisk())
    with pytest.raises(DiskFull):
        blobs.open("kind", digest)
    if store == "s3":  # its key is known at the end, so a stream is collected first
        with pytest.raises(DiskFull):
            blobs.put("kind", io.BytesIO(b"data"))


def test_many_writers_of_one_object(place: Place, kind: str) -> None:
    gate = threading.Barrier(4)

    def write(number: int) -> str:
        blobs = place.handle("a")
        gate.wait(10)
        return [blobs.put(kind, b"same" * 1000) for _ in range(5)][number % 5]

    with ThreadPoolExecutor(4) as pool:
        (digest,) = set(pool.map(write, range(4)))
    assert place.handle("a").get(kind, digest) == b"same" * 1000
    assert len(place.handle("a").list(kind)) == 1


class AllStores(RuleBasedStateMachine):
    """Any sequence of commands of two tenants has the same outcome on disk, in memory and in the adapter of buckets."""

    names = st.tuples(st.sampled_from(["a", "aa"]), st.sampled_from(["sbom", "sbom-x"]))
    data = st.binary(max_size=2)

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.place = tempfile.TemporaryDirectory()
        objects: dict[str, bytes] = {}
        self.all: dict[str, tuple[Blobs, ...]] = {
            tenant: (
                MemoryBlobs(tenant, lambda *_: None, objects),
                DiskBlobs(Path(self.place.name), tenant, lambda *_: None),
                S3Blobs(Objects(MemoryStore(), "s3://memory/x", "memory"), tenant, lambda *_: None),
            )
            for tenant in ("a", "aa")
        }

    def teardown(self) -> None:
        if hasattr(self, "place"):
            self.place.cleanup()

    def same(self, tenant: str, use: Callable[[Blobs], object]) -> None:
        found: list[object] = []
        for blobs in self.all[tenant]:
            try:
                found.append(use(blobs))
            except ObjectMissing as error:
                found.append(type(error))
        assert found[0] == found[1] == found[2]

    @rule(name=names, data=data, stream=st.booleans())
    def put(self, name: tuple[str, str], data: bytes, stream: bool) -> None:
        self.same(name[0], lambda blobs: blobs.put(name[1], io.BytesIO(data) if stream else data))

    @rule(name=names, data=data)
    def delete(self, name: tuple[str, str], data: bytes) -> None:
        self.same(name[0], lambda blobs: blobs.delete(name[1], sha256(data)))

    @rule(name=names, data=data)
    def read(self, name: tuple[str, str], data: bytes) -> None:
        self.same(name[0], lambda blobs: blobs.get(name[1], sha256(data)))
        self.same(name[0], lambda blobs: blobs.has(name[1], sha256(data)))

    @rule(name=names, after=st.sampled_from(["", "0" * 64, "8" * 64, sha256(b"")]), limit=st.integers(1, 4))
    def page(self, name: tuple[str, str], after: str, limit: int) -> None:
        self.same(name[0], lambda blobs: blobs.list(name[1], after, limit))


TestAllStores = AllStores.TestCase
TestAllStores.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)


@given(key=st.text(max_size=120))
def test_no_text_is_a_key_of_another_spelling(key: str) -> None:
    blobs = MemoryBlobs("a", lambda *_: None)
    try:
        name = blobs.resolve(key)
    except StellaError as error:
        assert isinstance(error, (BadBlobKey, ForeignBlob))  # noqa: PT017  # either will do
    else:
        assert blobs.key(*name) == key
