"""Decisions about a stack."""

from __future__ import annotations

import msgspec
import pytest

from stella.runtime.errors import BadSetting
from stella.runtime.processes import Process
from stella.runtime.run_file import ChildRecord, Run, StackState
from stella.runtime.settings import ServiceSettings, Settings, StackSettings
from stella.stack import rules
from stella.stack.errors import PasswordInAddress
from stella.stack.model import Plan, StartStack

PLAN = Plan("core", "", "", 0, 0)


def child(name: str, state: str, reason: str = "") -> ChildRecord:
    return ChildRecord(name=name, state=state, process=None, endpoint="", restarts=0, reason=reason, log="")


def run(state: StackState, *children: ChildRecord, reason: str = "") -> Run:
    return Run(
        state=state,
        boot="b",
        supervisor=Process(1, 2),
        digest=rules.digest(PLAN),
        plan=msgspec.to_builtins(PLAN),
        started="",
        sockets="",
        children=children,
        endpoints={},
        secrets={},
        reason=reason,
    )


def test_a_plan_is_what_flags_and_settings_say() -> None:
    stack = StackSettings(
        nats_port=4333,
        s3_port=4334,
        profile="full",
        nats_url="nats://a",
        postgres_password="file:/p",
        nats_token="env:T",
    )
    settings = Settings(stack=stack, service=ServiceSettings(token="env:S"))
    flags = StartStack(postgres_dsn="host=db")
    assert rules.plan_of(flags, settings) == Plan("core", "host=db", "", 4333, 4334, "file:/p", "", "env:S")
    assert rules.plan_of_settings(settings) == Plan("full", "", "nats://a", 4333, 4334, "", "env:T", "env:S")


def test_settings_that_cannot_be() -> None:
    for stack in (StackSettings(profile="none"), StackSettings(nats_port=70_000)):
        with pytest.raises(BadSetting):
            rules.plan_of_settings(Settings(stack=stack))


@pytest.mark.parametrize(
    ("address", "holds"),
    [
        ("host=db user=me", False),
        ("host=db password=x", True),
        ("host=db password = x", True),
        ("postgresql://me@db/x", False),
        ("postgresql://me:x@db/x", True),
        ("postgresql://db/x?password=y", True),
        ("postgresql://db/x?sslmode=require&password=y", True),
        ("nats://token@bus:4222", True),
        ("nats://bus:4222", False),
        ("nats://a:4222,nats://me:x@b:4222", True),
        ("", False),
    ],
)
def test_an_address_with_a_password_is_refused(address: str, holds: bool) -> None:
    want = StartStack(nats_url=address) if address.startswith("nats") else StartStack(postgres_dsn=address)
    if holds:
        with pytest.raises(PasswordInAddress):
            rules.plan_of(want, Settings())
    else:
        rules.plan_of(want, Settings())


def test_each_field_of_a_plan_counts() -> None:
    others = [Plan("full", "", "", 0, 0), Plan("core", "x", "", 0, 0), Plan("core", "", "x", 0, 0)]
    others += [Plan("core", "", "", 1, 0), Plan("core", "", "", 0, 1)]
    others += [
        Plan("core", "", "", 0, 0, "x"),
        Plan("core", "", "", 0, 0, "", "x"),
        Plan("core", "", "", 0, 0, "", "", "x"),
    ]
    assert len({rules.digest(plan) for plan in [PLAN, *others]}) == 9
    assert all(rules.difference(msgspec.to_builtins(PLAN), plan) for plan in others)
    assert rules.difference(msgspec.to_builtins(PLAN), PLAN) == ""
    words = rules.difference(msgspec.to_builtins(PLAN), Plan("full", "", "nats://a", 0, 0))
    assert words == "profile is core, asked for full; nats_url is not set, asked for nats://a"


@pytest.mark.parametrize(
    ("states", "stopping", "whole"),
    [
        ("ready ready", False, "ready"),
        ("ready starting", False, "starting"),
        ("ready paused", False, "starting"),
        ("ready failed", False, "failed"),
        ("starting failed", False, "failed"),
        ("ready ready", True, "stopping"),
        ("failed ready", True, "stopping"),
        ("", False, "ready"),
    ],
)
def test_the_whole_is_what_its_children_are(states: str, stopping: bool, whole: str) -> None:
    children = [child(f"c{number}", state) for number, state in enumerate(states.split())]
    assert rules.state_of(children, stopping=stopping)[0] == whole


def test_the_whole_says_why() -> None:
    children = [child("postgres", "ready"), child("nats", "failed", "no"), child("s3", "failed", "never")]
    assert rules.state_of(children, stopping=False) == (StackState.FAILED, "nats no; s3 never")
    assert rules.state_of([child("nats", "paused", "no")], stopping=False) == (StackState.STARTING, "nats no")


@pytest.mark.parametrize(
    ("state", "children", "settled"),
    [
        ("ready", "ready", True),
        ("starting", "starting", False),
        ("stopping", "ready", False),
        ("stopped", "", True),
        ("failed", "ready failed", True),
        ("failed", "starting failed", False),
        ("failed", "paused failed", False),
        ("failed", "", True),
    ],
)
def test_when_waiting_changes_nothing(state: str, children: str, settled: bool) -> None:
    report = run(StackState(state), *(child("c", word) for word in children.split()))
    assert rules.is_settled(report) is settled


def test_the_last_report_of_a_supervisor() -> None:
    assert rules.is_over(run(StackState.STOPPED))
    assert rules.is_over(run(StackState.FAILED))
    partly = msgspec.structs.replace(run(StackState.FAILED), endpoints={"postgres": "here"})
    assert not any(map(rules.is_over, (partly, run(StackState.READY), run(StackState.STOPPING))))


def test_why_nothing_runs() -> None:
    assert rules.why_not_running(None) == "it was never started"
    assert rules.why_not_running(run(StackState.STOPPED)) == "it was stopped"
    assert rules.why_not_running(run(StackState.FAILED, reason="nats no")) == "it failed, nats no"
    assert rules.why_not_running(run(StackState.READY)) == "its supervisor was killed"
