"""The service in process for several tenants: whatever one does, another neither sees nor feels it."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from stella.http.app import MAX_ASKING
from stella.http.auth import Presented, Tokens, presented
from stella.http.errors import NotAuthenticated, UnsafePlace
from stella.http.ids import Ids
from stella.http.places import Grounds
from stella.identity.model import State
from stella.kernel.errors import BadTenant
from stella.operations import EVERY_SCOPE, Context, Principal
from stella.runtime.errors import SharedKeys
from stella.runtime.settings import ServiceSettings, StoreSettings
from stella.tenancy.errors import TokenBinding, TokenKeyUnknown, TokenTenantMismatch
from stella.tenancy.model import Pending
from stella.testing import counted_entropy
from tests.stores import ROOM, job_id, new
from tests.unit.http.test_app import Got, Probe, Want, World, play, world

__all__ = ["world"]  # the fixture

A, B = "kim@acme", "kim@acme-2"  # the same name at both
NOBODY = "00000000-0000-7000-8000-000000000000"


def test_the_header_repeats_the_tenant_or_is_refused(world: World) -> None:
    async def scene(world: World) -> None:
        assert (await world.call("GET", "/v1/looks", token=A, X_Stella_Tenant="acme"))[0] == 200
        assert (await world.call("GET", "/v1/looks", X_Stella_Tenant="default"))[0] == 200
        for token, tenant, status, code in (
            (A, "acme-2", 403, "TOKEN-009"),
            ("token", "acme", 403, "TOKEN-009"),
            (A, "Acme", 400, "TENANT-001"),
            (A, "", 400, "TENANT-001"),
            (A, "acme,acme-2", 400, "TENANT-001"),
            (A, "\xe4", 400, "TENANT-001"),
            ("nobody", "acme", 401, "HTTP-001"),
        ):
            got, headers, problem = await world.call("GET", "/v1/looks", token=token, X_Stella_Tenant=tenant)
            assert (got, problem["code"]) == (status, code), tenant
            assert ("www-authenticate" in headers) == (status in {401, 403})
        assert world.probe.turns == 2

    play(world, scene)


def test_every_header_of_the_tenant_counts() -> None:
    tokens = Tokens(b"token")
    for first, second in (("default", "acme"), ("acme", "default"), ("default", "")):
        headers = [(b"x-stella-tenant", word.encode()) for word in (first, second)]
        with pytest.raises((BadTenant, TokenTenantMismatch)):
            tokens.principal(Presented(b"Bearer token", {"headers": headers}))


def test_jobs_of_another_tenant(world: World) -> None:
    async def scene(world: World) -> None:
        _, headers, _ = await world.call("POST", "/v1/longs", {"what": "wait"}, token=A)
        job = headers["location"]
        for _ in range(200):
            if (await world.call("GET", job, token=A))[2]["state"] == "running":
                break
            await asyncio.sleep(0.01)
        for method, path in (("GET", job), ("DELETE", job), ("GET", f"{job}/events"), ("HEAD", f"{job}/events")):
            for token in (B, "token"):
                other = await world.call(method, path, token=token)
                absent = await world.call(method, path.replace(job, f"/v1/jobs/{NOBODY}"), token=token)
                assert (other[0], other[1].keys()) == (404, absent[1].keys())
                assert (other[2] and other[2]["code"]) == (absent[2] and absent[2]["code"])
        assert (await world.call("GET", "/v1/jobs", token=B))[2]["jobs"] == []
        (shown,) = (await world.call("GET", "/v1/jobs", token=A))[2]["jobs"]
        assert (shown["state"], shown["cancelling"], shown["principal"]) == ("running", False, "kim")
        world.probe.go.set()

    play(world, scene)


async def reached(world: World, location: str, token: str, state: str) -> Any:
    """The job, when it is in that state."""
    for _ in range(500):
        _, _, job = await world.call("GET", location, token=token)
        if job["state"] == state:
            return job
        await asyncio.sleep(0.01)
    raise AssertionError(job)


@pytest.mark.parametrize(
    ("state", "then"), [(State.SUSPENDED, "queued"), (State.DELETING, "cancelled"), (State.ERASED, "cancelled")]
)
def test_a_job_that_runs_ends_with_its_tenant(
    world: World, monkeypatch: pytest.MonkeyPatch, state: State, then: str
) -> None:
    monkeypatch.setattr("stella.http.jobs.POLL", 0.01)

    async def scene(world: World) -> None:
        _, mine, _ = await world.call("POST", "/v1/longs", {"what": "wait"}, token=A)
        _, other, _ = await world.call("POST", "/v1/longs", {"what": "wait"}, token=B)
        await reached(world, mine["location"], A, "running")
        await reached(world, other["location"], B, "running")
        assert world.service.runner.works_for("acme")
        world.store.stops = {"acme": state}
        job = await reached(world, mine["location"], A, then)
        assert job["attempt"] == (0 if then == "queued" else 1)  # an interruption is no attempt that failed
        _, later, _ = await world.call("POST", "/v1/longs", {}, token=A)
        world.probe.go.set()
        await reached(world, other["location"], B, "done")
        assert (await reached(world, later["location"], A, "queued"))["attempt"] == 0
        assert not world.service.runner.works_for("acme")
        world.store.stops = {}
        await reached(world, later["location"], A, "done")
        await reached(world, mine["location"], A, "done" if then == "queued" else "cancelled")

    play(world, scene)
    assert world.service.runner.handed_over == 0


@pytest.mark.parametrize(("state", "then"), [(State.SUSPENDED, "queued"), (State.DELETING, "cancelled")])
def test_a_job_whose_tenant_lost_its_store_has_not_failed(
    world: World, monkeypatch: pytest.MonkeyPatch, state: State, then: str
) -> None:
    """The account in the store is closed before the runner hears of it: what the job meets is the suspension."""

    async def deaf(_: object) -> None:
        pass

    monkeypatch.setattr("stella.http.jobs.Runner._heed_stops", deaf)
    monkeypatch.setattr("stella.http.jobs.POLL", 0.01)

    async def scene(world: World) -> None:
        _, mine, _ = await world.call("POST", "/v1/longs", {"what": "wait-missing"}, token=A)
        await reached(world, mine["location"], A, "running")
        world.store.stops = {"acme": state}
        world.probe.go.set()
        await reached(world, mine["location"], A, then)
        world.store.stops = {}
        await reached(world, mine["location"], A, "failed" if then == "queued" else "cancelled")

    play(world, scene)


def test_a_job_that_a_kill_left_running_ends_with_its_tenant(world: World) -> None:
    """The tenant was deleted while no service ran."""
    for tenant in ("acme", "acme-2"):
        world.store.submit(new(1, tenant=tenant, operation="probe.long", request=b"{}"), ROOM)
        world.store.claim((), 1)
    world.store.stops = {"acme": State.DELETING, "acme-2": State.SUSPENDED}

    async def scene(world: World) -> None:
        await reached(world, f"/v1/jobs/{job_id(1)}", A, "cancelled")
        await reached(world, f"/v1/jobs/{job_id(1)}", B, "queued")

    play(world, scene)


def test_the_same_folder_of_two_tenants_is_two(world: World) -> None:
    async def scene(world: World) -> None:
        _, first, _ = await world.call("POST", "/v1/longs", {"dir": "M", "what": "wait"}, token=A)
        _, second, _ = await world.call("POST", "/v1/longs", {"dir": "M", "what": "wait"}, token=B)
        states = []
        for _ in range(200):
            states = [
                (await world.call("GET", made["location"], token=token))[2]["state"]
                for made, token in ((first, A), (second, B))
            ]
            if states == ["running", "running"]:
                break
            await asyncio.sleep(0.01)
        assert states == ["running", "running"]
        world.probe.go.set()

    play(world, scene)


def test_a_key_of_another_tenant_is_another_key(world: World) -> None:
    async def scene(world: World) -> None:
        first = await world.call("POST", "/v1/makes", {}, token=A, idempotency_key="k")
        again = await world.call("POST", "/v1/makes", {}, token=A, idempotency_key="k")
        other = await world.call("POST", "/v1/makes", {"what": "x"}, token=B, idempotency_key="k")
        assert (again[0], again[2]) == (201, first[2])
        assert (other[0], other[2]["turns"], "idempotent-replayed" in other[1]) == (201, 2, False)
        _, one, _ = await world.call("POST", "/v1/longs", {}, token=A, idempotency_key="k")
        _, two, _ = await world.call("POST", "/v1/longs", {}, token=B, idempotency_key="k")
        assert one["location"] != two["location"]

    play(world, scene)


def test_uploads_and_files_of_another_tenant(world: World) -> None:
    data = b"of acme"
    want = {"name": "b", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    async def scene(world: World) -> None:
        _, headers, made = await world.call("POST", "/v1/uploads", want, token=A)
        place = headers["location"]
        for method in ("GET", "HEAD", "DELETE"):
            assert (await world.call(method, place, token=B))[0] == 404
        patch = {"content_type": "application/octet-stream", "upload_offset": "0"}
        assert (await world.call("PATCH", place, token=B, **patch))[0] == 404
        assert (await world.call("GET", place, token=A))[0] == 200
        (world.ground("acme") / "f").write_bytes(data)
        (world.ground("acme") / "f").chmod(0o644)
        assert (await world.call("HEAD", "/v1/files/f", token=A))[0] == 200
        for path in ("f", "acme/f", "tenants/acme/f", "../acme/f"):
            assert (await world.call("GET", f"/v1/files/{path}", token=B))[0] in {404, 422}
        assert made["path"].startswith("uploads/")

    play(world, scene)
    assert [path.name for path in (world.folder / "parts").iterdir()] == ["acme"]


def test_somebody_else_s_upload_cannot_be_kept_busy(world: World) -> None:
    """Who asks for one that is not theirs learns nothing of it, and does not hold it."""
    want = {"name": "b", "size": 1, "sha256": "0" * 64}

    async def scene(world: World) -> None:
        _, headers, made = await world.call("POST", "/v1/uploads", want, token=A)
        with world.service.uploads._alone("acme", made["id"]):
            patch = {"content_type": "application/octet-stream", "upload_offset": "0"}
            assert (await world.call("PATCH", headers["location"], token=B, **patch))[0] == 404
            assert (await world.call("PATCH", headers["location"], token=A, **patch))[0] == 503

    play(world, scene)


class Standing(Probe):
    """Operations that say where they stand, and leave a file there."""

    def run(self, ctx: Context, want: Want) -> Got:
        self.turns += 1
        if want.what:
            Path(want.what).write_text(ctx.principal.tenant)
            assert Path(want.what).read_text() == ctx.principal.tenant
        return Got(Path.cwd().name, self.turns)


def test_operations_stand_in_the_folder_of_their_tenant(tmp_path: Path) -> None:
    world = World(tmp_path, max_jobs=4)
    world.probe = Standing()
    before = Path.cwd()

    async def scene(world: World) -> None:
        async def ask(number: int) -> None:
            token, tenant = ((A, "acme"), (B, "acme-2"), ("token", "default"))[number % 3]
            _, _, got = await world.call("POST", "/v1/makes", {"what": f"same-{number // 3}"}, token=token)
            assert got["actor"] == tenant
            _, headers, _ = await world.call(
                "POST", "/v1/longs", {"dir": f"{number}", "what": f"job-{number // 3}"}, token=token
            )
            while (job := (await world.call("GET", headers["location"], token=token))[2])["state"] != "done":
                assert job["state"] != "failed", job
                await asyncio.sleep(0.02)
            assert job["result"]["actor"] == tenant

        await asyncio.gather(*map(ask, range(48)))

    play(world, scene)
    assert Path.cwd() == before
    for tenant in ("acme", "acme-2", "default"):
        folder = tmp_path / "tenants" / tenant
        names = {f"{word}-{number}" for word in ("same", "job") for number in range(16)}
        assert {path.name: path.read_text() for path in folder.iterdir()} == dict.fromkeys(names, tenant)


def test_a_verifier_that_waits_does_so_in_a_thread(world: World) -> None:
    threads: list[tuple[bool, bool]] = []

    def verify(given: Presented) -> Principal:
        threads.append((given.wait, threading.current_thread() is threading.main_thread()))
        if not given.wait:
            raise Pending
        return Principal("kim", frozenset({EVERY_SCOPE}), "acme")

    world.verify = verify  # type: ignore[method-assign]

    async def scene(world: World) -> None:
        assert (await world.call("GET", "/v1/looks", token="slow"))[2]["actor"] == "kim"
        assert threads == [(False, True), (True, False)]
        assert (await world.call("GET", "/v1/looks"))[2]["actor"] == "admin"
        assert len(threads) == 2

    play(world, scene)


def test_who_waits_for_an_issuer_keeps_nobody_else_waiting(world: World) -> None:
    """Anybody can name an issuer that does not answer now, and a key that it might have."""
    go = threading.Event()

    def verify(given: Presented) -> Principal:
        if not given.wait:
            raise Pending
        go.wait(30)
        raise TokenKeyUnknown(problem="the key set cannot be fetched")

    world.verify = verify  # type: ignore[method-assign]

    async def scene(world: World) -> None:
        flood = [asyncio.create_task(world.call("GET", "/v1/looks", token="x")) for _ in range(MAX_ASKING + 20)]
        try:
            await asyncio.sleep(0.1)
            assert (await asyncio.wait_for(world.call("GET", "/v1/jobs"), 10))[0] == 200
        finally:
            go.set()
        codes = Counter([found[2]["code"] for found in await asyncio.gather(*flood)])
        assert codes == {"TOKEN-003": MAX_ASKING, "HTTP-034": 20}
        assert (await world.call("GET", "/v1/looks", token="x"))[2]["code"] == "TOKEN-003"

    play(world, scene)


def test_what_a_verifier_refuses_says_so(world: World) -> None:
    def verify(given: Presented) -> Principal:
        del given
        raise TokenBinding(binding="dpop", problem="there is none")

    world.verify = verify  # type: ignore[method-assign]

    async def scene(world: World) -> None:
        status, headers, problem = await world.call("GET", "/v1/looks", token="x")
        assert (status, problem["code"]) == (401, "TOKEN-010")
        assert headers["www-authenticate"].startswith("DPoP ")

    play(world, scene)


def test_figures_of_all_tenants_are_for_who_runs_the_installation(world: World) -> None:
    reader = Principal("kim", frozenset({"about:read", "jobs:read", "files:read"}), "acme")
    world.verify = lambda given: reader  # type: ignore[method-assign]  # noqa: ARG005

    async def scene(world: World) -> None:
        assert (await world.call("GET", "/metrics", token="x"))[2]["code"] == "HTTP-002"
        assert (await world.call("GET", "/openapi.json", token="x"))[0] == 200

    play(world, scene)


def test_a_quick_answer_asks_no_store(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is answered without the database and without a thread."""

    async def scene(world: World) -> None:
        world.store.away = True
        threads = threading.active_count()
        monkeypatch.setattr(asyncio, "to_thread", None)
        for _ in range(20):
            assert (await world.call("GET", "/v1/looks", token=A))[0] == 200
        monkeypatch.undo()
        assert threading.active_count() == threads

    play(world, scene)


def test_what_a_request_says_of_its_sender() -> None:
    scope: dict[str, Any] = {
        "method": "POST",
        "scheme": "https",
        "path": "/v1/a b",
        "raw_path": b"/v1/a%20b",
        "query_string": b"x=1",
        "headers": [(b"host", b"stella.example:8400"), (b"dpop", b"one"), (b"dpop", b"two")],
    }
    given = Presented(b"DPoP t", scope)
    assert (given.method, given.url) == ("POST", "https://stella.example:8400/v1/a%20b")
    assert (given.proofs, given.certificate, given.thumbprint) == ((b"one", b"two"), None, "")
    pem = "-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n"
    with_one = Presented(b"", scope | {"extensions": {"tls": {"client_cert_chain": (pem,)}}})
    assert (with_one.certificate, with_one.thumbprint) == (b"\0\1\2", "rksygOVuL6-D9BSm49q-nV--GJdlRMBf7RIazLhbU_w")


def test_two_tokens_are_none() -> None:
    """Which of them a proxy has looked at cannot be known."""
    one, other = (b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")
    for headers in ([one], [one, (b"x", b"1"), (b"x", b"2")]):
        assert presented(dict(headers), {"headers": headers}).authorization == b"Bearer a"
    for headers in ([one, other], [one, one], [(b"x", b"1"), one, other]):
        with pytest.raises(NotAuthenticated):
            presented(dict(headers), {"headers": headers})


def test_each_tenant_has_a_prefix_of_the_bucket(tmp_path: Path) -> None:
    grounds = Grounds(tmp_path / "work", tmp_path / "parts", "s3://stella/prod/")
    assert grounds.of("acme").places.bucket == "s3://stella/prod/tenants/acme"
    assert grounds.of("acme").root == tmp_path / "work" / "tenants" / "acme"
    assert grounds.of("acme").parts == tmp_path / "parts" / "acme"
    for name in ("", "..", "a/b", "Acme", "a" * 64, "-a"):
        with pytest.raises(BadTenant):
            grounds.of(name)
    assert Grounds(tmp_path, tmp_path).of("acme").places.bucket == ""


def test_a_bucket_whose_keys_are_everybody_s_is_for_one_tenant(tmp_path: Path) -> None:
    grounds = Grounds(tmp_path / "work", tmp_path / "parts", "s3://stella", "store.secret_key")
    grounds.of("default").places.check("dir", "folder", "s3://stella/tenants/default/m")
    with pytest.raises(SharedKeys, match=r"store\.secret_key"):
        grounds.of("acme").places.check("dir", "folder", "s3://stella/tenants/acme/m")
    own = Grounds(tmp_path / "work", tmp_path / "parts", "s3://stella")
    own.of("acme").places.check("dir", "folder", "s3://stella/tenants/acme/m")
    for text in ("s3://stella/tenants/acme-2/m", "s3://stella/tenants/acme", "s3://stella/tenants/acme/../acme-2/m"):
        for given in (own, grounds):
            with pytest.raises(UnsafePlace):
                given.of("acme").places.check("dir", "folder", text)


def test_a_service_asks_whether_tenants_have_keys_of_their_own(world: World) -> None:
    world.settings = replace(world.settings, service=ServiceSettings(bucket="s3://stella"))
    own = StoreSettings(access_key="file:/k/{tenant}/a", secret_key="file:/k/{tenant}/s")
    half = StoreSettings(access_key="file:/k/{tenant}/a")
    for store, code in ((StoreSettings(), "BLOB-004"), (half, "BLOB-004"), (own, None)):
        world.settings = replace(world.settings, store=store)

        async def scene(world: World, code: str | None = code) -> None:
            want = {"dir": "s3://stella/tenants/acme/m"}
            status, _, problem = await world.call("POST", "/v1/makes", want, token=A)
            assert (status, problem.get("code")) == ((400 if code else 201), code)

        play(world, scene)


def test_results_that_nobody_fetched_are_removed_for_every_tenant(tmp_path: Path) -> None:
    grounds = Grounds(tmp_path / "work", tmp_path / "parts")
    for tenant in ("acme", "zeta"):
        (grounds.of(tenant).root / "downloads").mkdir()
        (grounds.of(tenant).root / "downloads" / "old").write_bytes(b"")
    (tmp_path / "work" / "tenants" / "No Tenant").mkdir()
    again = Grounds(tmp_path / "work", tmp_path / "parts")
    again.sweep(2**40)
    assert not list((tmp_path / "work").glob("tenants/*/downloads/*"))


def test_ids_sort_in_the_order_of_their_tenant() -> None:
    ids = Ids(counted_entropy("x"))
    mine = [ids.next("acme", 1_800_000_000 + number // 50) for number in range(200)]
    assert mine == sorted(set(mine))
    assert ids.next("acme", 5) > mine[-1]  # a clock that was set back
    assert {(text[14], text[19] in "89ab") for text in mine} == {("7", True)}


def test_an_id_does_not_say_how_busy_others_are() -> None:
    def between(others: int) -> str:
        ids = Ids(bytes)
        ids.next("acme", 1)
        for _ in range(others):
            ids.next("zeta", 1)
        return ids.next("acme", 1)

    assert between(0) == between(1000)
