"""Uploads and downloads of the service: pieces, restarts, hostile archives."""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stella.runtime.postgres_server import Postgres
from tests.service import Got, Running, running

pytestmark = pytest.mark.network
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("uploads"), postgres, STELLA_SERVICE_MAX_UPLOAD_MIB="64") as made:
        yield made


def begin(service: Running, data: bytes, name: str = "b.bin", **other: Any) -> Got:
    body = {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} | other
    return service.call("POST", "/v1/uploads", body)


def append(service: Running, location: str, offset: int, data: bytes, **headers: str) -> Got:
    given = {"Upload_Offset": str(offset), "Content_Type": "application/octet-stream"} | headers
    return service.call("PATCH", location, data, **given)


def upload(service: Running, data: bytes, **other: Any) -> Got:
    location = begin(service, data, **other).headers["location"]
    return append(service, location, 0, data)


def test_a_file_in_pieces(service: Running) -> None:
    data = os.urandom(3 * MIB)
    made = begin(service, data)
    assert (made.status, made.json["offset"], made.json["state"]) == (201, 0, "open")
    location = made.headers["location"]
    assert append(service, location, 0, data[:MIB]).json["offset"] == MIB
    asked = service.call("HEAD", location)
    assert (asked.status, asked.headers["upload-offset"], asked.body) == (200, str(MIB), b"")
    wrong = append(service, location, 5, data[5:])
    assert (wrong.status, wrong.json["code"], wrong.json["facts"]["offset"]) == (409, "HTTP-021", MIB)
    assert not (service.work / made.json["path"]).exists()
    ended = append(service, location, MIB, data[MIB:])
    assert (ended.status, ended.json["state"]) == (200, "complete")
    assert (service.work / made.json["path"]).read_bytes() == data
    assert append(service, location, 3 * MIB, b"more").json["code"] == "HTTP-037"
    assert list(service.parts.iterdir()) == []


def test_an_empty_file(service: Running) -> None:
    made = begin(service, b"")
    assert made.json["state"] == "complete"
    assert (service.work / made.json["path"]).read_bytes() == b""


def test_what_came_before_a_break_is_kept(service: Running) -> None:
    data = os.urandom(5 * MIB)
    location = begin(service, data).headers["location"]
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    connection.putrequest("PATCH", location)
    for name, value in (
        ("Authorization", f"Bearer {service.token}"),
        ("Content-Type", "application/octet-stream"),
        ("Upload-Offset", "0"),
        ("Content-Length", str(len(data))),
    ):
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(data[: 2 * MIB])
    connection.close()
    offset = 0
    for _ in range(200):
        offset = int(service.call("HEAD", location).headers["upload-offset"])
        if offset:
            break
    assert 0 < offset <= 2 * MIB
    for _ in range(200):  # the broken request may still be ending
        got = append(service, location, offset, data[offset:])
        if got.status != 503:
            break
        offset = int(service.call("HEAD", location).headers["upload-offset"])
    assert got.json["state"] == "complete", got


@pytest.mark.slow
def test_a_kill_between_pieces(tmp_path: Path, postgres: Postgres) -> None:
    data = os.urandom(2 * MIB)
    with running(tmp_path, postgres) as service:
        location = begin(service, data).headers["location"]
        append(service, location, 0, data[: MIB + 7])
        service.kill()
        with (service.parts / f"{location.rpartition('/')[2]}.part").open("ab") as torn:
            torn.write(b"written, but never acknowledged" * 100_000)
        service.start()
        assert service.call("HEAD", location).headers["upload-offset"] == str(MIB + 7)
        assert append(service, location, MIB + 7, data[MIB + 7 :]).json["state"] == "complete"


def test_bytes_that_are_not_those_that_were_announced(service: Running) -> None:
    data = b"a" * 1000
    location = begin(service, data).headers["location"]
    got = append(service, location, 0, b"b" * 1000)
    assert (got.status, got.json["code"], got.json["exit"]) == (422, "HTTP-022", 6)
    shown = service.call("GET", location).json
    assert shown["state"] == "refused"
    assert not (service.work / shown["path"]).exists()
    assert list(service.parts.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"name": "../x"}, 422, "HTTP-010"),
        ({"name": ".."}, 422, "HTTP-010"),
        ({"name": "a\nb"}, 422, "HTTP-010"),
        ({"name": ""}, 422, "HTTP-010"),
        ({"name": "x" * 256}, 422, "HTTP-010"),
        ({"size": -1}, 422, "HTTP-010"),
        ({"size": 65 * MIB}, 413, "HTTP-005"),
        ({"sha256": "x"}, 422, "HTTP-010"),
        ({"mode": "0777"}, 422, "HTTP-010"),
    ],
)
def test_an_upload_of_the_wrong_form(service: Running, change: dict[str, Any], status: int, code: str) -> None:
    got = begin(service, b"data", **change)
    assert (got.status, got.json["code"]) == (status, code)


def test_more_than_was_announced(service: Running) -> None:
    location = begin(service, b"12345").headers["location"]
    got = append(service, location, 0, b"123456")
    assert (got.status, got.json["code"]) == (413, "HTTP-005")
    assert service.call("GET", location).json["offset"] == 0


@pytest.mark.parametrize("offset", ["", "-1", "x", "1e3", "9" * 30, "\xb2"])
def test_an_offset_of_the_wrong_form(service: Running, offset: str) -> None:
    location = begin(service, b"12345").headers["location"]
    got = append(service, location, 0, b"1", Upload_Offset=offset)
    assert (got.status, got.json["code"]) == (422, "HTTP-010")


def test_an_upload_is_deleted(service: Running) -> None:
    made = upload(service, b"data")
    assert service.call("DELETE", made.headers["location"]).status == 204
    assert not (service.work / made.json["path"]).parent.exists()
    for method in ("GET", "DELETE"):
        got = service.call(method, made.headers["location"])
        assert (got.status, got.json["code"]) == (404, "HTTP-020")


# Folders.


def tar(*members: tuple[str, bytes | None], form: int = tarfile.USTAR_FORMAT, **marks: Any) -> bytes:
    """An archive; content None makes a folder, and `marks` change each header."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            info.size = len(content or b"")
            for mark, value in marks.items():
                setattr(info, mark, value)
            archive.addfile(info, io.BytesIO(content or b""))
    return out.getvalue()


def test_a_folder(service: Running) -> None:
    long = "/".join(["folder" * 8] * 3)
    data = tar(("a", None), ("a/b.txt", b"one"), (f"{long}/ü.bin", bytes(1000)), ("empty", b""), ("last", b"x" * 512))
    got = upload(service, data, name="src", unpack=True)
    assert got.json["state"] == "complete", got
    top = service.work / got.json["path"]
    found = {path.relative_to(top).as_posix(): path.read_bytes() for path in top.rglob("*") if path.is_file()}
    assert found == {"a/b.txt": b"one", f"{long}/ü.bin": bytes(1000), "empty": b"", "last": b"x" * 512}
    assert list(service.parts.iterdir()) == []


GOOD = tar(("a", b"one"))
HOSTILE = {
    "above": tar(("../x", b"1")),
    "absolute": tar(("/etc/x", b"1")),
    "through": tar(("a/../../x", b"1")),
    "dot": tar((".", None)),
    "link": tar(("a", b""), type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": tar(("a", b""), type=tarfile.LNKTYPE, linkname="/etc/passwd"),
    "device": tar(("a", b""), type=tarfile.CHRTYPE),
    "pipe": tar(("a", b""), type=tarfile.FIFOTYPE),
    "pax": tar(("a" * 300, b"1"), form=tarfile.PAX_FORMAT),
    "gnu": tar(("a" * 300, b"1"), form=tarfile.GNU_FORMAT),
    "short gnu": tar(("a", b"1"), form=tarfile.GNU_FORMAT),
    "twice": tar(("a", b"1"), ("a", b"2")),
    "file as folder": tar(("a", b"1"), ("a/b", b"2")),
    "folder as file": tar(("a/b", b"1"), ("a", b"2")),
    "no end": GOOD[:1024],
    "cut": tar(("a", bytes(5000)))[:2048],
    "control": tar(("a\nb", b"1")),
    "checksum": GOOD[:10] + b"x" + GOOD[11:],
    "negative": GOOD[:124] + b"\xff" * 12 + GOOD[136:],
    "no tar": b"PK\x03\x04" + bytes(2000),
    "empty": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_folder(service: Running, name: str) -> None:
    data = HOSTILE[name]
    before = {path for path in service.data.rglob("*") if path.suffix != ".part"}
    made = begin(service, data, name="src", unpack=True)
    got = append(service, made.headers["location"], 0, data) if data else made
    assert (got.status, got.json["code"]) == (422, "HTTP-023"), got
    if data:
        assert service.call("GET", made.headers["location"]).json["state"] == "refused"
        left = {path for path in service.data.rglob("*") if path.suffix != ".part"} - before
        assert {path.name for path in left if path.is_file()} == set()


# Downloads.


def test_a_file_comes_back(service: Running) -> None:
    data = os.urandom(200_000)
    path = f"/v1/files/{upload(service, data).json['path']}"
    got = service.call("GET", path)
    digest = hashlib.sha256(data).hexdigest()
    assert (got.status, got.body, got.headers["etag"]) == (200, data, f'"{digest}"')
    assert service.call("GET", path, If_None_Match=f'"{digest}"').status == 304
    part = service.call("GET", path, Range="bytes=10-19")
    assert (part.status, part.body, part.headers["content-range"]) == (206, data[10:20], "bytes 10-19/200000")
    assert service.call("GET", path, Range="bytes=-5").body == data[-5:]
    assert service.call("GET", path, Range="bytes=10-19", If_Range='"other"').body == data
    head = service.call("HEAD", path)
    assert (head.status, head.headers["content-length"], head.body) == (200, "200000", b"")


@pytest.mark.parametrize("wanted", ["bytes=9-", "bytes=5-4", "bytes=0-1,3-4", "lines=1-2", "bytes=", "bytes=-0", "x"])
def test_a_range_that_cannot_be(service: Running, wanted: str) -> None:
    got = service.call("GET", f"/v1/files/{upload(service, b'123456789').json['path']}", Range=wanted)
    assert (got.status, got.json["code"]) == (416, "HTTP-035")


def test_keys_stay_where_they_are(service: Running) -> None:
    service.call("POST", "/v1/mirror/channels", {"dir": "private"})
    keys = [path for path in (service.work / "private").rglob("*") if path.is_file() and not path.stat().st_mode & 0o44]
    assert keys
    for key in keys:
        got = service.call("GET", f"/v1/files/{key.relative_to(service.work)}")
        assert (got.status, got.json["code"]) == (403, "HTTP-033")
    assert service.call("GET", "/v1/files/private/trust/root.json").status == 200


def test_a_folder_is_listed_in_pages(service: Running) -> None:
    (service.work / "many").mkdir()
    for number in range(5):
        (service.work / "many" / f"{number}").write_bytes(b"x" * number)
    (service.work / "many" / "link").symlink_to("/etc")
    first = service.call("GET", "/v1/files/many?limit=3").json
    assert [entry["name"] for entry in first["entries"]] == ["0", "1", "2"]
    assert first["entries"][2] == {"name": "2", "kind": "file", "size": 2}
    rest = service.call("GET", f"/v1/files/many?limit=3&cursor={first['next']}").json
    assert ([entry["name"] for entry in rest["entries"]], rest["next"]) == (["3", "4"], None)
    (service.work / "few").mkdir()
    assert service.call("GET", f"/v1/files/few?cursor={first['next']}").json["code"] == "DOC-005"
    assert service.call("GET", "/v1/files/none").json["code"] == "IO-001"
