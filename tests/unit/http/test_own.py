"""What is one's own needs no scope beside that of the operation; what is another's is not reached by that.

Rules:
- Everybody here is of one tenant, where nothing but scopes and names tell people apart.
- Whether something is there is not told to whoever may not see it.
"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from stella.http.auth import ADMIN
from stella.http.model import UploadState
from stella.operations import Context, Operation, arg
from stella.runtime.files import PRIVATE_MODE
from tests.unit.http.test_app import World, play

KIM, LEE = "kim@default", "lee@default"
TAKE, GIVE, LOOK = "take:run", "give:run", "probe:read"
ABSENT = "00000000-0000-7000-8000-000000000000"
DATA = b'"what was sent"'
OCTETS = {"content_type": "application/octet-stream"}


class Take(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Reads a file."""

    file: Annotated[str | None, arg("File.", "file_in")] = None
    source: Annotated[tuple[str, ...], arg("Named ones.", "source")] = ()


class Give(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Writes one."""

    out: Annotated[str | None, arg("File.", "file_out")] = None
    report: Annotated[tuple[str, ...], arg("Named ones.", "report")] = ()


class Done(msgspec.Struct, frozen=True, tag_field="schema", tag="done@1"):
    """Result."""

    data: str


def take(ctx: Context, want: Take) -> Done:
    del ctx
    return Done("".join(Path(place.rpartition("=")[2]).read_text() for place in (want.file, *want.source) if place))


def give(ctx: Context, want: Give) -> Done:
    for place in (want.out, *want.report):
        if place:
            Path(place.rpartition("=")[2]).write_text(f'"{ctx.actor}"')
    return Done("")


class Files(World):
    """A service with operations that read and write files."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        rows = self.probe.rows()
        more = [
            Operation(name, "POST", path, scope, run, kind, Done, lambda _: [], "Probe.", "", "", False, long)  # type: ignore[arg-type]
            for name, path, scope, run, kind, long in (
                ("take.now", "/v1/takes", TAKE, take, Take, False),
                ("take.long", "/v1/takes/long", TAKE, take, Take, True),
                ("give.now", "/v1/gives", GIVE, give, Give, False),
                ("give.long", "/v1/gives/long", GIVE, give, Give, True),
            )
        ]
        self.probe.rows = lambda: [*rows, *more]  # type: ignore[method-assign]

    async def ask(self, who: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        status, _, found = await self.call(method, path, body, token=who, **headers)
        return status, found

    async def job(self, who: str, path: str, body: Any) -> str:
        status, headers, _ = await self.call("POST", path, body, token=who)
        assert status == 202
        await self.until(headers["location"], "done", "failed")
        return headers["location"]

    async def upload(self, who: str, name: str = "b") -> tuple[str, str]:
        """Send a file; the upload and its path."""
        want = {"name": name, "size": len(DATA), "sha256": hashlib.sha256(DATA).hexdigest()}
        status, headers, made = await self.call("POST", "/v1/uploads", want, token=who)
        assert status == 201
        part = self.folder / "parts/default" / f"{made['id']}.part"
        part.write_bytes(DATA)
        self.store.move_upload("default", made["id"], len(DATA), UploadState.OPEN, 2**40)
        return headers["location"], made["path"]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def scoped(who: str, *scopes: str) -> str:
    return f"{who} {' '.join(scopes)}"


MISSING = 403, "HTTP-002"


def said(got: tuple[int, Any]) -> tuple[int, str, str]:
    """Status, code and the scope that is missing."""
    return got[0], got[1]["code"], got[1]["facts"].get("scope", "")


# What belongs to somebody else.


@pytest.mark.parametrize(
    "who",
    [
        scoped(LEE, "probe:write"),  # another person who may run the operation
        scoped(KIM, LOOK),  # the same one with a token that may not
        scoped(f"{ADMIN.name}@default", "probe:write"),  # one whom an issuer calls like the administrator
        scoped("kim@acme", "probe:write"),  # the same name at another tenant
    ],
)
def test_jobs_of_others_are_not_reached(files: Files, who: str) -> None:
    async def scene(files: Files) -> None:
        _, headers, _ = await files.call("POST", "/v1/longs", {"what": "wait"}, token=scoped(KIM, "probe:write"))
        _, of_admin, _ = await files.call("POST", "/v1/longs", {"dir": "N", "what": "wait"})
        for job in (headers["location"], of_admin["location"], f"/v1/jobs/{ABSENT}"):
            assert said(await files.ask(who, "GET", job)) == (*MISSING, "jobs:read")
            assert said(await files.ask(who, "GET", f"{job}/events")) == (*MISSING, "jobs:read")
            assert (await files.ask(who, "HEAD", f"{job}/events"))[0] == 403
            assert said(await files.ask(who, "DELETE", job)) == (*MISSING, "jobs:write")
        assert said(await files.ask(who, "GET", "/v1/jobs")) == (*MISSING, "jobs:read")
        for job in (headers["location"], of_admin["location"]):
            assert (await files.ask("token", "GET", job))[1]["cancelling"] is False
        files.probe.go.set()

    play(files, scene)


@pytest.mark.parametrize(
    "who", [scoped(LEE, TAKE), scoped(KIM, GIVE, LOOK), scoped("admin@default", TAKE), scoped("kim@acme", TAKE)]
)
def test_uploads_of_others_are_not_reached(files: Files, who: str) -> None:
    async def scene(files: Files) -> None:
        of_kim, path = await files.upload(scoped(KIM, TAKE))
        of_admin, _ = await files.upload("token")
        for upload in (of_kim, of_admin, f"/v1/uploads/{ABSENT}"):
            assert said(await files.ask(who, "GET", upload)) == (*MISSING, "files:read")
            assert (await files.ask(who, "HEAD", upload))[0] == 403
            assert said(await files.ask(who, "DELETE", upload)) == (*MISSING, "files:write")
            assert said(await files.ask(who, "PATCH", upload, upload_offset="0", **OCTETS)) == (*MISSING, "files:write")
        assert said(await files.ask(who, "GET", f"/v1/files/{path}")) == (*MISSING, "files:read")
        assert (await files.ask("token", "GET", of_kim))[1]["state"] == "complete"

    play(files, scene)


@pytest.mark.parametrize("who", [scoped(KIM, GIVE), scoped(KIM, LOOK), scoped(KIM, "nothing:here")])
def test_nobody_sends_a_file_that_no_operation_of_his_takes(files: Files, who: str) -> None:
    async def scene(files: Files) -> None:
        want = {"name": "b", "size": 1, "sha256": "0" * 64}
        assert said(await files.ask(who, "POST", "/v1/uploads", want)) == (*MISSING, "files:write")
        assert files.store.uploads == {}

    play(files, scene)


@pytest.mark.parametrize(
    "who", [scoped(LEE, GIVE, TAKE), scoped(KIM, TAKE), scoped("admin@default", GIVE), scoped("kim@acme", GIVE)]
)
def test_downloads_of_others_are_not_reached(files: Files, who: str) -> None:
    async def scene(files: Files) -> None:
        await files.job(scoped(KIM, GIVE), "/v1/gives/long", {"out": "downloads/x/f"})
        await files.job("token", "/v1/gives/long", {"out": "downloads/y/f"})
        for path in ("downloads/x/f", "downloads/x", "downloads/y/f", "downloads/z/f", "downloads", "M", "uploads"):
            assert said(await files.ask(who, "GET", f"/v1/files/{path}")) == (*MISSING, "files:read"), path
        for path in ("downloads/x/../y/f", "downloads//f", "downloads/x/./f", "./downloads/x/f"):
            assert (await files.ask(who, "GET", f"/v1/files/{path}"))[0] in {403, 404, 422}, path

    play(files, scene)


@pytest.mark.parametrize("path", ["/v1/takes", "/v1/takes/long"])
def test_an_operation_reads_no_file_of_others_for_anybody(files: Files, path: str) -> None:
    """Else it would be a way around `files:read`: put what it read somewhere, and fetch that."""

    async def scene(files: Files) -> None:
        _, upload = await files.upload(scoped(KIM, TAKE))
        await files.job(scoped(KIM, GIVE), "/v1/gives/long", {"out": "downloads/x/f"})
        (files.ground() / "M").mkdir()
        (files.ground() / "M/f").write_bytes(DATA)
        who = scoped(LEE, TAKE, GIVE)
        for place in (upload, f"uploads/{ABSENT}/b", "downloads/x/f", "M/f", "M", "absent"):
            for body in ({"file": place}, {"source": [place]}, {"source": [f"artifacts={place}"]}):
                assert said(await files.ask(who, "POST", path, body)) == (*MISSING, "files:read"), body

    play(files, scene)


@pytest.mark.parametrize("path", ["/v1/gives", "/v1/gives/long"])
def test_an_operation_writes_no_file_over_those_of_others(files: Files, path: str) -> None:
    async def scene(files: Files) -> None:
        await files.job(scoped(KIM, GIVE), "/v1/gives/long", {"out": "downloads/x/f"})
        (files.ground() / "downloads/old").mkdir()
        who = scoped(LEE, GIVE, TAKE)
        for place in ("downloads/x/f", "downloads/x/other", "downloads/old/f", "M/trust/root.json", "f", "downloads"):
            for body in ({"out": place}, {"report": [f"junit={place}"]}):
                assert said(await files.ask(who, "POST", path, body)) == (*MISSING, "files:write"), body
        assert (await files.ask("token", "GET", "/v1/files/downloads/x/f"))[1] == "kim"

    play(files, scene)


def test_what_only_its_owner_may_read_is_sent_by_no_operation(files: Files) -> None:
    async def scene(files: Files) -> None:
        key = files.ground() / "key.pem"
        key.write_text("secret")
        key.chmod(PRIVATE_MODE)
        for who in ("token", scoped(KIM, TAKE, "files:read")):
            for body in ({"file": "key.pem"}, {"source": ["key.pem"]}, {"source": ["artifacts=key.pem"]}):
                status, problem = await files.ask(who, "POST", "/v1/takes", body)
                assert (status, problem["code"]) == (403, "HTTP-033")

    play(files, scene)


# What is one's own.


def test_a_file_goes_there_is_worked_on_and_comes_back_with_one_scope_for_each(files: Files) -> None:
    async def scene(files: Files) -> None:
        sender, fetcher = scoped(KIM, TAKE), scoped(KIM, GIVE)
        upload, path = await files.upload(sender)
        assert (await files.ask(sender, "HEAD", upload))[0] == 200
        assert (await files.ask(sender, "GET", upload))[1]["state"] == "complete"
        job = await files.job(sender, "/v1/takes/long", {"file": path})
        assert (await files.ask(sender, "GET", job))[1]["result"]["data"] == DATA.decode()
        assert (await files.ask(sender, "HEAD", f"{job}/events"))[0] == 200
        assert (await files.ask(sender, "POST", "/v1/takes", {"source": [f"a={path}"]}))[0] == 200
        assert (await files.ask(sender, "DELETE", upload))[0] == 204
        for path in ("/v1/gives", "/v1/gives/long"):
            out = f"downloads/{len(path)}/0/f"
            assert (await files.ask(fetcher, "POST", path, {"out": out, "report": [f"junit={out}.xml"]}))[0] in {
                200,
                202,
            }
        job = await files.job(fetcher, "/v1/gives/long", {"out": out})
        assert (await files.ask(fetcher, "GET", f"/v1/files/{out}")) == (200, "kim")
        _, listed = await files.ask(fetcher, "GET", f"/v1/files/{out.rpartition('/')[0]}")
        assert [row["name"] for row in listed["entries"]] == ["f", "f.xml"]

    play(files, scene)


def test_one_s_own_job_is_cancelled_without_another_scope(files: Files) -> None:
    async def scene(files: Files) -> None:
        who = scoped(KIM, "probe:write")
        _, headers, _ = await files.call("POST", "/v1/longs", {"what": "wait"}, token=who)
        assert (await files.ask(who, "DELETE", headers["location"]))[0] == 202
        assert (await files.until(headers["location"], "cancelled"))["principal"] == "kim"

    play(files, scene)


def test_what_is_of_others_is_open_to_the_scopes_for_it(files: Files) -> None:
    async def scene(files: Files) -> None:
        upload, path = await files.upload(scoped(KIM, TAKE))
        job = await files.job(scoped(KIM, GIVE), "/v1/gives/long", {"out": "downloads/x/f"})
        who = scoped(LEE, TAKE, GIVE, "files:read", "jobs:read")
        assert (await files.ask(who, "GET", job))[0] == 200
        assert (await files.ask(who, "GET", upload))[0] == 200
        assert (await files.ask(who, "GET", "/v1/files/downloads/x/f")) == (200, "kim")
        assert (await files.ask(who, "POST", "/v1/takes", {"file": path}))[0] == 200
        assert said(await files.ask(who, "DELETE", upload)) == (*MISSING, "files:write")
        assert said(await files.ask(who, "DELETE", job)) == (*MISSING, "jobs:write")
        writer = scoped(LEE, GIVE, "files:write", "jobs:write")
        assert (await files.ask(writer, "POST", "/v1/gives", {"out": "downloads/x/f"}))[0] == 200
        assert (await files.ask(writer, "DELETE", upload))[0] == 204
        assert (await files.ask(writer, "DELETE", job))[0] == 409
        assert (await files.ask(scoped(KIM, GIVE), "GET", "/v1/files/downloads/x/f")) == (200, "lee")

    play(files, scene)


def test_one_s_own_outlives_the_service(files: Files) -> None:
    who = scoped(KIM, GIVE)

    async def first(files: Files) -> None:
        await files.job(who, "/v1/gives/long", {"out": "downloads/x/f"})

    async def then(files: Files) -> None:
        assert (await files.ask(who, "GET", "/v1/files/downloads/x/f")) == (200, "kim")
        assert said(await files.ask(scoped(LEE, GIVE), "GET", "/v1/files/downloads/x/f")) == (*MISSING, "files:read")
        files.service.uploads.sweep()  # what keeps in mind whose a download is, is no piece of an upload
        assert (await files.ask(who, "GET", "/v1/files/downloads/x/f"))[0] == 200
        files.service.grounds.sweep(2**40)
        assert said(await files.ask(who, "GET", "/v1/files/downloads/x/f")) == (*MISSING, "files:read")
        assert [path for path in (files.folder / "parts/default").rglob("*") if path.is_file()] == []
        assert (await files.ask(scoped(LEE, GIVE), "POST", "/v1/gives", {"out": "downloads/x/f"}))[0] == 200

    play(files, first)
    play(files, then)


def test_of_many_who_name_a_download_at_once_one_has_it(files: Files) -> None:
    async def scene(files: Files) -> None:
        names = [f"p{number}@default" for number in range(12)]
        body = {"out": "downloads/x/f"}
        found = await asyncio.gather(*(files.ask(scoped(name, GIVE), "POST", "/v1/gives", body) for name in names))
        won = [name for name, got in zip(names, found, strict=True) if got[0] == 200]
        assert len(won) == 1
        assert (await files.ask(scoped(won[0], GIVE), "GET", "/v1/files/downloads/x/f"))[0] == 200

    play(files, scene)


def test_a_refusal_is_told(files: Files) -> None:
    told: list[tuple[Any, ...]] = []

    async def scene(files: Files) -> None:
        files.service.app._denied = lambda who, *words, **facts: told.append((who.name, *words, facts))
        await files.ask(scoped(LEE, TAKE), "GET", f"/v1/jobs/{ABSENT}")
        await files.ask(scoped(LEE, TAKE), "POST", "/v1/takes", {"file": "M/f"})

    play(files, scene)
    assert told == [
        ("lee", "auth.denied", "jobs.show", {"code": "HTTP-002", "reason": "scope", "scope": "jobs:read"}),
        ("lee", "auth.denied", "take.now", {"code": "HTTP-002", "reason": "scope", "scope": "files:read"}),
    ]
