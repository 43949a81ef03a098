"""Decisions about a stack, pure: what is wanted, what the whole is, when it is fit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import get_args

import msgspec

from stella.kernel.canonical import dump
from stella.kernel.digest import sha256
from stella.runtime.errors import BadSetting
from stella.runtime.run_file import ChildRecord, Run, StackState
from stella.runtime.settings import Settings, StackSettings
from stella.stack.errors import PasswordInAddress
from stella.stack.model import Plan, Profile, StartStack

NATS_SCHEMES = ("nats:", "tls:", "ws:", "wss:")
_PASSWORD = re.compile(r"\bpassword\s*=", re.IGNORECASE)
MAX_PORT = 65_535
SHORT = 12  # hex characters of a digest that tell two configurations apart


def plan_of(want: StartStack, settings: Settings) -> Plan:
    """What is asked for; raises PasswordInAddress or BadSetting."""
    _check_ports(settings.stack)
    for what, address in (("PostgreSQL", want.postgres_dsn), ("NATS", want.nats_url)):
        if holds_password(address):
            raise PasswordInAddress(what=what)
    return Plan(
        want.profile,
        want.postgres_dsn,
        want.nats_url,
        settings.stack.nats_port,
        settings.stack.s3_port,
        settings.stack.postgres_password if want.postgres_dsn else "",
        settings.stack.nats_token if want.nats_url else "",
        settings.service.token,
    )


def plan_of_settings(settings: Settings) -> Plan:
    """What the settings ask for, without any flag; raises PasswordInAddress or BadSetting."""
    stack = settings.stack
    if stack.profile not in get_args(Profile):
        expected = " or ".join(f"`{name}`" for name in get_args(Profile))
        raise BadSetting(key="stack.profile", origin="the settings", value=stack.profile, expected=expected)
    profile: Profile = "full" if stack.profile == "full" else "core"
    return plan_of(StartStack(profile=profile, postgres_dsn=stack.postgres_dsn, nats_url=stack.nats_url), settings)


def _check_ports(settings: StackSettings) -> None:
    for name in ("nats_port", "s3_port"):
        port = getattr(settings, name)
        if port > MAX_PORT:
            raise BadSetting(key=f"stack.{name}", origin="the settings", value=port, expected=f"at most {MAX_PORT}")


def holds_password(address: str) -> bool:
    """Whether an address or a connection string has a password in it; before the @ of a NATS address all is secret."""
    accounts = [part.rpartition("@")[0].rpartition("//")[2] for part in address.partition("?")[0].split(",")]
    secret = any(accounts) if address.startswith(NATS_SCHEMES) else any(":" in account for account in accounts)
    return secret or _PASSWORD.search(address) is not None


def digest(plan: Plan) -> str:
    """Digest of a configuration; two stacks with the same one do the same."""
    return sha256(dump(msgspec.to_builtins(plan)))[:SHORT]


def difference(found: Mapping[str, str | int], wanted: Plan) -> str:
    """In what a running stack differs from what is asked for."""
    asked = msgspec.to_builtins(wanted)
    words = [
        f"{name} is {found.get(name) or 'not set'}, asked for {value or 'none'}"
        for name, value in asked.items()
        if found.get(name) != value
    ]
    return "; ".join(words)


def state_of(children: Sequence[ChildRecord], *, stopping: bool) -> tuple[StackState, str]:
    """The state of the whole, and why it is not better."""
    failed = [f"{child.name} {child.reason}" for child in children if child.state == "failed"]
    if stopping:
        return StackState.STOPPING, "; ".join(failed)
    if failed:
        return StackState.FAILED, "; ".join(failed)
    if all(child.state == "ready" for child in children):
        return StackState.READY, ""
    return StackState.STARTING, "; ".join(f"{child.name} {child.reason}" for child in children if child.reason)


def is_settled(run: Run) -> bool:
    """Whether waiting longer would change nothing."""
    if run.state is StackState.FAILED:
        return all(child.state in {"ready", "failed", "stopped"} for child in run.children)
    return run.state in {StackState.READY, StackState.STOPPED}


def is_over(run: Run) -> bool:
    """Whether a report is the last one of its supervisor, which lets go of the lock next."""
    return run.state is StackState.STOPPED or (run.state is StackState.FAILED and not run.endpoints)


def why_not_running(run: Run | None) -> str:
    """What the last report says about a stack whose lock nobody holds."""
    if run is None:
        return "it was never started"
    if run.state is StackState.STOPPED:
        return "it was stopped"
    if run.state is StackState.FAILED:
        return f"it failed, {run.reason}"
    return "its supervisor was killed"
