"""What policy.test, policy.eval and policy.explain take and give.

Rules:
- Percentages are whole and rounded down: 100 means all of them.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from stella.language.explanation import Explanation
from stella.operations import arg

What = Literal["status", "severity", "rule", "notes", "undecided"]
Reason = Literal["fixture_failed", "fixtures_missing", "coverage_low", "score_low"]


class TestPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.test."""

    __test__ = False  # no test of ours, whatever a test runner takes its name for

    paths: Annotated[
        tuple[str, ...], arg("Policies, and folders of them.", "source", positional=True, metavar="PATH...")
    ]
    min_coverage: Annotated[int, arg("Fail when fewer percent of the terms are covered.", metavar="PERCENT")] = 0
    min_score: Annotated[int, arg("Fail when fewer percent of the mutants are killed.", metavar="PERCENT")] = 0
    prove: Annotated[bool, arg("Leave out what a solver proves to be the same, or impossible.")] = True
    write: Annotated[
        str | None,
        arg("Propose fixtures for terms that are not covered: files of this folder.", "folder_out", metavar="FOLDER"),
    ] = None
    report: Annotated[
        tuple[str, ...], arg("Write a report; the formats are junit and markdown.", "report", metavar="FORMAT=FILE")
    ] = ()


class Mismatch(msgspec.Struct, frozen=True):
    """One thing that is not as a fixture expects it."""

    what: What
    expected: str
    found: str


class FixtureResult(msgspec.Struct, frozen=True):
    """What became of a fixture; `explanation` says why, in lines, when it failed."""

    name: str
    passed: bool
    mismatches: tuple[Mismatch, ...] = ()
    explanation: tuple[str, ...] = ()


class UncoveredTerm(msgspec.Struct, frozen=True):
    """A term that holds of no fixture."""

    rule: str
    branch: str
    text: str


class Survivor(msgspec.Struct, frozen=True):
    """A mutant that no fixture notices."""

    rule: str
    what: str


class PolicyTrial(msgspec.Struct, frozen=True, kw_only=True):
    """One policy. Terms that nothing can reach and mutants that mean the same are not counted among the others.

    `proposed` is the file of proposals.
    """

    file: str
    policy: str
    fixtures: tuple[FixtureResult, ...]
    failed: int
    terms: int
    covered: int
    impossible: int
    coverage: int
    uncovered: tuple[UncoveredTerm, ...]
    mutants: int
    killed: int
    equivalent: int
    score: int
    survivors: tuple[Survivor, ...]
    reasons: tuple[Reason, ...]
    proposed: str | None = None


class PolicyTested(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.test@1"):
    """Result of policy.test, policies in the order of their files; `reason` is the first of what is wrong."""

    verdict: Literal["passed", "failed"]
    reason: Reason | None
    min_coverage: int
    min_score: int
    policies: tuple[PolicyTrial, ...]
    reports: tuple[str, ...] = ()


class EvalPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.eval."""

    file: Annotated[str, arg("Policy.", "file_in", positional=True, metavar="FILE")]
    finding: Annotated[str, arg("Finding, as a fixture has it, in JSON or TOML.", "file_in", metavar="FILE")]
    exceptions: Annotated[str | None, arg("Exceptions that count too.", "file_in", metavar="FILE")] = None
    as_of: Annotated[
        str | None, arg("The instant that it is about, where the finding says none; now without it.", metavar="TIME")
    ] = None


class PolicyEvaluated(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.eval@1"):
    """Result of policy.eval: what is decided of one finding, and why."""

    policy: str
    digest: str
    as_of: str
    explanation: Explanation


class ExplainFinding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.explain."""

    finding: Annotated[int, arg("Number of the finding in the snapshot.", positional=True, metavar="FINDING")]
    policy: Annotated[str, arg("Policy.", "file_in", metavar="FILE")]
    inventory: Annotated[str, arg("Snapshot of the inventory.", "folder", metavar="SNAPSHOT")]
    exceptions: Annotated[str | None, arg("Exceptions that count too.", "file_in", metavar="FILE")] = None
    rule: Annotated[tuple[str, ...], arg("Show this rule also when it does not hold.", metavar="RULE")] = ()


class PolicyExplained(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.explain@1"):
    """Result of policy.explain: a finding of a snapshot by name and value, what is decided of it, and why."""

    policy: str
    digest: str
    snapshot: str
    as_of: str
    finding: int
    values: dict[str, str]
    statements: tuple[dict[str, str], ...]
    explanation: Explanation
