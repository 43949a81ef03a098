"""What policy.simulate takes and gives.

Rules:
- All counts are whole and exact; lists of examples say how many there are of which they show some.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from stella.engine.moves import Moved, Shift
from stella.operations import arg


class SimulatePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"before": "from", "after": "to"}):
    """Request of policy.simulate."""

    after: Annotated[str, arg("Policy that is proposed.", "file_in", metavar="FILE")]
    inventory: Annotated[
        str, arg("Snapshot of the inventory, or a folder of them for the newest.", "folder", metavar="SNAPSHOT")
    ]
    before: Annotated[
        str,
        arg("Policy of today: a file, `active`, a version such as P-7@3, or `none`.", "policy", metavar="POLICY"),
    ] = "none"
    policy: Annotated[
        str | None, arg("Id of the policy that `active` is about; the one of that name.", metavar="POLICY")
    ] = None
    env: Annotated[str, arg("Environment that `active` is about.", metavar="ENV")] = "prod"
    exceptions: Annotated[
        str | None,
        arg("Exceptions, which count on both sides; those in force of a stored policy.", "file_in", metavar="FILE"),
    ] = None
    limits: Annotated[str | None, arg("What may change, in TOML.", "file_in", metavar="FILE")] = None
    max_age: Annotated[str, arg("Refuse a snapshot that is older; `any` takes all.", metavar="DURATION")] = "24h"
    backend: Annotated[
        Literal["auto", "numpy", "numba", "polars"], arg("What computes it; all give the same.", metavar="NAME")
    ] = "auto"
    inputs: Annotated[str, arg("Digest of frozen inputs that the snapshot must be a part of.", metavar="SHA256")] = ""
    report: Annotated[
        tuple[str, ...],
        arg("Write a report; the formats are markdown, json, sarif and junit.", "report", metavar="FORMAT=FILE"),
    ] = ()


class Side(msgspec.Struct, frozen=True):
    """One of the two policies: its file or name, its id, its digest with the exceptions, findings left undecided."""

    file: str
    policy: str
    digest: str
    undecided: int


class FindingChanged(msgspec.Struct, frozen=True):
    """A finding that is decided in another way; rules are those that decide the status."""

    finding: int
    asset: str
    environment: str
    component: str
    advisory: str
    kev: bool
    severity_before: str
    severity_after: str
    status_before: str
    status_after: str
    rule_before: str
    rule_after: str


class LimitResult(msgspec.Struct, frozen=True):
    """A limit: `asset` where it is about a single one; `top` are the gravest findings that count for it."""

    limit: str
    scope: str
    value: str
    allowed: str
    exceeded: bool
    asset: str
    top: tuple[FindingChanged, ...]


class Level(msgspec.Struct, frozen=True):
    """So many findings have a status, or a severity, before and after."""

    word: str
    before: int
    after: int


class PolicySimulated(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.simulate@1"):
    """Result of policy.simulate. `transitions` are by rule, also of findings that keep their rule.

    `result` is the digest of the same as it is kept, an object of the kind `policy-results`; nothing is kept without a
    database. `movers` are the ten assets where most changes, of `assets_changed`. `degraded` counts what the snapshot
    does not have; with one the counts are not those of a whole inventory. `kev_unknown` are advisories of which nobody
    knows whether they are exploited; `environments_missing` have limits, and no asset is there.
    """

    verdict: Literal["passed", "failed"]
    reason: Literal["threshold_exceeded"] | None
    before: Side
    after: Side
    snapshot: str
    star: str
    as_of: str
    exceptions: int
    findings: int
    degraded: int
    total: Moved
    limits: tuple[LimitResult, ...]
    statuses: tuple[Level, ...]
    severities: tuple[Level, ...]
    status_shifts: tuple[Shift, ...]
    severity_shifts: tuple[Shift, ...]
    transitions: tuple[Shift, ...]
    environments: tuple[Moved, ...]
    assets_changed: int
    movers: tuple[Moved, ...]
    slow: tuple[str, ...]
    kev_unknown: int = 0
    environments_missing: tuple[str, ...] = ()
    result: str = ""
    reports: tuple[str, ...] = ()
