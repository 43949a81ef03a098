"""The identity of a running service over HTTP, and logging in with the command line.

Rules:
- The service is a process of its own, as are the commands; only its database is looked into.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from stella.client.api import Client
from stella.identity.asked import MAX_FORM
from stella.identity.device import CLIENT
from stella.runtime.blobs import DiskBlobs
from stella.runtime.postgres_server import Postgres
from tests.database import connected, postgres
from tests.e2e.material import environment
from tests.service import PATIENCE, Got, Running, running

__all__ = ["postgres"]  # a fixture
pytestmark = pytest.mark.network

PASSPHRASE = "only for tests, long enough"
WHY = {"reason": "a test", "ticket": "T-1"}
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("identity"), postgres, STELLA_ISSUER_PASSPHRASE=PASSPHRASE) as made:
        assert made.call("POST", "/v1/tenants", {"tenant": "acme"}).status == 201
        yield made
        assert not [line for line in made.lines() if line["event"] in {"failed", "library", "outside_tenant"}]


def send(service: Running, path: str, body: bytes, kind: str = FORM, **headers: str) -> Got:
    return service.call("POST", path, body, Authorization="", Content_Type=kind, **headers)


def post(service: Running, path: str, **form: str) -> Got:
    return send(service, path, urlencode(form).encode())


def as_token(service: Running, token: str, method: str, path: str, body: Any = None, **headers: str) -> Got:
    return service.call(method, path, body, Authorization=f"Bearer {token}", **headers)


def new_client(service: Running, name: str, *scopes: str, tenant: str = "acme") -> dict[str, Any]:
    got = service.call("POST", "/v1/clients", {"name": name, "scope": scopes, "tenant": tenant})
    assert got.status == 201, got
    found: dict[str, Any] = got.json
    return found


def token_of(service: Running, made: dict[str, Any], **form: str) -> str:
    fields = {"grant_type": "client_credentials", "client_id": made["client_id"], "client_secret": made["secret"]}
    got = post(service, "/token", **fields, **form)
    assert got.status == 200, got
    return str(got.json["access_token"])


def test_discovery(service: Running) -> None:
    got = service.call("GET", "/.well-known/openid-configuration", Authorization="")
    assert got.json["issuer"] == service.url
    assert service.call("GET", "/.well-known/oauth-authorization-server").json == got.json
    for name in ("jwks_uri", "token_endpoint", "device_authorization_endpoint", "revocation_endpoint"):
        assert got.json[name].startswith(service.url)
    keys = service.call("GET", "/jwks", Authorization="")
    assert (keys.headers["content-type"], keys.headers["cache-control"]) == (
        "application/jwk-set+json",
        "public, max-age=300",
    )
    assert service.call("GET", "/jwks", If_None_Match=keys.headers["etag"]).status == 304
    assert {"mirror:read", "audit:personal", "jobs:read"} <= set(got.json["scopes_supported"])


def test_a_client_works_within_its_scopes_and_its_tenant(service: Running) -> None:
    made = new_client(service, "reader", "client:read", "audit:read")
    got = post(
        service,
        "/token",
        grant_type="client_credentials",
        client_id=made["client_id"],
        client_secret=made["secret"],
    )
    assert (got.headers["cache-control"], got.json["token_type"]) == ("no-store", "Bearer")
    token = got.json["access_token"]
    listed = as_token(service, token, "GET", "/v1/clients")
    assert (listed.status, listed.json["tenant"]) == (200, "acme")
    missing = as_token(service, token, "GET", "/v1/jobs")
    assert (missing.status, missing.json["code"]) == (403, "HTTP-002")
    assert 'error="insufficient_scope", scope="jobs:read"' in missing.headers["www-authenticate"]
    other = as_token(service, token, "GET", "/v1/clients?tenant=default")
    assert (other.status, other.json["code"]) == (403, "IDENTITY-003")
    header = as_token(service, token, "GET", "/v1/clients", X_Stella_Tenant="default")
    assert (header.status, header.json["reason"]) == (403, "token.tenant_mismatch")
    for bad in ("", "..", "a/b", "a" * 300, "acme "):
        assert as_token(service, token, "GET", "/v1/clients", X_Stella_Tenant=bad or '""').status in {400, 200}
    events = as_token(service, token, "GET", "/v1/audit/events?action=token.issue").json["rows"]
    assert "acme.reader" in {event["resource"] for event in events}


def test_the_document_has_the_issuer(service: Running) -> None:
    document = service.call("GET", "/openapi.json").json
    for path in ("/token", "/device_authorization", "/revoke", "/device"):
        entry = document["paths"][path]["post"]
        (kind,) = entry["requestBody"]["content"]
        assert (kind, entry["security"]) == (FORM, [])
    kinds = document["components"]["schemas"]
    grants = service.call("GET", "/.well-known/openid-configuration").json["grant_types_supported"]
    assert kinds["TokenForm"]["properties"]["grant_type"]["enum"] == sorted(grants)
    assert kinds["DeviceForm"]["properties"]["client_id"]["enum"] == [CLIENT]
    assert "application/jwk-set+json" in document["paths"]["/jwks"]["get"]["responses"]["200"]["content"]


def test_an_address_of_the_page_with_too_many_fields(service: Running) -> None:
    got = service.call("GET", f"/device?{'&'.join(f'f{number}=x' for number in range(100))}", Authorization="")
    assert (got.status, "too many fields" in got.body.decode()) == (400, True)


def test_the_scope_of_an_operation_is_enough_for_its_files_and_its_job(service: Running, tmp_path: Path) -> None:
    putter = token_of(service, new_client(service, "putter", "object:write"))
    getter = token_of(service, new_client(service, "getter", "object:read"))
    (tmp_path / "note").write_text("what is put is what is got")
    digest = Client(service.url, putter).object.put(kind="note", file=str(tmp_path / "note")).digest
    Client(service.url, getter).object.get(kind="note", digest=digest, out=str(tmp_path / "again"))
    assert (tmp_path / "again").read_text() == "what is put is what is got"
    asked = as_token(service, putter, "POST", "/v1/objects", {"kind": "note", "file": "downloads"})
    assert (asked.status, asked.json["facts"]["scope"]) == (403, "files:read")
    job = service.call("POST", "/v1/drills/clock-skew", {"tenants": 2, "speed": 10_000}).headers["location"]
    for token in (putter, getter):
        assert as_token(service, token, "GET", job).status == 403
        assert as_token(service, token, "GET", "/v1/jobs").status == 403
        assert as_token(service, token, "GET", "/v1/files/downloads").status == 403


def test_what_is_no_token(service: Running) -> None:
    token = token_of(service, new_client(service, "whole", "client:read"))
    head, payload, signature = token.split(".")
    for text, reason in (
        (f"{head}.{payload}.{'A' * len(signature)}", "token.bad_signature"),
        (f"{head}.{payload}", "token.malformed"),
        ("x" * 9000, "token.malformed"),
        ("", "token.malformed"),
    ):
        got = as_token(service, text, "GET", "/v1/clients")
        assert (got.status, got.json["reason"]) == (401, reason)
        assert got.headers["www-authenticate"].startswith('Bearer realm="stella", error="invalid_token"')
    assert service.call("GET", "/v1/clients", Authorization="").headers["www-authenticate"] == 'Bearer realm="stella"'
    denied = [line for line in service.lines() if line["event"] == "denied"]
    assert "token.bad_signature" in {line["reason"] for line in denied}
    assert signature not in service.log.read_text()
    assert payload not in service.log.read_text()


def test_a_header_of_more_than_16_kib(service: Running) -> None:
    got = service.call("GET", "/v1/clients", Authorization=f"Bearer {'x' * 40_000}")
    assert got.status == 431
    got = service.call("GET", "/v1/clients", Authorization=f"Bearer {'x' * 15_000}")
    assert (got.status, got.json["reason"]) == (401, "token.malformed")


def test_a_revocation_counts_at_once(service: Running) -> None:
    made = new_client(service, "leaver", "client:read")
    token = token_of(service, made)
    assert as_token(service, token, "GET", "/v1/clients").status == 200
    fields = {"client_id": made["client_id"], "client_secret": made["secret"]}
    assert post(service, "/revoke", token=token, **fields).status == 200
    got = as_token(service, token, "GET", "/v1/clients")
    assert (got.status, got.json["reason"]) == (401, "token.revoked")


def within(seconds: float, found: Any) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found():
            return True
        time.sleep(0.1)
    return False


def test_a_suspended_tenant_stops_and_goes_on(service: Running) -> None:
    assert service.call("POST", "/v1/tenants", {"tenant": "beta"}).status == 201
    made = new_client(service, "ci", "client:read", tenant="beta")
    token = token_of(service, made)
    assert within(PATIENCE, lambda: as_token(service, token, "GET", "/v1/clients").status == 200)
    missing = service.call("POST", "/v1/tenants/beta/suspension", {})
    assert missing.status == 422
    assert "reason" in missing.json["detail"]
    assert service.call("POST", "/v1/tenants/beta/suspension", WHY).json["state"] == "suspended"
    refused = as_token(service, token, "GET", "/v1/clients")  # at once, though it was verified a moment ago
    assert (refused.status, refused.json["reason"]) in {(401, "token.revoked"), (403, "tenant_state")}
    fields = {"grant_type": "client_credentials", "client_id": "beta.ci", "client_secret": made["secret"]}
    assert post(service, "/token", **fields).json["error"] == "invalid_client"
    assert service.call("DELETE", "/v1/tenants/beta/suspension").json["state"] == "active"
    again = token_of(service, made)
    assert within(PATIENCE, lambda: as_token(service, again, "GET", "/v1/clients").status == 200)
    assert as_token(service, token, "GET", "/v1/clients").json["reason"] == "token.revoked"


HUGE = b"a=" + b"x" * MAX_FORM
BAD_FORMS: list[tuple[bytes, str, int]] = [
    (b"", FORM, 400),
    (b"grant_type", FORM, 400),
    (b"grant_type=client_credentials&grant_type=password", FORM, 400),
    (b"grant_type=%00", FORM, 400),
    (b"grant_type=%ff", FORM, 400),
    ("grant_type=\u00e9".encode(), FORM, 400),
    (b"&".join(b"a%d=1" % number for number in range(100)), FORM, 400),
    (HUGE, FORM, 413),
    (b'{"grant_type":"client_credentials"}', "application/json", 400),
    (b"grant_type=client_credentials", "text/plain", 400),
    (b"grant_type=client_credentials&client_id=..%2F..&client_secret=x", FORM, 401),
]


@pytest.mark.parametrize(("body", "kind", "status"), BAD_FORMS, ids=range(len(BAD_FORMS)))
@pytest.mark.parametrize("path", ["/token", "/revoke", "/device_authorization"])
def test_a_form_that_is_refused(service: Running, path: str, body: bytes, kind: str, status: int) -> None:
    got = send(service, path, body, kind)
    assert got.status in {status, 401}
    assert got.headers["content-type"] == "application/json"
    assert got.headers["cache-control"] == "no-store"
    assert got.json.keys() == {"error", "error_description"}


def test_a_huge_body_is_not_read(service: Running) -> None:
    got = send(service, "/token", b"a=" + b"x" * 300_000)
    assert (got.status, got.json["error"]) == (413, "invalid_request")


def test_methods(service: Running) -> None:
    assert service.call("GET", "/token").status == 405
    assert service.call("PUT", "/device").status == 405


def form_of(service: Running, code: str = "") -> tuple[Got, str, str]:
    got = service.call("GET", f"/device?user_code={code}" if code else "/device", Authorization="")
    field = re.search(rb'name="form" value="([0-9a-f]+)"', got.body)
    assert field is not None
    return got, field[1].decode(), got.headers["set-cookie"].partition(";")[0]


def test_the_page(service: Running) -> None:
    got, _, cookie = form_of(service)
    assert got.status == 200
    assert b"<script" not in got.body
    assert "default-src 'none'" in got.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in got.headers["content-security-policy"]
    assert (got.headers["x-frame-options"], got.headers["referrer-policy"]) == ("DENY", "no-referrer")
    assert (got.headers["x-content-type-options"], got.headers["cache-control"]) == ("nosniff", "no-store")
    assert cookie.startswith("stella-device=")
    assert "HttpOnly; SameSite=Strict" in got.headers["set-cookie"]


@pytest.mark.parametrize(
    "query", ["a=1&" * 40, "user_code=" + "%00" * 9, "user_code=%ff", "&&&==", "user_code=A&user_code=B"]
)
def test_a_query_of_the_page_of_any_kind(service: Running, query: str) -> None:
    got = service.call("GET", f"/device?{query}", Authorization="")
    assert got.status in {200, 400}
    assert got.headers["content-security-policy"]


def test_the_page_repeats_nothing_that_could_be_markup(service: Running) -> None:
    got, _, _ = form_of(service, "%3Cscript%3E%22%27&user_code=x")
    assert b"<script" not in got.body
    assert b"&lt;script&gt;" in got.body


def approve(service: Running, code: str, name: str, secret: str, **headers: str) -> Got:
    _, field, cookie = form_of(service)
    body = urlencode({"form": field, "user_code": code, "name": name, "secret": secret}).encode()
    return send(service, "/device", body, **{"Cookie": cookie, **headers})


def test_a_form_from_elsewhere_approves_nothing(service: Running) -> None:
    _, field, cookie = form_of(service)
    _, _, other = form_of(service)
    fields = {"user_code": "BCDF-GHJK", "name": "acme.ada", "secret": "x"}
    for form, headers in (
        (fields, {"Cookie": cookie}),
        (fields | {"form": field}, {}),
        (fields | {"form": field}, {"Cookie": other}),
        (fields | {"form": "0" * 64}, {"Cookie": cookie}),
        (fields | {"form": field}, {"Cookie": cookie, "Sec_Fetch_Site": "cross-site"}),
    ):
        got = send(service, "/device", urlencode(form).encode(), **headers)
        assert got.status == 403
        assert b"open it again" in got.body


def stella(service: Running, folder: Path, *words: str, **env: str) -> subprocess.Popen[str]:
    given = environment(folder, **{"XDG_STATE_HOME": str(folder / "state"), "STELLA_SERVER": service.url, **env})
    return subprocess.Popen(
        [sys.executable, "-m", "stella", *words],
        cwd=folder,
        env=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_person_logs_in_and_out(service: Running, tmp_path: Path) -> None:
    made = service.call("POST", "/v1/principals", {"name": "lovelace", "scope": ["client:read"], "tenant": "acme"}).json
    command = stella(service, tmp_path, "login", "--json")
    assert command.stderr is not None
    said = command.stderr.readline()
    match = re.match(r"note: open (\S+)/device and type (\S+)\n", said)
    assert match, said
    assert match[1] == service.url
    shown = service.call("GET", f"/device?user_code={match[2]}", Authorization="")
    assert b"everything that you may do" in shown.body
    wrong = approve(service, match[2], "acme.lovelace", "wrong")
    assert (wrong.status, b"wrong" in wrong.body) == (403, True)
    done = approve(service, match[2], "acme.lovelace", made["secret"])
    assert done.status == 200
    assert b"acme.lovelace" in done.body
    out, err = command.communicate(timeout=PATIENCE)
    assert command.returncode == 0, err
    assert json.loads(out)["scopes"] == ["client:read"]
    (file,) = (tmp_path / "state/stella/tokens").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    token = json.loads(file.read_text())["token"]
    assert token not in out + err
    listed, err = stella(service, tmp_path, "client", "list", "--server", service.url, "--json").communicate(timeout=60)
    assert json.loads(listed)["tenant"] == "acme", err
    file.chmod(0o644)
    exposed = stella(service, tmp_path, "client", "list", "--server", service.url)
    assert "CLIENT-013" in exposed.communicate(timeout=60)[1]
    file.chmod(0o600)
    out, _ = stella(service, tmp_path, "logout", "--json").communicate(timeout=60)
    assert json.loads(out)["revoked"]
    assert as_token(service, token, "GET", "/v1/clients").json["reason"] == "token.revoked"
    none = stella(service, tmp_path, "client", "list", "--server", service.url)
    assert "CLIENT-012" in none.communicate(timeout=60)[1]
    assert none.returncode == 3
    in_words, told = (events_for(service, name, *more) for name, more in (("eve", ()), ("aud", ("audit:personal",))))
    assert "lovelace" not in in_words
    about = {row["action"]: row for row in json.loads(told)["rows"] if row["resource"] == "acme.lovelace"}
    assert about.keys() >= {"principal.create", "device.refuse", "device.approve", "token.issue", "token.revoke"}
    assert about["device.approve"]["after"] == {"address": "127.0.0.1", "subject": "acme.lovelace"}


def events_for(service: Running, name: str, *scopes: str) -> str:
    """The log of the tenant as a client with these scopes may read it."""
    token = token_of(service, new_client(service, name, "audit:read", *scopes))
    return as_token(service, token, "GET", "/v1/audit/events?limit=1000").body.decode()


def test_a_service_logs_in(service: Running, tmp_path: Path) -> None:
    made = new_client(service, "robot", "client:read")
    (tmp_path / "secret").write_text(made["secret"])
    words = ("login", "--server", service.url, "--client", "acme.robot", "--secret", f"file:{tmp_path}/secret")
    out, err = stella(service, tmp_path, *words, "--json").communicate(timeout=60)
    assert json.loads(out)["server"] == service.url, err
    wrong = stella(service, tmp_path, *words[:-1], "env:WRONG", WRONG="x")
    assert "CLIENT-010" in wrong.communicate(timeout=60)[1]
    assert wrong.returncode == 3
    assert "CLIENT-008" in stella(service, tmp_path, "login", STELLA_SERVER="").communicate(timeout=60)[1]


@pytest.fixture
def own(tmp_path: Path, postgres: Postgres) -> Iterator[Running]:
    """A service of a test's own: what one test has tried counts against its address."""
    with running(tmp_path, postgres, STELLA_ISSUER_PASSPHRASE=PASSPHRASE) as made:
        yield made


def test_many_at_once_are_told_to_come_back(own: Running) -> None:
    """Comparing a secret is slow on purpose: a flood must neither take all threads nor wait without end."""
    statuses: list[int] = []
    service = own

    def one(number: int) -> None:
        form = {"grant_type": "client_credentials", "client_id": f"acme.n{number}", "client_secret": "x"}
        statuses.append(post(service, "/token", **form).status)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    assert service.call("GET", "/healthz").status == 200
    for thread in threads:
        thread.join()
    assert set(statuses) <= {401, 429, 503}
    assert 503 in statuses


def test_a_tenant_is_erased_with_its_files(own: Running) -> None:
    assert own.call("POST", "/v1/tenants", {"tenant": "gone"}).status == 201
    new_client(own, "ci", "client:read", tenant="gone")
    (own.work_of("gone") / "stable").mkdir()
    (own.work_of("gone") / "stable/file").write_text("x")
    (own.work / "kept").write_text("x")
    for tenant in ("gone", "gone-2"):
        DiskBlobs(own.data / "objects", tenant, lambda *_: None).put("note", tenant.encode())
    assert own.call("POST", "/v1/tenants/gone/deletion", WHY).json["state"] == "deleting"
    with connected(own.base.postgres, own.base.name) as connection:  # the grace period is over
        connection.execute("UPDATE identity.tenants SET erase_after = 1 WHERE tenant_id = 'gone'")
    own.stop()
    own.start()
    assert within(PATIENCE, lambda: own.call("GET", "/v1/tenants/gone").json["state"] == "erased")
    proof = json.loads(own.call("GET", "/v1/tenants/gone").json["proof"])
    told = json.loads(base64.b64decode(proof["payload"]))
    assert [(one["what"], one["count"]) for one in told["elsewhere"]] == [("files", 1), ("objects", 1)]
    digest = hashlib.sha256(b"gone").hexdigest()
    line = f'{{"key":"tenants/gone/note/sha256/{digest[:2]}/{digest}","size":4}}\n'
    assert told["elsewhere"][1]["sha256"] == hashlib.sha256(line.encode()).hexdigest()
    assert [path.name for path in (own.data / "objects/tenants").iterdir()] == ["gone-2"]
    assert {one["table"]: one["rows"] for one in told["tables"]}["identity.clients"] == 1
    assert len(proof["signatures"]) == 1
    assert not (own.data / "work/tenants/gone").exists()
    assert (own.work / "kept").exists()
    assert own.call("POST", "/v1/tenants", {"tenant": "gone"}).status == 409


def test_without_a_passphrase_no_token_is_issued(tmp_path: Path, postgres: Postgres) -> None:
    with running(tmp_path, postgres) as made:
        assert made.call("GET", "/.well-known/openid-configuration").status == 404
        assert "CLIENT-009" in stella(made, tmp_path, "login").communicate(timeout=60)[1]
        assert as_token(made, "a.b.c", "GET", "/v1/jobs").status == 401
        assert made.call("GET", "/v1/jobs").status == 200


def test_the_address_of_the_issuer_can_be_set(tmp_path: Path, postgres: Postgres) -> None:
    with running(
        tmp_path, postgres, STELLA_ISSUER_PASSPHRASE=PASSPHRASE, STELLA_IDENTITY_ISSUER="https://id.example"
    ) as made:
        found = made.call("GET", "/.well-known/openid-configuration").json
        assert found["token_endpoint"] == "https://id.example/token"
        page = made.call("GET", "/device")
        assert "; Secure" in page.headers["set-cookie"]
        client = new_client(made, "ci", "client:read", tenant="default")
        token = token_of(made, client)
        payload = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        assert payload["iss"] == "https://id.example"
        assert as_token(made, token, "GET", "/v1/clients").status == 200
