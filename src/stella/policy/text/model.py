"""What the operations about the text of a policy take and give.

Rules:
- Lines and columns count from 1, in code points; an end is exclusive.
- `subject` is what of a policy a finding is about: `policy`, `rule NAME`, `invariant NAME` or `exception NAME`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from stella.operations import arg

Level = Literal["error", "warning", "note"]
Paths = Annotated[tuple[str, ...], arg("Policies, and folders of them.", "source", positional=True, metavar="PATH...")]
Policy = Annotated[str, arg("The policy.", "file_in", positional=True, metavar="FILE")]
Strict = Annotated[bool, arg("A warning counts as an error, and a name must exist.")]
Exempt = Annotated[str | None, arg("Exceptions that count beside the rules, as TOML.", "file_in", metavar="FILE")]


class Finding(msgspec.Struct, frozen=True):
    """One diagnostic. `source` is its line as it stands in the file, `fix` a proposal, made by `--fix` when `safe`."""

    code: str
    level: Level
    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    subject: str
    message: str
    source: str = ""
    fix: str = ""
    safe: bool = False
    example: str = ""


class Linted(msgspec.Struct, frozen=True):
    """A file that was read: the digest of its policy where it compiles, and what in it was looked at.

    It is `proved` when every claim about it was judged; a proof that was given up leaves it unproved.
    """

    file: str
    policy: str = ""
    digest: str = ""
    subjects: tuple[str, ...] = ()
    proved: bool = False


class Changed(msgspec.Struct, frozen=True):
    """A file that was changed, and what was done to it."""

    file: str
    changes: tuple[str, ...]


class LintPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.lint."""

    paths: Paths
    strict: Strict = False
    fix: Annotated[bool, arg("Make the fixes that cannot change what a policy means, in the files.", "here")] = False
    exceptions: Exempt = None
    proofs: Annotated[bool, arg("Leave out what a solver proves about the rules.")] = True
    governance: Annotated[bool, arg("Also ask for fixtures and a signature beside each policy.")] = False
    as_of: Annotated[str | None, arg("The instant at which exceptions are judged; now.", metavar="TIME")] = None
    report: Annotated[
        tuple[str, ...],
        arg("Write a report: sarif, junit, github or markdown.", "report", metavar="FORMAT=FILE"),
    ] = ()


class PolicyLinted(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.lint@1"):
    """Result of policy.lint; `reason` is `lint_failed` when there is an error, or with `strict` a warning."""

    verdict: Literal["passed", "failed"]
    reason: Literal["lint_failed"] | None
    strict: bool
    errors: int
    warnings: int
    notes: int
    files: tuple[Linted, ...]
    findings: tuple[Finding, ...]
    changed: tuple[Changed, ...] = ()
    reports: tuple[str, ...] = ()


class FormatPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.fmt."""

    paths: Paths
    check: Annotated[bool, arg("Change nothing; say no when a file is not formatted.")] = False


class PolicyFormatted(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.fmt@1"):
    """Result of policy.fmt: `changed` were formatted, or would be with `check`; `broken` cannot be, and why."""

    verdict: Literal["passed", "failed"]
    reason: Literal["not_formatted", "broken_source"] | None
    check: bool
    files: int
    changed: tuple[str, ...]
    broken: tuple[str, ...]


class CompilePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.compile."""

    file: Policy
    strict: Strict = False
    digest: Annotated[bool, arg("Print the digest alone.")] = False
    validate_only: Annotated[bool, arg("Write nothing.")] = False
    out: Annotated[str | None, arg("Write the canonical form there.", "file_out", metavar="FILE")] = None


class PolicyCompiled(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.compile@1"):
    """Result of policy.compile; `digest` is the SHA-256 of the canonical form, the identity of the policy."""

    policy: str
    digest: str
    bytes: int
    rules: int
    invariants: int
    profiles: int
    shadow: bool
    default_status: str
    warnings: tuple[Finding, ...]
    out: str | None = None
    brief: bool = False


class ProvePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.prove."""

    file: Policy
    invariant: Annotated[tuple[str, ...], arg("Prove this too.", metavar="'A => B'")] = ()
    against: Annotated[str | None, arg("Prove that it decides as this one does.", "file_in", metavar="FILE")] = None
    exceptions: Exempt = None


class Claim(msgspec.Struct, frozen=True):
    """One thing to prove; `example` is a finding of which it does not hold."""

    claim: str
    verdict: Literal["holds", "broken", "unknown"]
    text: str = ""
    example: str = ""


class PolicyProved(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.prove@1"):
    """Result of policy.prove; what was given up at a limit is `unknown`, and is not taken to hold."""

    verdict: Literal["passed", "failed"]
    reason: Literal["invariant_broken", "not_equivalent", "not_proved"] | None
    policy: str
    digest: str
    claims: tuple[Claim, ...]


class ServeLanguage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.lsp."""

    socket: Annotated[
        int | None, arg("Listen on this port of this machine instead of standard input; 0 takes a free one.")
    ] = None
    proofs: Annotated[bool, arg("Prove what can be proved while nobody types.")] = True


class LanguageServed(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.lsp@1"):
    """Result of policy.lsp, when the editor has gone."""

    ended: bool = True
