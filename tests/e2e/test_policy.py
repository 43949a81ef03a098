"""Policies from their text to a rollback: over HTTP as two clients of a tenant, and by commands.

Rules:
- The service is a process of its own. What other operations find out, and record as evidence, is put straight into its
  database, as they do it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from stella import bootstrap
from stella.cli import main
from stella.client.api import Client
from stella.kernel.canonical import dump
from stella.kernel.digest import sha256
from stella.operations import EVERY_SCOPE, Context, Principal
from stella.policy import evidence, inputs, promotion, records
from stella.policy.rules import GOOD, KINDS, Evidence
from stella.policy.run_model import FreezeInputs
from stella.runtime import roles
from stella.runtime.clock import SystemClock
from stella.runtime.connections import Connections
from stella.runtime.entropy import system_entropy
from stella.runtime.postgres import Login
from stella.runtime.postgres_server import Postgres
from stella.runtime.settings import Settings, StoreSettings
from stella.runtime.transaction import Seal, TenantDatabase
from stella.testing import SilentProgress
from tests.database import postgres
from tests.e2e.material import as_process
from tests.policy_fleet import write
from tests.policy_team import text
from tests.service import AUDIT_KEY, SEAL_KEY, SECRET, Got, Running, running

__all__ = ["postgres"]  # a fixture
pytestmark = pytest.mark.network

WHY = {"reason": "a test", "ticket": "T-1"}
AUTHOR = ("policy:read", "policy:author", "policy:operate", "policy:run", "policy:audit", "object:write")
APPROVER = ("policy:read", "policy:approve", "policy:review", "policy:publish", "policy:promote", "policy:archive")
_numbers = itertools.count()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Running]:
    passphrase = "only for tests, long enough"
    with running(tmp_path_factory.mktemp("policy"), postgres, STELLA_ISSUER_PASSPHRASE=passphrase) as made:
        assert made.call("POST", "/v1/tenants", {"tenant": "acme"}).status == 201
        yield made
        assert not [line for line in made.lines() if line["event"] in {"failed", "library", "outside_tenant"}]


@pytest.fixture
def direct(service: Running) -> Iterator[Context]:
    """An operation of the tenant `acme` on the database of the service."""
    login = Login(service.base.postgres.dsn(service.base.name, roles.APP), SECRET)
    database = TenantDatabase(Connections(login), Seal(SEAL_KEY.encode()))
    yield Context(
        SystemClock(),
        system_entropy,
        SilentProgress(),
        Settings(store=StoreSettings(objects=str(service.data / "objects"))),
        lambda _: AUDIT_KEY.encode(),
        "acme.tests",
        database=lambda: database,
        principal=Principal("acme.tests", frozenset({EVERY_SCOPE}), "acme"),
    )
    database.close()


class Person:
    """A client of the tenant, with a token of its own."""

    def __init__(self, service: Running, *scopes: str) -> None:
        self.service = service
        want = {"name": f"c{next(_numbers)}", "scope": scopes, "tenant": "acme"}
        made = service.call("POST", "/v1/clients", want).json
        form = {"grant_type": "client_credentials", "client_id": made["client_id"], "client_secret": made["secret"]}
        body = urlencode(form).encode()
        kind = "application/x-www-form-urlencoded"
        self.token = service.call("POST", "/token", body, Authorization="", Content_Type=kind).json["access_token"]
        self.client = Client(service.url, self.token)

    def call(self, method: str, path: str, body: Any = None) -> Got:
        return self.service.call(method, f"/v1/policy{path}", body, Authorization=f"Bearer {self.token}")


def found(ctx: Context, policy: str, number: int, *kinds: str) -> None:
    """What other operations record."""
    with ctx.tenant() as t:
        version = records.version(t, policy, number)
        decides = records.placements(t, policy).get("prod")
        today = "" if decides is None or decides.version is None else records.version(t, policy, decides.version).digest
    for kind in kinds or KINDS:
        digest = sha256(kind.encode())
        proof = digest if kind == "determinism" else ""
        about = ""
        if kind == "simulation":
            about = inputs.freeze(ctx, FreezeInputs(inventory=digest)).digest
            digest = ctx.blobs().put(promotion.KIND, dump(promotion.Simulated(today, version.digest, {})))
        one = Evidence(kind, digest, GOOD, ctx.clock.read().wall, about, proof)
        evidence.record(ctx, version.name, version.digest, one)


def figures(service: Running) -> dict[str, float]:
    """The metrics about policies."""
    lines = service.call("GET", "/metrics").body.decode().splitlines()
    pairs = (one.rsplit(" ", 1) for one in lines if one.startswith("policy_"))
    return {name: float(value) for name, value in pairs}


def test_from_a_text_to_a_rollback(service: Running, direct: Context, tmp_path: Path) -> None:
    ada, ben = Person(service, *AUTHOR), Person(service, *APPROVER)
    before = figures(service)
    (tmp_path / "one.stella").write_text(text())
    made = ada.client.policy.create(policy="P-7", file=str(tmp_path / "one.stella"))
    assert (made.version, made.state.value, made.allowed) == (1, "draft", ("submit",))
    shut = ada.call("POST", "/policies/P-7/submissions", {"version": 1})
    assert (shut.status, shut.json["reason"]) == (422, "fixtures_missing")
    found(direct, "P-7", 1, "lint", "fixtures")
    assert ada.call("POST", "/policies/P-7/submissions", {"version": 1}).json["state"] == "submitted"
    assert ada.call("POST", "/policies/P-7/approvals", {"version": 1, **WHY}).json["reason"] == "scope"
    approved = ben.call("POST", "/policies/P-7/approvals", {"version": 1, **WHY})
    assert (approved.status, approved.json["state"]) == (200, "approved")
    again = ben.call("POST", "/policies/P-7/approvals", {"version": 1, **WHY})
    assert (again.status, again.json["facts"]["allowed"]) == (409, ["publish", "promote", "archive"])
    pending = ben.call("POST", "/policies/P-7/promotions", {"version": 1, "env": "prod", **WHY})
    assert (pending.status, pending.json["reason"]) == (409, "not_published")
    found(direct, "P-7", 1, "signature")
    assert ben.call("POST", "/policies/P-7/publications", {"version": 1, **WHY}).status == 200
    shadow = ben.call("POST", "/policies/P-7/promotions", {"version": 1, "env": "prod", **WHY})
    assert (shadow.status, shadow.json["reason"]) == (412, "policy_shadow_required")
    found(direct, "P-7", 1)
    assert ben.call("POST", "/policies/P-7/promotions", {"version": 1, "env": "prod", **WHY}).json["state"] == "active"
    (tmp_path / "two.stella").write_text(text("deferred"))
    second = ada.client.policy.bump(policy="P-7", file=str(tmp_path / "two.stella"), level="minor")
    assert (second.version, second.label) == (2, "1.1.0")
    found(direct, "P-7", 2)
    ada.call("POST", "/policies/P-7/submissions", {"version": 2})
    for path in ("approvals", "publications"):
        assert ben.call("POST", f"/policies/P-7/{path}", {"version": 2, **WHY}).status == 200
    assert ben.call("POST", "/policies/P-7/promotions", {"version": 2, "env": "prod", **WHY}).status == 200
    back = ben.call("POST", "/policies/P-7/rollbacks", {"to": 1, "env": "prod", "incident": "INC-4", **WHY})
    assert (back.status, back.json["state"]) == (200, "active")
    assert [one["version"] for one in back.json["placements"]] == [1]
    rows = ada.call("GET", "/policies/P-7/history").json["rows"]
    assert rows[-1]["event"] == "create"
    assert {row["event"] for row in rows} >= {"submit", "approve", "publish", "promote", "rollback", "supersede"}
    after = figures(service)
    for name, more in (
        ('policy_promotion_total{outcome="success"}', 2),
        ('policy_promotion_total{outcome="pending"}', 1),
        ('policy_promotion_total{outcome="failed"}', 1),
        ('policy_promotion_total{outcome="rolled_back"}', 1),
        ("policy_approval_latency_seconds_count", 2),
        ("policy_compile_duration_seconds_count", 2),
    ):
        assert after[name] - before.get(name, 0) == more, name


def test_a_run_is_a_job(service: Running, tmp_path: Path) -> None:
    ada = Person(service, *AUTHOR, "inventory:write")
    ada.client.policy.create(policy="P-8", template="baseline")
    folder = write(tmp_path, {"web": "prod"})
    loaded = ada.client.inventory.load(
        dir="I", sbom=(str(folder / "sboms"),), advisories=(str(folder / "osv"),), kev=str(folder / "kev.json")
    )
    body = {"policy": "P-8", "inventory": loaded.path}
    unfrozen = ada.call("POST", "/runs", body | {"inputs": loaded.digest})
    assert (unfrozen.status, unfrozen.json["reason"], unfrozen.json["exit"]) == (409, "policy_inputs_unfrozen", 2)
    frozen = ada.call("POST", "/inputs", {"inventory": loaded.digest})
    assert frozen.status == 201
    done = ada.client.policy.run(policy="P-8", inputs=frozen.json["digest"], inventory=loaded.path)
    assert (done.status, sum(done.counts.values()) - done.counts["undecided"]) == ("succeeded", 2)
    assert ada.call("GET", f"/runs/{done.run}").json["determinism"] == done.determinism
    after = figures(service)
    assert after['policy_evaluation_decisions_total{backend="numpy"}'] >= 2
    assert after['policy_simulation_queue_depth{stage="queued"}'] == 0


def test_the_administrator_has_not_logged_in(service: Running) -> None:
    """A token that lies in a file says nothing of who uses it, and when that was proved."""
    made = service.call("POST", "/v1/policy/policies", {"policy": "P-9", "template": "blank"})
    assert made.status == 201, made
    got = service.call("POST", "/v1/policy/policies/P-9/approvals", {"version": 1, **WHY})
    assert (got.status, got.json["reason"]) == (403, "reauth_required")


def test_by_commands(
    service: Running,
    direct: Context,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In process: the operating system has just let each of the two in."""

    def run(who: str, line: str, *words: str, code: int = 0) -> Any:
        monkeypatch.setattr(bootstrap, "actor", lambda: who)
        assert main.run([*line.split(), *words, "--json"]) == code, capsys.readouterr()
        said = json.loads(capsys.readouterr().out)
        return said.get("result", said)

    why = ("--reason", "a test", "--ticket", "T-1")
    kept = {"STELLA_CLIENT_TENANT": "acme", "STELLA_STORE_OBJECTS": str(service.data / "objects")}
    with as_process(tmp_path, **service.base.settings, **kept):
        (tmp_path / "p.stella").write_text(text())
        assert run("ada", "policy create C-1 --file p.stella")["state"] == "draft"
        assert run("ada", "policy submit C-1 --version 1", code=6)["reason"] == "fixtures_missing"
        found(direct, "C-1", 1)
        assert run("ada", "policy submit C-1 --version 1")["state"] == "submitted"
        assert run("ada", "policy approve C-1 --version 1", *why, code=3)["reason"] == "two_person_rule"
        assert run("ben", "policy approve C-1 --version 1", *why)["state"] == "approved"
        assert run("ben", "policy publish C-1 --version 1", *why)["state"] == "approved"
        assert run("ben", "policy promote C-1 --version 1 --env prod", *why)["state"] == "active"
        (tmp_path / "p.stella").write_text(text("deferred"))
        assert run("ada", "policy bump C-1 p.stella --level major")["label"] == "2.0.0"
        changes = run("ada", "policy diff C-1 --old 1")["changes"]
        assert [(one["kind"], one["name"]) for one in changes] == [("changed", "exploited")]
        found(direct, "C-1", 2)
        run("ada", "policy submit C-1 --version 2")
        run("ben", "policy approve C-1 --version 2", *why)
        assert run("ben", "policy activate C-1 --version 2 --env prod", *why)["gate"]["decision"] == "allow"
        assert run("ben", "policy rollback C-1 --to 1 --env prod", *why)["state"] == "active"
        assert run("ben", "policy approve C-1 --version 1", *why, code=2)["reason"] == "illegal_transition"
        kev = ("--when", "kev", "--status", "deferred", "--justification", "x", "--expires", "2099-01-01T00:00:00Z")
        assert run("ada", "exception create EX-1 --policy C-1", *kev)["state"] == "requested"
        assert run("ben", "exception approve EX-1", *why)["in_force"]
        for line in ("policy list", "policy show C-1", "policy history C-1", "exception list", "exception show EX-1"):
            run("ada", line)
            assert main.run(line.split()) == 0
            assert "C-1" in capsys.readouterr().out
        gate = ("--promotionId", "R", "--targetEnvironment", "prod", "--artifactDigest", "x", "--evidenceRef", "x")
        asked = run("ben", "policy gate --tenantId acme --policyBundleDigest x", *gate, code=6)
        assert (asked["decision"], asked["reasonCodes"]) == ("deny", ["policy_unknown"])
