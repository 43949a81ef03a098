"""What a running service counts and writes down: every figure of the drill kit, every refused token, every issuer.

Rules:
- The service believes its own issuer and a provider on loopback that fails when a test says so.
- What it counted is read from `/metrics`, what it wrote down from its database.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from stella.drill import kit
from stella.drill.alerts import ALERTS, RECORDED
from stella.http.denials import EACH
from stella.runtime.postgres_server import Postgres
from stella.runtime.telemetry import METRICS
from stella.tenancy.errors import REASONS
from stella.tenancy.jwks import BURST
from stella.tenancy.mint import SigningKey
from stella.testing import counted_entropy
from tests.database import connected, postgres
from tests.e2e.test_identity import PASSPHRASE, as_token, new_client, post, token_of
from tests.service import PATIENCE, Got, Running, running

__all__ = ["postgres"]  # a fixture
pytestmark = pytest.mark.network

KEY = SigningKey.generate(counted_entropy("provider"), "EdDSA")
FLOOD = 4 * EACH
_numbers = itertools.count()


class Provider:
    """An issuer on loopback: its discovery document and its keys, or a failure."""

    def __init__(self) -> None:
        outer = self
        self.broken = False

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(
                    {"keys": [KEY.jwk()]}
                    if self.path == "/jwks"
                    else {"issuer": outer.url, "jwks_uri": f"{outer.url}/jwks"}
                ).encode()
                self.send_response(503 if outer.broken else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def token(self, *, kid: str = KEY.kid, alg: str = KEY.alg, **claims: Any) -> str:
        now = int(time.time())
        made: dict[str, Any] = {"iss": self.url, "sub": "robot", "aud": "stella", "client_id": "robot", "tid": "acme"}
        made |= {"scope": "client:read", "iat": now, "nbf": now, "exp": now + 120, "jti": f"t{next(_numbers)}"}
        return KEY.sign({"typ": "at+jwt", "alg": alg, "kid": kid}, json.dumps(made | claims).encode())


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def service(provider: Provider, tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Running]:
    believed = f"{provider.url} audience=stella tenants=acme"
    settings = {"STELLA_ISSUER_PASSPHRASE": PASSPHRASE, "STELLA_IDENTITY_ISSUERS": believed}
    with running(tmp_path_factory.mktemp("meters"), postgres, **settings) as made:
        assert made.call("POST", "/v1/tenants", {"tenant": "acme"}).status == 201
        yield made
        assert not [line for line in made.lines() if line["event"] in {"failed", "library", "outside_tenant"}]


def figures(service: Running) -> dict[str, Metric]:
    got = service.call("GET", "/metrics")
    assert got.status == 200, got
    return {family.name: family for family in text_string_to_metric_families(got.body.decode())}


def value(running: Running, name: str, /, **labels: str) -> float:
    return summed(figures(running), name, labels)


def summed(found: dict[str, Metric], name: str, labels: dict[str, str]) -> float:
    family = found.get(name.removesuffix("_total"))
    samples = family.samples if family else []
    return sum(one.value for one in samples if one.name == name and labels.items() <= one.labels.items())


def written(service: Running, action: str) -> list[tuple[str, dict[str, Any]]]:
    """The events of an action: the tenant whose log has it, and what it says."""
    with connected(service.base.postgres, service.base.name) as connection:
        rows = connection.execute("SELECT tenant_id, body FROM audit.events WHERE action = %s ORDER BY id", [action])
        return [(tenant, json.loads(bytes(body))) for tenant, body in rows.fetchall()]


def until(service: Running, action: str, wanted: Any) -> dict[str, Any]:
    """The first event that is wanted; they are written behind the answer."""
    end = time.monotonic() + PATIENCE
    while True:
        for tenant, event in written(service, action):
            if wanted(tenant, event):
                return event
        assert time.monotonic() < end, written(service, action)
        time.sleep(0.05)


def ask(service: Running, token: str, path: str = "/v1/clients", **headers: str) -> Got:
    return as_token(service, token, "GET", path, **headers)


def live(service: Running, provider: Provider) -> None:
    """A little of everything, by a tenant and by a stranger."""
    for text in (provider.token(), provider.token(), provider.token(kid="absent"), "x"):
        ask(service, text)
    token = token_of(
        service, new_client(service, f"ci-{next(_numbers)}", "client:read", "files:read", "files:write", "mirror:read")
    )
    assert ask(service, token).status == 200
    want = {"name": "b", "size": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
    made = as_token(service, token, "POST", "/v1/uploads", want)
    sent = {"Upload_Offset": "0", "Content_Type": "application/octet-stream"}
    assert as_token(service, token, "PATCH", made.headers["location"], b"abc", **sent).status == 200
    got = as_token(service, token, "POST", "/v1/mirror/verifications", {"bundle": "none", "trust": "none"})
    assert got.status == 202, got
    end = time.monotonic() + PATIENCE
    while not value(service, "stella_jobs_ended_total", event="fail"):
        assert time.monotonic() < end
        time.sleep(0.05)
    name = f"acme.guess-{next(_numbers)}"
    statuses = [
        post(service, "/token", grant_type="client_credentials", client_id=name, client_secret="x").status
        for _ in range(12)
    ]
    assert statuses[-1] == 429


def expressions() -> list[str]:
    return [
        *(one.expression for one in RECORDED),
        *(one.expression for one in ALERTS),
        *(one.expression for one in kit.PANELS),
    ]


def test_every_metric_of_the_kit_has_a_series(service: Running, provider: Provider) -> None:
    """No panel and no alert is without data for ever."""
    live(service, provider)
    assert value(service, "tenant_rate_limit_hits_total", tenant="_unknown") > 0
    found = figures(service)
    samples = [one for family in found.values() for one in family.samples]
    recorded = {one.name for one in RECORDED}
    used = set()
    for expression in expressions():
        for name, chosen in re.findall(r"([a-z_:0-9]+)(?:\{([^}]*)\})?", expression):
            if name.removesuffix("_bucket") not in METRICS:
                continue
            used.add(name)
            exact = dict(re.findall(r'(\w+)="([^"]*)"', chosen))
            series = [one for one in samples if one.name == name and exact.items() <= one.labels.items()]
            assert series, (name, exact)
            labels = set(METRICS[name.removesuffix("_bucket")].labels)
            assert all(labels <= one.labels.keys() for one in series), name
        for name in re.findall(r"[a-z_]+(?::\w+)+", expression):
            assert name in recorded
    assert len(used) == 10, used
    assert {name.removesuffix("_total") for name in METRICS} == found.keys(), "a job that fails has ended by now"


def test_a_tenant_is_counted_by_its_token(service: Running, provider: Provider) -> None:
    route = {"service": "stella", "route": "client.list"}
    before = figures(service)

    def grown(name: str, /, **labels: str) -> float:
        return value(service, name, **labels) - summed(before, name, labels)

    assert ask(service, provider.token()).status == 200
    assert ask(service, provider.token(scope="mirror:read")).status == 403
    assert ask(service, provider.token(), X_Stella_Tenant="default").status == 403
    assert ask(service, "x", X_Stella_Tenant="acme").status == 401
    assert grown("tenant_requests_total", tenant="acme", status="200", **route) == 1
    assert grown("tenant_requests_total", tenant="acme", status="403", **route) == 2
    assert grown("tenant_requests_total", tenant="acme", status="401", **route) == 0
    assert grown("tenant_requests_total", tenant="_unknown", status="401", **route) == 1
    assert grown("stella_requests_total", operation="client.list") == 4
    for reason in ("token.scope_missing", "token.tenant_mismatch", "token.malformed"):
        assert grown("token_verify_failures_total", reason=reason) == 1
    assert value(service, "tenant_queue_depth", tenant="acme") == 0
    assert not [name for name in before if not METRICS.keys() & {name, f"{name}_total"}], "another metric"


def test_each_refused_token_is_in_an_audit_log(service: Running, provider: Provider) -> None:
    revoked = new_client(service, f"leaver-{next(_numbers)}", "client:read")
    gone = token_of(service, revoked)
    post(service, "/revoke", token=gone, client_id=revoked["client_id"], client_secret=revoked["secret"])
    good, now = provider.token(), int(time.time())
    assert ask(service, good).status == 200, "the service knows the tenant by now"
    head, payload, signature = good.split(".")
    refusals = {
        "token.malformed": ("x", 401, "default"),
        "token.alg_denied": (provider.token(alg="HS256"), 401, "default"),
        "token.iss": (provider.token(iss="https://elsewhere.example"), 401, "default"),
        "token.unknown_key": (provider.token(kid="missing"), 401, "default"),
        "token.bad_signature": (f"{head}.{payload}.{'A' * len(signature)}", 401, "default"),
        "token.tenant_mismatch": (provider.token(tid="default"), 403, "default"),
        "token.aud": (provider.token(aud="other"), 401, "acme"),
        "token.expired": (provider.token(iat=now - 600, nbf=now - 600, exp=now - 300), 401, "acme"),
        "token.not_yet": (provider.token(iat=now + 300, nbf=now + 300, exp=now + 420), 401, "acme"),
        "token.binding": (provider.token(cnf={"jkt": "A" * 43}), 401, "acme"),
        "token.revoked": (gone, 401, "acme"),
    }
    assert {*refusals, "token.scope_missing"} == set(REASONS)
    for reason, (token, status, tenant) in refusals.items():
        got = ask(service, token)
        assert (got.status, got.json["reason"]) == (status, reason)
        assert re.match(r'(Bearer|DPoP) realm="stella", error="\w+"', got.headers["www-authenticate"])
        event = until(
            service,
            "auth.denied",
            lambda where, event: (where, event["after"].get("reason")) == (tenant, reason),  # noqa: B023
        )
        assert (event["resource"], event["outcome"]) == ("client.list", "denied")
        assert (event["after"]["code"], event["actorType"]) == (
            got.json["code"],
            "system" if tenant == "default" else "user",
        )
    assert ask(service, provider.token(scope="mirror:read")).status == 403
    until(service, "auth.denied", lambda _, event: event["after"].get("scope") == "client:read")
    kept = service.log.read_text() + json.dumps([body for _, body in written(service, "auth.denied")])
    for token, *_ in refusals.values():
        assert len(token) < 9 or token.rpartition(".")[2] not in kept


def test_a_flood_of_bad_tokens_is_counted_and_bounded(service: Running, provider: Provider) -> None:
    """After a stop all of them are accounted for, in few rows."""

    def rows() -> list[int]:
        mine = [event for _, event in written(service, "auth.denied") if event["after"].get("reason") == "token.iss"]
        return [int(event["after"].get("count", 1)) for event in mine]

    before = rows()
    token = provider.token(iss="https://elsewhere.example")
    counted = value(service, "token_verify_failures_total", reason="token.iss")
    for _ in range(FLOOD):
        assert ask(service, token).status == 401
    assert value(service, "token_verify_failures_total", reason="token.iss") - counted == FLOOD
    code, _ = service.stop()
    assert code == 0
    after = rows()
    service.start()
    assert sum(after) - sum(before) == FLOOD
    assert len(after) - len(before) <= 2 * (EACH + 1), "of two minutes at most"


def test_an_issuer_that_cannot_be_reached_is_in_the_log_of_the_installation(
    service: Running, provider: Provider
) -> None:
    assert ask(service, provider.token()).status == 200
    assert BURST > 3, "downloads that the tests of this file cause"
    provider.broken = True
    try:
        assert ask(service, provider.token(kid=f"new-{next(_numbers)}")).status == 401
        event = until(service, "auth.degraded", lambda *_: True)
        assert (event["tenant"], event["actor"], event["outcome"]) == ("default", "verifier", "failure")
        assert event["resource"] == provider.url
        assert "503" in event["after"]["problem"]
        assert value(service, "jwks_fetch_total", issuer=provider.url, result="failed") > 0
        assert ask(service, provider.token()).status == 200, "kept keys are in use"
    finally:
        provider.broken = False
    end = time.monotonic() + PATIENCE
    while not written(service, "auth.recovered"):
        assert time.monotonic() < end
        ask(service, provider.token(kid=f"new-{next(_numbers)}"))
        time.sleep(0.1)
    assert len(written(service, "auth.degraded")) == len(written(service, "auth.recovered")) == 1
    assert value(service, "jwks_keys", issuer=provider.url) == 1
