"""What the operations about frozen inputs and runs take and give."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from stella.operations import arg
from stella.policy.model import Newest, PolicyId

PARTS = ("sbom_digest", "advisory_snapshot", "vex_set", "reachability_hash", "signals_digest", "inventory")


class FreezeInputs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.freeze."""

    sbom_digest: Annotated[str, arg("SHA-256 of the SBOMs.", metavar="SHA256")] = ""
    advisory_snapshot: Annotated[str, arg("SHA-256 of the advisories.", metavar="SHA256")] = ""
    vex_set: Annotated[str, arg("SHA-256 of the VEX statements.", metavar="SHA256")] = ""
    reachability_hash: Annotated[str, arg("SHA-256 of what is known of reachability.", metavar="SHA256")] = ""
    signals_digest: Annotated[str, arg("SHA-256 of the signals.", metavar="SHA256")] = ""
    inventory: Annotated[
        str, arg("SHA-256 of a snapshot of the inventory, which holds all of it.", metavar="SHA256")
    ] = ""
    as_of: Annotated[str, arg("The instant that it is about; now.", metavar="TIME")] = ""


class InputsFrozen(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.freeze@1"):
    """Result of policy.freeze: by `digest` a run names its inputs."""

    digest: str
    parts: dict[str, str]
    as_of: str
    frozen: str


class RunPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.run."""

    policy: PolicyId
    inventory: Annotated[str, arg("Snapshot of the inventory.", "folder", metavar="SNAPSHOT")]
    version: Newest = None
    mode: Annotated[Literal["full", "shadow"], arg("Whether what it decides is to count.")] = "full"
    inputs: Annotated[
        str, arg("Digest of frozen inputs that the snapshot is a part of; it is frozen now.", metavar="SHA256")
    ] = ""

    @property
    def max_age(self) -> str:
        """How old the snapshot may be."""
        return "24h"


class NameRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.run-status."""

    run: Annotated[str, arg("Id of the run.", positional=True, metavar="RUN")]


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A run; `counts` are findings by status, and `undecided` those that a stronger rule could not be asked about."""

    run: str
    policy: str
    version: int
    mode: str
    status: str
    inputs: str
    counts: dict[str, int]
    determinism: str
    result: str
    started: str
    finished: str


class PolicyRan(RunFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.run@1"):
    """Result of policy.run."""


class RunShown(RunFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.run-status@1"):
    """Result of policy.run-status."""
