"""The whole way of a policy over HTTP, by two people: checked, approved, signed, a canary, everywhere, and back.

Nothing is recorded behind the service's back here: all evidence is what its own operations have found.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stella.cli.main import run as command
from stella.runtime.postgres_server import Postgres
from tests.database import postgres
from tests.e2e.material import as_process
from tests.e2e.test_policy import WHY, Person, figures
from tests.policy_fleet import write
from tests.policy_team import text
from tests.service import Running, running

__all__ = ["postgres"]  # a fixture
pytestmark = pytest.mark.network

ASSETS = {f"host-{number}": "prod" for number in range(30)}
FIXTURES = """[[fixture]]
name = "exploited"
expect = {{ status = "{status}", rule = "exploited" }}
[fixture.finding]
kev = true

[[fixture]]
name = "not exploited"
expect = {{ status = "affected" }}
[fixture.finding]
kev = false
"""
AUTHOR = (
    *("policy:read", "policy:author", "policy:operate", "policy:run", "policy:simulate", "policy:audit"),
    *("inventory:write", "inventory:read", "object:read", "object:write"),
)
APPROVER = (
    *("policy:read", "policy:approve", "policy:review", "policy:publish", "policy:promote", "policy:archive"),
    *("policy:operate", "key:write", "key:read", "key:sign"),
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Running]:
    secrets = dict.fromkeys(("STELLA_ISSUER_PASSPHRASE", "STELLA_KEY_PASSPHRASE"), "only for tests, long enough")
    with running(tmp_path_factory.mktemp("story"), postgres, **secrets) as made:
        assert made.call("POST", "/v1/tenants", {"tenant": "acme"}).status == 201
        yield made
        assert not [line for line in made.lines() if line["event"] in {"failed", "library", "outside_tenant"}]


class Two:
    """Ada writes and checks, Ben approves, signs and promotes."""

    def __init__(self, service: Running, top: Path) -> None:
        self.service, self.top = service, top
        self.ada, self.ben = Person(service, *AUTHOR), Person(service, *APPROVER)

    def load(self, name: str, **more: str) -> str:
        """A snapshot of the fleet of now."""
        folder = write(self.top / name, ASSETS, **more)
        made = self.ada.client.inventory.load(
            dir="I",
            sbom=(str(folder / "sboms"),),
            advisories=(str(folder / "osv"),),
            assets=str(folder / "assets.toml"),
            kev=str(folder / "kev.json"),
        )
        return str(made.path)

    def written(self, status: str) -> Path:
        """A folder with a policy, its fixtures, and limits that let it through."""
        folder = self.top / status
        folder.mkdir()
        (folder / "p.stella").write_text(text(status))
        (folder / "p.fixtures.toml").write_text(FIXTURES.format(status=status))
        (self.top / "limits.toml").write_text("max_unblocked_kev = 1000\n")
        return folder

    def made_ready(self, folder: Path, number: int, snapshot: str, before: str) -> None:
        """From a draft to a published version, with what the operations of the service find."""
        checked = self.ada.client.policy.ci(
            paths=(str(folder),),
            inventory=snapshot,
            before=before,
            limits=str(self.top / "limits.toml"),
            record=f"P-7@{number}",
        )
        assert checked.verdict == "passed", checked.steps
        assert {one.kind for one in checked.recorded} == {"lint", "fixtures", "coverage", "simulation", "determinism"}
        assert len(checked.result) == len("0" * 64)
        assert self.ada.call("POST", "/policies/P-7/submissions", {"version": number}).json["state"] == "submitted"
        self.ben_does("approvals", {"version": number})
        out = self.top / f"{number}.sigstore"
        client = self.ben.client
        client.policy.sign(file=str(folder / "p.stella"), policy_id="P-7", version=number, out=str(out), **WHY)
        published = client.policy.publish(policy="P-7", version=number, attestation=str(out), **WHY)
        assert [one.verdict for one in published.evidence if one.kind == "signature"] == ["passed"]
        early = self.ben.call("POST", "/policies/P-7/promotions", {"version": number, "env": "prod", **WHY})
        assert (early.status, early.json["reason"]) == (412, "policy_shadow_required")
        shadow = self.ada.client.policy.run(policy="P-7", inventory=snapshot, version=number, mode="shadow")
        assert (shadow.status, sum(shadow.counts.values())) == ("succeeded", 2 * len(ASSETS))

    def ben_does(self, path: str, body: dict[str, Any]) -> Any:
        got = self.ben.call("POST", f"/policies/P-7/{path}", body | WHY)
        assert got.status == 200, got
        return got.json

    def decides(self, number: int) -> tuple[int | None, int | None, int]:
        """What there is where that version decides: the version, the canary, and its share."""
        (placed,) = self.ada.call("GET", f"/policies/P-7?version={number}").json["placements"]
        return placed["version"], placed["canary"], placed["percent"]


def test_two_people_bring_a_policy_to_all_assets_and_back(service: Running, tmp_path: Path) -> None:
    two, begin = Two(service, tmp_path), figures(service)
    two.ben.client.key.create()
    snapshot = two.load("fleet")
    folder = two.written("blocked")
    two.ada.client.policy.create(policy="P-7", file=str(folder / "p.stella"))
    two.made_ready(folder, 1, snapshot, "none")
    two.ben_does("promotions", {"version": 1, "env": "prod"})
    assert two.decides(1) == (1, None, 0)

    folder = two.written("deferred")
    two.ada.client.policy.bump(policy="P-7", file=str(folder / "p.stella"))
    two.made_ready(folder, 2, snapshot, "active")
    two.ben_does("promotions", {"version": 2, "env": "prod", "canary": 10})
    assert two.decides(1) == (1, 2, 10)
    seen = two.ada.client.policy.observe(policy="P-7", env="prod", inventory=snapshot)
    assert (seen.rolled_back, seen.percent) == (False, 10)

    other = two.load("other", exploited="CVE-2020-0001")
    seen = two.ada.client.policy.observe(policy="P-7", env="prod", inventory=other)
    assert seen.rolled_back
    assert {one.transition for one in seen.differences} == {"default>default", "exploited>exploited"}
    assert two.decides(1) == (1, None, 0)

    two.ben_does("promotions", {"version": 2, "env": "prod", "canary": 10})
    two.ben_does("promotions", {"version": 2, "env": "prod"})
    assert two.decides(2) == (2, None, 0)
    two.ben_does("rollbacks", {"to": 1, "env": "prod", "incident": "INC-4"})
    assert two.decides(1) == (1, None, 0)

    end = figures(service)
    moved = {
        'policy_promotion_total{outcome="success"}': 4,
        'policy_promotion_total{outcome="pending"}': 2,
        'policy_promotion_total{outcome="rolled_back"}': 2,
        "policy_approval_latency_seconds_count": 2,
        "policy_compile_duration_seconds_count": 2,
    }
    assert {name: end[name] - begin.get(name, 0) for name in moved} == moved
    assert end['policy_evaluation_decisions_total{backend="numpy"}'] >= 4 * len(ASSETS)
    assert end["policy_evaluation_degraded_total"] == begin.get("policy_evaluation_degraded_total", 0)


def test_what_cannot_be_simulated_never_waits(service: Running, tmp_path: Path) -> None:
    two = Two(service, tmp_path)
    old = two.ada.client.inventory.load(
        dir="I",
        sbom=(str(write(tmp_path / "old", ASSETS) / "sboms"),),
        advisories=(str(tmp_path / "old/osv"),),
        as_of="2026-01-31T12:00:00Z",
    ).path
    snapshot = two.load("fleet")
    (service.work_of("acme") / "mine").mkdir()
    (service.work_of("acme") / "mine/p.stella").write_text(text())
    body = {"to": "mine/p.stella"}
    reader = Person(service, "policy:simulate", "policy:run", "files:read")
    for path, more, reason in (
        ("/simulations", body | {"inventory": old}, "inputs_stale"),
        ("/simulations", body | {"inventory": "I/none"}, "policy_inputs_unfrozen"),
        ("/simulations", body | {"inventory": snapshot, "inputs": "0" * 64}, "policy_inputs_unfrozen"),
        ("/checks", {"paths": ["mine"], "inventory": old}, "inputs_stale"),
        ("/runs", {"policy": "P-7", "inventory": old}, "inputs_stale"),
        ("/runs", {"policy": "P-7", "inventory": "I/none"}, "policy_inputs_unfrozen"),
    ):
        got = reader.call("POST", path, more)
        assert (got.status, got.json["reason"]) == (409, reason), (path, more)
        if reason == "inputs_stale":
            assert got.json["facts"].keys() >= {"age", "limit"}


def test_by_commands_that_ask_a_service(service: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit codes are those of a command that asks nobody; files are sent, and a stored version is named."""
    two = Two(service, tmp_path)
    snapshot = two.load("fleet")
    folder = two.written("blocked")
    (folder / "other.stella").write_text(text("affected"))
    token = tmp_path / "token"
    token.write_text(two.ada.token)
    server = ("--server", service.url, "--json")

    def asked(*words: str) -> tuple[int, Any]:
        with as_process(tmp_path, STELLA_CLIENT_TOKEN=f"file:{token}"):
            code = command([*words, *server])
        out, err = capsys.readouterr()
        return code, json.loads(out or err)

    base = ("policy", "simulate", "--to", str(folder / "other.stella"), "--inventory", snapshot)
    code, told = asked(*base, "--from", str(folder / "p.stella"))
    assert (code, told["reason"]) == (6, "threshold_exceeded"), told
    assert len(told["result"]) == 64
    code, told = asked(*base)
    assert (code, told["verdict"]) == (0, "passed")
    code, told = asked(*base, "--from", "active", "--env", "nowhere")
    assert (code, told["reason"]) == (2, "no_active_policy")
    code, told = asked(*base[:-1], "I/none")
    assert (code, told["reason"]) == (2, "policy_inputs_unfrozen")
