"""`run.json`: what a stack runs right now, for whoever wants to use or judge it.

Rules:
- It is a report, not the truth: the lock beside it says whether a supervisor lives, and a process is believed only when
  it was born when the report says, in the same boot.
- It names secrets by reference and holds none; its mode is 0600 all the same.
- Whoever would use what it names believes it only when this account wrote it in this boot and its supervisor lives: a
  folder that came from elsewhere must not lead anybody to a server of its choice.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Literal

import msgspec

from stella.runtime.errors import ObjectMissing, TooLarge
from stella.runtime.files import PRIVATE_MODE, read_file, replacing
from stella.runtime.processes import Process, is_alive

NAME = "run.json"
MAX_RUN = 1 << 20  # a page of text; more is a wrong file


class StackState(StrEnum):
    """What a stack as a whole is."""

    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    STOPPING = "stopping"
    STOPPED = "stopped"


class ChildRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One child of the supervisor; `reason` says why it is not ready."""

    name: str
    state: str
    process: Process | None
    endpoint: str
    restarts: int
    reason: str
    log: str


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The report. `plan` is what was asked for.

    `endpoints` and `secrets` have the same keys: where to connect, and which secret opens it.

    Keys are `postgres` (role stella_app), `postgres-owner` (role stella_owner), `nats`, and where the profile has them
    `valkey`, `s3` and `service`.
    """

    schema: Literal["stella.run@1"] = "stella.run@1"
    state: StackState
    boot: str
    supervisor: Process | None
    digest: str
    plan: dict[str, str | int]
    started: str
    sockets: str  # their folder, which depends on the environment of who started it
    children: tuple[ChildRecord, ...]
    endpoints: dict[str, str]
    secrets: dict[str, str]
    reason: str = ""


def read(data: Path) -> Run | None:
    """The report in a stack's folder; None when there is none, or one of another version or cut short."""
    try:
        return msgspec.json.decode(read_file(data / NAME, MAX_RUN), type=Run)
    except (ObjectMissing, TooLarge, msgspec.MsgspecError):
        return None


def living(data: Path, boot: str) -> Run | None:
    """The report of a stack of this account that runs now, in the boot of that id; else None."""
    try:
        with (data / NAME).open("rb") as file:
            text = file.read(MAX_RUN + 1) if os.fstat(file.fileno()).st_uid == os.geteuid() else b""
        run = msgspec.json.decode(text, type=Run)
    except (OSError, msgspec.MsgspecError):
        return None
    lives = run.boot == boot and run.supervisor is not None and is_alive(run.supervisor)
    return run if lives else None


def write(data: Path, run: Run) -> None:
    """Replace the report; it need not outlive a power cut, for nothing it tells of does."""
    with replacing(data / NAME, PRIVATE_MODE, durable=False) as file:
        file.write(msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")
