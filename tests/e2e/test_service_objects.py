"""The objects of two tenants at one service: by the client and by requests that no client sends.

Rules:
- Who asks is said by a stub in place of the verifier of tokens: `Bearer NAME@TENANT`.
- The kinds and the bytes are the same at both.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from stella.cli.main import run
from stella.client.api import Client
from stella.kernel.errors import BadBlobKey, BadCursor, ForeignBlob
from stella.objects.errors import NoObject
from stella.runtime.errors import ObjectDamaged
from stella.runtime.postgres_server import Postgres
from tests.e2e.material import ROOT, as_process
from tests.e2e.test_service_tenants import STUB
from tests.service import PATIENCE, Got, Running, running

pytestmark = pytest.mark.network

A, B = "acme", "acme-2"
BIG = bytes(range(256)) * (20 * 4096) + b"the end"  # several pieces of an upload


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Running]:
    top = tmp_path_factory.mktemp("objects")
    (top / "extra").mkdir()
    (top / "extra" / "sitecustomize.py").write_text(STUB)
    path = f"{top}/extra:{ROOT}/src:{ROOT}"
    with running(top, postgres, PYTHONPATH=path, STELLA_STORE_OBJECTS="kept") as made:
        yield made
        assert not [line for line in made.lines() if line["event"] in {"failed", "library", "outside_tenant"}]


def client(service: Running, tenant: str) -> Client:
    return Client(service.url, f"kim@{tenant}")


def ask(service: Running, tenant: str, method: str, path: str, body: Any = None) -> Got:
    return service.call(method, path, body, Authorization=f"Bearer kim@{tenant}")


def told(service: Running, tenant: str, wanted: int) -> list[tuple[str, str, str]]:
    """The tenant's refusals, when there are as many: they are written behind the answer."""
    end = time.monotonic() + PATIENCE
    while True:
        got = ask(service, tenant, "GET", "/v1/audit/events?action=object.denied&limit=1000")
        rows = [(row["actor"], row["after"]["tried"], row["resource"]) for row in got.json["rows"]]
        if len(rows) >= wanted or time.monotonic() > end:
            assert len(rows) == wanted, rows
            return rows
        time.sleep(0.05)


def put(service: Running, tenant: str, folder: Path, data: bytes, kind: str = "note") -> str:
    (folder / "file").write_bytes(data)
    return client(service, tenant).object.put(kind=kind, file=str(folder / "file")).digest


def test_a_file_goes_there_and_comes_back(service: Running, tmp_path: Path) -> None:
    at = client(service, "way")
    digest = put(service, "way", tmp_path, BIG)
    assert digest == hashlib.sha256(BIG).hexdigest()
    assert put(service, "way", tmp_path, BIG) == digest
    (row,) = at.object.list().rows
    shown = at.object.show(kind="note", digest=digest)
    assert (row.digest, row.size, shown.size) == (digest, len(BIG), len(BIG))
    kept = service.data.parent / "kept" / shown.key  # where the service was started, whatever folder a thread stands in
    assert kept.stat().st_size == len(BIG)
    for name in (digest, shown.key):
        got = at.object.get(kind="note", digest=name, out=str(tmp_path / "out"))
        assert (tmp_path / "out").read_bytes() == BIG
        assert (got.out, got.key) == (str(tmp_path / "out"), shown.key)
        (tmp_path / "out").unlink()
        assert at.object.show(kind="note", digest=name) == shown
    assert at.object.delete(kind="note", digest=shown.key).key == shown.key
    assert at.object.list().rows == ()
    assert not kept.exists()
    events = ask(service, "way", "GET", "/v1/audit/events?action=object").json["rows"]
    assert {(row["action"], row["outcome"], row["resource"]) for row in events} == {
        (f"object.{verb}", "success", shown.key) for verb in ("put", "get", "delete")
    }
    told(service, "way", 0)


def test_a_changed_byte_is_an_error(service: Running, tmp_path: Path) -> None:
    at, digest = client(service, "flip"), put(service, "flip", tmp_path, BIG)
    key = at.object.show(kind="note", digest=digest).key
    path = service.data.parent / "kept" / key
    path.write_bytes(BIG[:-1] + b"?")
    with pytest.raises(ObjectDamaged) as caught:
        at.object.get(kind="note", digest=digest, out=str(tmp_path / "out"))
    assert caught.value.facts["path"] == key, "where the installation keeps it is not said"
    assert not (tmp_path / "out").exists()
    assert put(service, "flip", tmp_path, BIG) == digest
    at.object.get(kind="note", digest=digest, out=str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == BIG


def test_tenants_do_not_meet(service: Running, tmp_path: Path) -> None:
    theirs = put(service, B, tmp_path, b"theirs")
    mine, out = client(service, A), str(tmp_path / "out")
    assert mine.object.list().rows == ()
    never, words = "0" * 64, set()
    for digest in (theirs, never):
        with pytest.raises(NoObject) as caught:
            mine.object.get(kind="note", digest=digest, out=out)
        words.add(caught.value.message.replace(digest, ""))
        with pytest.raises(NoObject):
            mine.object.show(kind="note", digest=digest)
        got = ask(service, A, "GET", f"/v1/objects/note/{digest}")
        assert (got.status, got.json["code"]) == (404, "BLOB-006")
        mine.object.delete(kind="note", digest=digest)
    assert len(words) == 1
    assert put(service, A, tmp_path, b"theirs") == theirs
    mine.object.delete(kind="note", digest=theirs)
    client(service, B).object.get(kind="note", digest=theirs, out=out)
    assert Path(out).read_bytes() == b"theirs"
    told(service, A, 0)
    told(service, B, 0)


def test_what_leads_to_another_tenant_is_refused_and_told(service: Running, tmp_path: Path) -> None:
    mine, theirs = "one", "two"
    digest = put(service, theirs, tmp_path, b"theirs")
    key = client(service, theirs).object.show(kind="note", digest=digest).key
    at, out, wanted = client(service, mine), str(tmp_path / "out"), 0
    for kind, name, problem in (
        ("note", key, ForeignBlob),
        ("note", f"../../{theirs}/note/sha256/{digest[:2]}/{digest}", BadBlobKey),
        ("note", "..", BadBlobKey),
        ("..", digest, BadBlobKey),
        ("NOTE", digest, BadBlobKey),
        (f"../{theirs}/note", digest, BadBlobKey),
    ):
        with pytest.raises(problem):
            at.object.get(kind=kind, digest=name, out=out)
        for method in ("GET", "DELETE"):
            for path in (f"{quote(kind)}/{quote(name)}", f"{quote(kind, safe='')}/{quote(name, safe='')}"):
                got = ask(service, mine, method, f"/v1/objects/{path}")
                code = got.json["code"]
                assert (got.status, code) in {(403, "BLOB-002"), (400, "BLOB-001"), (422, "BLOB-001")}, path
        wanted += 5
        told(service, mine, wanted)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(BadBlobKey):
        at.object.put(kind=f"../{theirs}/note", file=str(tmp_path / "file"))
    with pytest.raises(BadBlobKey):
        at.object.list(kind=f"../{theirs}/note")
    rows = told(service, mine, wanted + 2)
    assert ("kim", "resolve", key) in rows
    assert {actor for actor, _, _ in rows} == {"kim"}
    told(service, theirs, 0)
    assert not Path(out).exists()
    assert [row.digest for row in client(service, theirs).object.list().rows] == [digest]
    assert at.object.list().rows == ()


def test_the_cursor_of_another_tenant(service: Running, tmp_path: Path) -> None:
    for data in (b"1", b"2", b"3"):
        for tenant in ("left", "right"):
            put(service, tenant, tmp_path, data)
    cursor = client(service, "right").object.list(limit=1).next
    with pytest.raises(BadCursor):
        client(service, "left").object.list(limit=1, cursor=cursor)
    assert told(service, "left", 1) == [("kim", "list", "tenants/left/")]
    found, after = [], client(service, "right").object.list(limit=2)
    found += [*after.rows, *client(service, "right").object.list(limit=2, cursor=after.next).rows]
    assert [row.digest for row in found] == sorted(hashlib.sha256(data).hexdigest() for data in (b"1", b"2", b"3"))


def test_a_command_in_this_process_is_told_too(
    service: Running, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    digest = put(service, "away", tmp_path, b"theirs")
    key = f"tenants/away/note/sha256/{digest[:2]}/{digest}"
    with as_process(tmp_path, **service.base.settings, STELLA_CLIENT_TENANT="near"):
        for words in (["show", "note", key], ["delete", "note", key], ["get", "note", key, "--out", "out"]):
            assert run(["object", *words]) == 3
        assert run(["object", "list", "--kind", ".."]) == 2
        assert run(["object", "put", "note", "file"]) == 0
    assert "BLOB-002" in capfd.readouterr().err
    rows = told(service, "near", 4)
    assert rows.count(("local", "resolve", key)) == 3
    assert ("local", "list", "tenants/near/../") in rows
    (done,) = ask(service, "near", "GET", "/v1/audit/events?action=object.put").json["rows"]
    assert done["resource"] == key.replace("away", "near")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/objects", {"kind": "note", "file": "../acme-2/file"}),
        ("/v1/objects", {"kind": "note", "file": "/etc/hostname"}),
        ("/v1/objects/exports", {"kind": "note", "digest": "0" * 64, "out": "../acme-2/out"}),
        ("/v1/objects/exports", {"kind": "note", "digest": "0" * 64, "out": "/tmp/out"}),
    ],
)
def test_files_of_a_request_stay_in_the_tenants_folder(service: Running, path: str, body: dict[str, str]) -> None:
    got = ask(service, A, "POST", path, body)
    assert (got.status, got.json["code"]) == (422, "HTTP-011")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/objects", {}),
        ("POST", "/v1/objects", {"kind": 1, "file": "x"}),
        ("POST", "/v1/objects", {"kind": "note", "file": "x", "tenant": B}),
        ("GET", f"/v1/objects?tenant={B}", None),
        ("GET", "/v1/objects?limit=0", None),
        ("GET", "/v1/objects?limit=1001", None),
        ("GET", f"/v1/objects/note/{'0' * 64}?tenant={B}", None),
    ],
)
def test_requests_of_another_form(service: Running, method: str, path: str, body: Any) -> None:
    got = ask(service, A, method, path, body)
    assert (got.status, got.json["code"]) == (400, "HTTP-007") or got.status == 422, got
