"""What the stack's operations take and give, and what a stack is made of.

Rules:
- A stack is one folder: data, logs, secrets, sockets and a report of what runs. Two folders are two stacks.
- What is configured is a Plan; its digest tells whether a running stack is the one that is asked for.
- A check has an id, says what it found and why that matters, and names the command that mends it.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from stella.operations import arg
from stella.runtime.settings import ServiceSettings

DATA_HELP = "Folder of the stack."
Profile = Literal["core", "full"]
Verdict = Literal["pass", "warn", "fail", "skip"]


class Plan(msgspec.Struct, frozen=True):
    """What a stack should be. An address that is set replaces an embedded server; port 0 is any free one.

    Password and tokens are references; the first two go with the addresses.
    """

    profile: Profile
    postgres_dsn: str
    nats_url: str
    nats_port: int
    s3_port: int
    postgres_password: str = ""
    nats_token: str = ""
    service_token: str = ServiceSettings().token


class StartStack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of up."""

    data: Annotated[str, arg(DATA_HELP, "folder", metavar="DIR", setting="stack.data")] = ".stella"
    profile: Annotated[
        Profile,
        arg("`full` adds the cache (Valkey) and an S3 store (SeaweedFS).", setting="stack.profile"),
    ] = "core"
    postgres_dsn: Annotated[
        str,
        arg(
            "Use this PostgreSQL; no password in it. Instead of an own one.",
            metavar="DSN",
            setting="stack.postgres_dsn",
        ),
    ] = ""
    nats_url: Annotated[str, arg("Use this NATS instead of an own one.", metavar="URL", setting="stack.nats_url")] = ""
    foreground: Annotated[bool, arg("Stay and supervise until told to stop, as a service manager wants.")] = False


class OfStack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of down, status and doctor."""

    data: Annotated[str, arg(DATA_HELP, "home", metavar="DIR", setting="stack.data")] = ".stella"


class ChildShown(msgspec.Struct, frozen=True, kw_only=True):
    """One child as it is now; sizes in bytes, times in seconds. An external server has no process."""

    name: str
    state: str
    pid: int | None
    endpoint: str
    memory_bytes: int
    uptime_s: int
    restarts: int
    reason: str = ""


class StackUp(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.up@1"):
    """Result of up. `already` is true when it ran before; `secrets` are references, never the secrets."""

    data: str
    profile: str
    state: str
    already: bool
    supervisor: int | None
    seconds: float
    endpoints: dict[str, str]
    secrets: dict[str, str]


class StackDown(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.down@1"):
    """Result of down. `stopped` are the children in the order in which they ended."""

    data: str
    was_running: bool
    stopped: tuple[str, ...]
    seconds: float


class StackShown(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.status@1"):
    """Result of status."""

    data: str
    state: str
    profile: str
    supervisor: int | None
    started: str
    children: tuple[ChildShown, ...]
    endpoints: dict[str, str]
    reason: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found. `threshold` says for what it counts: to work at all, or to be trusted with production."""

    id: str
    threshold: Literal["operational", "production"]
    verdict: Verdict
    found: str
    why: str
    fix: str = ""


class Examined(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.doctor@1"):
    """Result of doctor."""

    data: str
    operational: bool
    production_ready: bool
    checks: tuple[Finding, ...]
