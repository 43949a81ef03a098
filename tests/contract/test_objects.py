"""The object store's operations in process, for two tenants on one database: what is kept, found, refused and told.

Rules:
- Both tenants have the same kinds; each uses every name that the other one has.
"""

from __future__ import annotations

import base64
import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from stella.audit import service as audit
from stella.audit import tell
from stella.audit.model import ListEvents
from stella.kernel.cursor import make_cursor
from stella.kernel.digest import sha256
from stella.kernel.errors import BadBlobKey, BadCursor, ForeignBlob, StellaError
from stella.objects import service
from stella.objects.errors import NoObject
from stella.objects.model import DeleteObject, GetObject, ListObjects, ObjectPut, PutObject, ShowObject
from stella.operations import Context, Principal
from stella.runtime.errors import BlobDisplaced, ObjectDamaged, ObjectMissing
from stella.runtime.settings import Settings
from stella.testing import ManualClock, SilentProgress, counted_entropy
from tests.tenant_server import TenantServer
from tests.tenants import Guarded, guarded

__all__ = ["guarded"]  # the fixture

pytestmark = pytest.mark.network

A, B = "acme", "acme-2"
WRAP_KEY = base64.b64encode(b"only for tests, 32 bytes of key.")
MEBIBYTE = 1 << 20


@pytest.fixture
def of(guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Context]:
    """The context of a tenant: a database with an audit log, and a store in a folder."""
    guarded.migrate("audit")
    monkeypatch.chdir(tmp_path)

    def make(tenant: str) -> Context:
        settings = msgspec.convert({"store": {"objects": str(tmp_path / "objects")}}, Settings)
        made = guarded.context(tenant)
        made = dataclasses.replace(made, settings=settings, secret=lambda _: WRAP_KEY)
        return dataclasses.replace(made, refused=lambda _, tried, key: tell.object_denied(made, tried, key))

    return make


def put(ctx: Context, data: bytes, kind: str = "note") -> ObjectPut:
    Path("file").write_bytes(data)
    return service.put(ctx, PutObject(kind, "file"))


def listed(ctx: Context, kind: str | None = None) -> list[tuple[str, str, int]]:
    """Every row, in pages of two."""
    rows, cursor = [], None
    while True:
        page = service.list_objects(ctx, ListObjects(kind, 2, cursor))
        rows += [(row.kind, row.digest, row.size) for row in page.rows]
        cursor = page.next
        if cursor is None:
            return rows


def told(ctx: Context) -> list[tuple[str, str, str]]:
    """Refusals in the tenant's log, in any order: who, what was tried, on which key."""
    found = audit.list_events(ctx, ListEvents(action="object.denied", outcome="denied"))
    return [(row.actor, str(row.after["tried"]), row.resource) for row in found.rows]


def test_what_is_put_is_got_shown_listed_and_deleted(of: Callable[[str], Context]) -> None:
    ctx, data = of(A), bytes(range(256)) * 9000
    made = put(ctx, data)
    assert (made.digest, made.size) == (sha256(data), len(data))
    assert made.key == f"tenants/{A}/note/sha256/{made.digest[:2]}/{made.digest}"
    for name in (made.digest, made.key):
        got = service.get(ctx, GetObject("note", name, "out"))
        assert (Path("out").read_bytes(), got.size, got.digest) == (data, len(data), made.digest)
        assert service.show(ctx, ShowObject("note", name)).size == len(data)
        Path("out").unlink()
    assert listed(ctx) == [("note", made.digest, len(data))]
    for _ in range(2):
        assert service.delete(ctx, DeleteObject("note", made.key)).digest == made.digest
    assert listed(ctx) == []
    assert told(ctx) == []


def test_put_twice_is_one_object(of: Callable[[str], Context], tmp_path: Path) -> None:
    ctx = of(A)
    assert put(ctx, b"same") == put(ctx, b"same")
    assert len(listed(ctx)) == 1
    assert len([path for path in (tmp_path / "objects").rglob("*") if path.is_file()]) == 1


def test_pages_go_over_kinds(of: Callable[[str], Context]) -> None:
    ctx = of(A)
    every = [("b", sha256(b"%d" % number), 1) for number in range(5)]
    every += [("a", sha256(b"x"), 1), ("a-b", sha256(b"x"), 1), ("c", sha256(b"x"), 1), ("c", sha256(b"y"), 1)]
    for kind, digest, _ in every:
        data = next(data for data in (*(b"%d" % number for number in range(5)), b"x", b"y") if sha256(data) == digest)
        put(ctx, data, kind)
    assert listed(ctx) == sorted(every)
    assert listed(ctx, "b") == sorted(row for row in every if row[0] == "b")
    assert listed(ctx, "none") == []
    whole = service.list_objects(ctx, ListObjects(None, 9))
    assert (len(whole.rows), whole.next) == (9, None)
    assert service.list_objects(ctx, ListObjects(None, 8)).next is not None


def test_more_than_the_store_gives_at_once(of: Callable[[str], Context]) -> None:
    ctx = of(A)
    blobs = ctx.blobs()
    every = sorted(blobs.put("many", b"%d" % number) for number in range(1003))
    first = service.list_objects(ctx, ListObjects("many", 1000))
    second = service.list_objects(ctx, ListObjects("many", 1000, first.next))
    assert [row.digest for row in (*first.rows, *second.rows)] == every
    assert (len(first.rows), second.next) == (1000, None)


def test_a_changed_byte_is_an_error_and_no_file(of: Callable[[str], Context], tmp_path: Path) -> None:
    ctx = of(A)
    made = put(ctx, b"x" * 100_000)
    path = tmp_path / "objects" / made.key
    path.write_bytes(b"x" * 50_000 + b"y" + b"x" * 49_999)
    Path("out").write_bytes(b"before")
    with pytest.raises(ObjectDamaged) as caught:
        service.get(ctx, GetObject("note", made.digest, "out"))
    assert (caught.value.code, caught.value.facts["path"]) == ("IO-014", made.key)
    with pytest.raises(ObjectDamaged):
        service.get(ctx, GetObject("note", made.digest, "new"))
    assert Path("out").read_bytes() == b"before"
    assert not Path("new").exists()
    put(ctx, b"x" * 100_000)
    assert service.get(ctx, GetObject("note", made.digest, "out")).size == 100_000


def test_tenants_do_not_meet(of: Callable[[str], Context]) -> None:
    """By digest another tenant's object is as absent as one that never was, and so no refusal."""
    theirs = put(of(B), b"theirs")
    never = sha256(b"never")
    mine = of(A)
    assert listed(mine) == []
    problems = {}
    for digest in (theirs.digest, never):
        for use in (
            lambda digest: service.get(mine, GetObject("note", digest, "out")),
            lambda digest: service.show(mine, ShowObject("note", digest)),
        ):
            with pytest.raises(NoObject) as caught:
                use(digest)
            problems[caught.value.message.replace(digest, "")] = caught.value
        service.delete(mine, DeleteObject("note", digest))
    assert len(problems) == 1, "the same words for what is there and what is not"
    assert not Path("out").exists()
    assert told(mine) == []
    assert put(mine, b"theirs").digest == theirs.digest
    service.delete(mine, DeleteObject("note", theirs.digest))
    assert service.get(of(B), GetObject("note", theirs.digest, "out")).size == 6


def uses(ctx: Context, kind: str, digest: str) -> list[Callable[[], object]]:
    return [
        lambda: service.get(ctx, GetObject(kind, digest, "out")),
        lambda: service.show(ctx, ShowObject(kind, digest)),
        lambda: service.delete(ctx, DeleteObject(kind, digest)),
    ]


def test_names_that_lead_to_another_tenant_are_refused_and_told(of: Callable[[str], Context]) -> None:
    theirs = put(of(B), b"theirs")
    mine = of(A)
    aa, digest = theirs.digest[:2], theirs.digest
    tries: list[tuple[str, str, type[StellaError]]] = [
        ("note", theirs.key, ForeignBlob),
        ("note", f"tenants/{A}/../{B}/note/sha256/{aa}/{digest}", BadBlobKey),
        ("note", f"../../../../{B}/note/sha256/{aa}/{digest}", BadBlobKey),
        (f"../{B}/note", digest, BadBlobKey),
        ("..", digest, BadBlobKey),
        ("note", "..", BadBlobKey),
        ("", digest, BadBlobKey),
        ("note", f"{digest}\0", BadBlobKey),
        ("other", f"tenants/{A}/note/sha256/{aa}/{digest}", BadBlobKey),
    ]
    wanted = 0
    for kind, name, problem in tries:
        for use in uses(mine, kind, name):
            with pytest.raises(problem):
                use()
            wanted += 1
            assert len(told(mine)) == wanted, (kind, name)
    Path("file").write_bytes(b"x")
    for use in (
        lambda: service.put(mine, PutObject(f"../{B}/note", "file")),
        lambda: service.list_objects(mine, ListObjects(f"../{B}/note")),
    ):
        with pytest.raises(BadBlobKey):
            use()
        wanted += 1
        assert len(told(mine)) == wanted
    assert {actor for actor, _, _ in told(mine)} == {"operator"}
    assert ("operator", "resolve", theirs.key) in told(mine)
    assert told(of(B)) == []
    assert listed(mine) == []
    assert not Path("out").exists()
    assert service.get(of(B), GetObject("note", digest, "out")).size == 6


def test_the_cursor_of_another_tenant_is_refused_and_told(of: Callable[[str], Context]) -> None:
    for tenant in (A, B):
        for data in (b"1", b"2", b"3"):
            put(of(tenant), data)
    mine, theirs = of(A), service.list_objects(of(B), ListObjects("note", 1))
    for cursor in (theirs.next, "nonsense", make_cursor(("object.list", B, None), ("note", ""))):
        with pytest.raises(BadCursor):
            service.list_objects(mine, ListObjects("note", 1, cursor))
    assert told(mine) == [("operator", "list", f"tenants/{A}/note")] * 3
    forged = make_cursor(("object.list", A, None), (f"../{B}/note", sha256(b"1")))
    with pytest.raises(BadBlobKey):
        service.list_objects(mine, ListObjects(None, 1, forged))
    forged = make_cursor(("object.list", A, "note"), ("note", f"../{B}"))
    with pytest.raises(BadBlobKey):
        service.list_objects(mine, ListObjects("note", 1, forged))
    assert len(told(mine)) == 5
    assert told(of(B)) == []


def test_a_link_in_the_place_of_an_object_is_refused_and_told(of: Callable[[str], Context], tmp_path: Path) -> None:
    theirs, mine = put(of(B), b"theirs"), of(A)
    own = put(mine, b"own")
    path = tmp_path / "objects" / own.key
    path.unlink()
    path.symlink_to(tmp_path / "objects" / theirs.key)
    with pytest.raises(BlobDisplaced) as caught:
        service.get(mine, GetObject("note", own.digest, "out"))
    assert str(tmp_path) not in caught.value.message + caught.value.advice
    assert told(mine) == [("operator", "open", f"tenants/{A}/note/{own.digest}")]


def test_a_refusal_that_cannot_be_written_is_no_answer(of: Callable[[str], Context]) -> None:
    class Full(Exception):
        pass

    def fail(*_: object) -> None:
        raise Full

    with pytest.raises(Full):
        service.show(dataclasses.replace(of(A), refused=fail), ShowObject("..", sha256(b"x")))


def test_a_source_that_is_not_there(of: Callable[[str], Context]) -> None:
    with pytest.raises(ObjectMissing) as caught:
        service.put(of(A), PutObject("note", "none"))
    assert caught.value.facts["path"] == "none"
    assert listed(of(A)) == []


def test_without_a_setting_the_store_is_in_the_data_folder(of: Callable[[str], Context], tmp_path: Path) -> None:
    ctx = dataclasses.replace(of(A), settings=msgspec.convert({"stack": {"data": "S"}}, Settings))
    made = put(ctx, b"x")
    assert (tmp_path / "S/objects" / made.key).read_bytes() == b"x"
    assert (tmp_path / "S/objects").stat().st_mode & 0o777 == 0o700


def test_memory_does_not_grow_with_a_file(tmp_path: Path) -> None:
    """Put and get 256 MiB in a process that may have no more memory than an empty one has, and 96 MiB."""
    with (tmp_path / "big").open("wb") as file:
        for _ in range(256):
            file.write(os.urandom(MEBIBYTE))
    code = """
import sys, resource
from stella import bootstrap
from stella.cli.main import run
bootstrap.load_all()
from stella.objects import service
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 96 * 2**20,) * 2)
assert run(["object", "put", "note", "big"]) == 0
import os
(digest,) = [name for _, _, names in os.walk(".stella") for name in names]
sys.exit(run(["object", "get", "note", digest, "--out", "again"]))
"""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert sha256((tmp_path / "again").read_bytes()) == sha256((tmp_path / "big").read_bytes())


def test_in_a_bucket(tenant_server: TenantServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the keys of each tenant, as settings name them."""
    monkeypatch.chdir(tmp_path)
    told: list[tuple[str, str, str]] = []
    server = tenant_server
    store = server.accounts.settings(server.endpoint)
    store = msgspec.structs.replace(store, objects=f"s3://{server.accounts.bucket}/")

    def of(tenant: str) -> Context:
        return Context(
            ManualClock(),
            counted_entropy("x"),
            SilentProgress(),
            Settings(store=store),
            server.reveal,
            "kim",
            principal=Principal("kim", frozenset(), tenant),
            refused=lambda principal, tried, key: told.append((principal.tenant, tried, key)),
        )

    mine, theirs = of("a"), put(of("b"), b"theirs", "of-objects")
    data = os.urandom(20 * MEBIBYTE)
    own = put(mine, data, "of-objects")
    assert service.get(mine, GetObject("of-objects", own.key, "out")).size == len(data)
    assert Path("out").read_bytes() == data
    assert listed(mine, "of-objects") == [("of-objects", own.digest, len(data))]
    assert ("of-objects", own.digest, len(data)) in listed(mine)
    with pytest.raises(NoObject):
        service.show(mine, ShowObject("of-objects", theirs.digest))
    with pytest.raises(ForeignBlob):
        service.delete(mine, DeleteObject("of-objects", theirs.key))
    assert told == [("a", "resolve", theirs.key)]
    assert server.ask(server.own, "PUT", f"/{server.accounts.bucket}/{own.key}", body=b"changed").status == 200
    with pytest.raises(ObjectDamaged) as caught:
        service.get(mine, GetObject("of-objects", own.digest, "out"))
    assert caught.value.facts["path"] == own.key
    for ctx, made in ((mine, own), (of("b"), theirs)):
        service.delete(ctx, DeleteObject("of-objects", made.digest))
        assert listed(ctx, "of-objects") == []
