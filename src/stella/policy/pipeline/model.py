"""What policy.ci takes and gives."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from stella.operations import arg
from stella.policy.signature.model import PolicyVerified
from stella.policy.simulation.model import PolicySimulated
from stella.policy.text.model import Exempt, Paths, PolicyLinted, Strict
from stella.policy.trial.model import PolicyTested

StepName = Literal["lint", "prove", "test", "simulate", "verify"]
Verdict = Literal["passed", "failed", "skipped"]


class CheckPolicies(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"before": "from"}):
    """Request of policy.ci."""

    paths: Paths
    strict: Strict = False
    exceptions: Exempt = None
    min_coverage: Annotated[int, arg("Fail when fewer percent of the terms are covered.", metavar="PERCENT")] = 0
    min_score: Annotated[int, arg("Fail when fewer percent of the mutants are killed.", metavar="PERCENT")] = 0
    inventory: Annotated[
        str | None,
        arg("Snapshot, or folder of snapshots; nothing is simulated without one.", "folder", metavar="SNAPSHOT"),
    ] = None
    before: Annotated[
        str,
        arg(
            "Policies of today: a file, a folder of files of the same names, `active`, a version or `none`.",
            "policy",
            metavar="P",
        ),
    ] = "none"
    policy: Annotated[
        str | None, arg("Id of the policy that `active` is about; that of `--record`.", metavar="POLICY")
    ] = None
    env: Annotated[str, arg("Environment that `active` is about.", metavar="ENV")] = "prod"
    record: Annotated[
        str | None, arg("Record what is found as evidence about this version, such as P-7@3.", metavar="VERSION")
    ] = None
    limits: Annotated[str | None, arg("What may change, in TOML.", "file_in", metavar="FILE")] = None
    max_age: Annotated[str, arg("Refuse a snapshot that is older; `any` takes all.", metavar="DURATION")] = "24h"
    trust: Annotated[
        str | None, arg("Trust folder of those who sign; signatures are verified.", "folder", metavar="T")
    ] = None
    key: Annotated[
        tuple[str, ...], arg("Public key of those who sign, base64; signatures are verified.", metavar="PUB")
    ] = ()
    report: Annotated[
        tuple[str, ...],
        arg("Write a report; the formats are markdown, json, sarif and junit.", "report", metavar="FORMAT=FILE"),
    ] = ()


class Recorded(msgspec.Struct, frozen=True):
    """A piece of evidence that was recorded: its kind, its verdict, and the digest of what shows it."""

    kind: str
    verdict: str
    digest: str


class Step(msgspec.Struct, frozen=True):
    """One step about one policy, or about all of them: `reason` says why it failed, `told` what it found."""

    step: StepName
    file: str
    verdict: Verdict
    reason: str
    told: str


class PoliciesChecked(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.ci@1"):
    """Result of policy.ci; `reason` is that of the first step that failed. What was not asked for is empty.

    `result` is the digest of the same as it is kept, an object of the kind `policy-results`; nothing is kept without a
    database.
    """

    verdict: Literal["passed", "failed"]
    reason: str | None
    steps: tuple[Step, ...]
    linted: PolicyLinted
    tested: PolicyTested | None = None
    simulated: tuple[PolicySimulated, ...] = ()
    verified: tuple[PolicyVerified, ...] = ()
    recorded: tuple[Recorded, ...] = ()
    result: str = ""
    reports: tuple[str, ...] = ()
