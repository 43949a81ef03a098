"""Two tenants of one service at once: the same names, the same keys, the same uploads, and nothing crosses.

Rules:
- Who asks is said by a stub in place of the verifier of tokens: `Bearer NAME@TENANT`.
- Tenants work at the same time, and each of them looks for what it should not find.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from stella.runtime import roles
from stella.runtime.postgres_server import SUPERUSER, Postgres
from tests.database import connected
from tests.e2e.material import ROOT
from tests.service import Got, Running, running

pytestmark = pytest.mark.network

TENANTS = ("acme", "acme-2", "zeta")
ROUNDS = 4
CREATE, INIT, VERIFY = "/v1/mirror/bundles", "/v1/mirror/channels", "/v1/mirror/verifications"
OCTETS = {"Content_Type": "application/octet-stream"}
STUB = """
from stella.http import serve
from stella.http.errors import NotAuthenticated
from stella.operations import EVERY_SCOPE, Principal


def verify(given):
    name, at, tenant = given.authorization.decode().partition(" ")[2].partition("@")
    if not at:
        raise NotAuthenticated(problem="unknown")
    return Principal(name, frozenset({EVERY_SCOPE}), tenant)


serve.verifier = lambda ctx: verify
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Running]:
    top = tmp_path_factory.mktemp("tenants")
    (top / "extra").mkdir()
    (top / "extra" / "sitecustomize.py").write_text(STUB)
    path = f"{top}/extra:{ROOT}/src:{ROOT}"
    with running(top, postgres, PYTHONPATH=path, STELLA_SERVICE_MAX_JOBS="6") as made:
        yield made
        assert not [line for line in made.lines() if line["event"] in {"failed", "library", "outside_tenant"}]


class Tenant:
    """Somebody at a tenant, who uses the same names as everybody else."""

    def __init__(self, service: Running, name: str) -> None:
        self.service = service
        self.name = name
        self.secret = f"of {name} alone".encode()

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Got:
        return self.service.call(method, path, body, Authorization=f"Bearer kim@{self.name}", **headers)

    def job(self, path: str, body: Any, **headers: str) -> dict[str, Any]:
        got = self.call("POST", path, body, **headers)
        assert got.status == 202, got
        while (job := self.call("GET", got.headers["location"]).json)["state"] in {"queued", "running"}:
            pass
        assert job["state"] == "done", job
        assert isinstance(job, dict)
        return job

    def upload(self, data: bytes, key: str, **other: Any) -> dict[str, Any]:
        want = {"name": "b", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} | other
        made = self.call("POST", "/v1/uploads", want, Idempotency_Key=key)
        assert made.status == 201, made
        got = self.call("PATCH", made.headers["location"], data, Upload_Offset="0", **OCTETS)
        assert got.json["state"] == "complete", got
        found: dict[str, Any] = got.json
        return found

    def folder(self) -> bytes:
        """Sources as ustar."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            member = tarfile.TarInfo("notes.txt")
            member.size = len(self.secret)
            archive.addfile(member, io.BytesIO(self.secret))
        return out.getvalue()


def live(tenant: Tenant) -> dict[str, Any]:
    """The main job, with names that everybody uses; what it left that others must not reach."""
    made = tenant.call("POST", INIT, {"dir": "M"}, Idempotency_Key="init")
    assert made.status == 201, made
    assert tenant.call("POST", INIT, {"dir": "M"}, Idempotency_Key="init").body == made.body
    source = tenant.upload(tenant.folder(), "source", unpack=True, name="src")
    note = tenant.upload(tenant.secret, "note")
    out = "downloads/x/1.stella"
    create = {"dir": "M", "out": out, "source": [f"artifacts={source['path']}"]}
    job = tenant.job(CREATE, create, Idempotency_Key="create")
    assert tenant.call("POST", CREATE, create, Idempotency_Key="create").headers["location"].endswith(job["id"])
    tenant.job(VERIFY, {"bundle": out, "trust": "M/trust"})
    assert tenant.call("POST", "/v1/site", {"dir": "D", "trust": "M/trust"}).status == 201
    tenant.job("/v1/site/imports", {"dir": "D", "bundle": out})
    found = [row["generation"] for row in tenant.call("GET", "/v1/site/events").json["rows"]]
    assert found == [1]
    bundle = tenant.call("GET", f"/v1/files/{out}")
    assert bundle.status == 200
    assert tenant.call("GET", f"/v1/files/{note['path']}").body == tenant.secret
    return {
        "init": made.body,
        "bundle": bundle.body,
        "job": job["id"],
        "note": note,
        "uploads": {source["id"], note["id"]},
        "channel": tenant.call("GET", "/v1/mirror/channels/M").json,
    }


def reach(tenant: Tenant, other: dict[str, Any], whose: str) -> None:
    """What belongs to another one is as absent as what never was."""
    for path in (f"/v1/jobs/{other['job']}", f"/v1/jobs/{other['job']}/events"):
        got = tenant.call("GET", path)
        assert (got.status, got.json["code"]) == (404, "HTTP-017")
    assert tenant.call("DELETE", f"/v1/jobs/{other['job']}").status == 404
    for upload in other["uploads"]:
        for method, headers in (("GET", {}), ("DELETE", {}), ("PATCH", {"Upload_Offset": "0", **OCTETS})):
            got = tenant.call(method, f"/v1/uploads/{upload}", b"" if headers else None, **headers)
            assert (got.status, got.json["code"]) == (404, "HTTP-020"), method
    note = other["note"]["path"]
    for path in (note, f"tenants/{whose}/{note}", f"../{whose}/{note}", f"..%2f{whose}%2f{note}"):
        got = tenant.call("GET", f"/v1/files/{path}")
        assert got.status in {404, 422}, path
    for path in (f"../{whose}/M", f"tenants/{whose}/M", str(tenant.service.work_of(whose) / "M")):
        got = tenant.call("POST", CREATE, {"dir": path, "out": "o"})
        if got.status == 202:  # a plain name, of a folder that is not there
            assert tenant.service.data.exists()
            continue
        assert (got.status, got.json["code"]) == (422, "HTTP-011"), path
    assert tenant.call("GET", "/v1/version", X_Stella_Tenant=whose).json["code"] == "TOKEN-009"


def test_the_same_work_of_several_tenants_at_once(service: Running) -> None:
    tenants = [Tenant(service, name) for name in TENANTS]
    with ThreadPoolExecutor(len(tenants)) as pool:
        lives = list(pool.map(live, tenants))
        assert len({one["init"] for one in lives}) == len(TENANTS)
        assert len({one["bundle"] for one in lives}) == len(TENANTS)
        assert len({json.dumps(one["channel"]) for one in lives}) == len(TENANTS)
        reaching = [
            pool.submit(reach, tenant, theirs, other.name)
            for _ in range(ROUNDS)
            for tenant in tenants
            for other, theirs in zip(tenants, lives, strict=True)
            if other is not tenant
        ]
        for one in reaching:
            one.result()
    for tenant, mine in zip(tenants, lives, strict=True):
        theirs = {job["id"] for other in lives if other is not mine for job in [{"id": other["job"]}]}
        listed = {job["id"] for job in tenant.call("GET", "/v1/jobs?limit=200").json["jobs"]}
        assert mine["job"] in listed
        assert not listed & theirs
        assert tenant.call("GET", f"/v1/files/{mine['note']['path']}").body == tenant.secret
    assert service.call("GET", "/v1/jobs").json["jobs"] == []
    assert service.call("GET", "/v1/files/uploads").status == 404
    look_at_disk(service, tenants, lives)
    look_at_rows(service, lives)


def look_at_disk(service: Running, tenants: list[Tenant], lives: list[dict[str, Any]]) -> None:
    """Each folder holds what is its own alone."""
    for tenant, mine in zip(tenants, lives, strict=True):
        folder = service.work_of(tenant.name)
        assert {path.name for path in (folder / "uploads").iterdir()} == mine["uploads"]
        found = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size < 1000]
        assert any(path.read_bytes() == tenant.secret for path in found)
        for other in tenants:
            if other is not tenant:
                assert not any(other.secret in path.read_bytes() for path in found)
    kept = {path.name for path in (service.data / "work").iterdir()}
    assert kept == {"tenants"}
    assert list((service.data / "nowhere").iterdir()) == []


def look_at_rows(service: Running, lives: list[dict[str, Any]]) -> None:
    """Each row has its tenant, and each tenant its rows: as the superuser sees them."""
    with connected(service.base.postgres, service.base.name) as connection:
        jobs = dict(connection.execute("SELECT id::text, tenant_id FROM service.jobs").fetchall())
        assert [jobs[one["job"]] for one in lives] == list(TENANTS)
        uploads = dict(connection.execute("SELECT id::text, tenant_id FROM service.uploads").fetchall())
        for name, mine in zip(TENANTS, lives, strict=True):
            assert {found for found, owner in uploads.items() if owner == name} == mine["uploads"]
        keys = connection.execute("SELECT tenant_id, key FROM service.answers ORDER BY 1, 2").fetchall()
        assert keys == [(name, key) for name in TENANTS for key in ("init", "note", "source")]
        strange = connection.execute(
            "SELECT FROM service.events e JOIN service.jobs j ON j.id = e.job WHERE j.tenant_id <> e.tenant_id"
        )
        assert strange.fetchall() == []


def test_a_tenant_that_goes_on_after_a_kill(service: Running) -> None:
    """Jobs of several tenants are taken up again, each where it belongs."""
    tenants = [Tenant(service, name) for name in ("one", "two")]
    locations = []
    for tenant in tenants:
        folder: Path = service.work_of(tenant.name) / "src"
        folder.mkdir()
        (folder / "big").write_bytes(os.urandom(16 << 20))
        (folder / "whose").write_bytes(tenant.secret)
        assert tenant.call("POST", INIT, {"dir": "M"}).status == 201
        got = tenant.call("POST", CREATE, {"dir": "M", "out": "o.stella", "source": ["artifacts=src"]})
        locations.append(got.headers["location"])
    service.kill()
    service.start()
    for tenant, location in zip(tenants, locations, strict=True):
        while (job := tenant.call("GET", location).json)["state"] in {"queued", "running"}:
            pass
        assert (job["state"], job["status"]) == ("done", 200), job
        assert (service.work_of(tenant.name) / "o.stella").is_file()


def test_no_login_of_the_service_is_the_owner(service: Running) -> None:
    assert Tenant(service, "acme").call("GET", "/v1/jobs").status == 200
    with connected(service.base.postgres, service.base.name) as connection:
        rows = connection.execute(
            "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name = 'stella serve' AND datname = %s",
            [service.base.name],
        ).fetchall()
    found = {row[0] for row in rows}
    assert found >= {roles.APP, roles.JOBS}
    assert not found & {roles.OWNER, SUPERUSER}
