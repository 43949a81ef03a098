"""What the operations of `stella tenancy` take and give.

Rules:
- A proof passes when nothing at all is wrong: no finding, no leak, no difference, no survivor, and the live database is
  the one that was proved.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from stella.attest.model import Verdict
from stella.operations import arg
from stella.runtime.roles import DATABASE

QUERIES = 100_000


class ReadGate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of tenancy.gate."""

    report: Annotated[
        tuple[str, ...], arg("Write a report; the format is sarif.", "report", metavar="FORMAT=FILE")
    ] = ()


class FindingShown(msgspec.Struct, frozen=True):
    """One thing that would let a tenant reach another: what it is, where, why it matters, what to do."""

    kind: str
    object: str
    found: str
    why: str
    fix: str


class GateRead(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.tenancy.gate@1"):
    """Result of tenancy.gate. Exit code 6 when there are findings."""

    database: str
    verdict: Verdict
    tables: int
    checks: int
    findings: tuple[FindingShown, ...]
    reports: tuple[str, ...] = ()


class PrintRoles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of tenancy.roles."""

    database: Annotated[str, arg("Name of the database that is made for Stella.", metavar="NAME")] = DATABASE


class RolesPrinted(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.tenancy.roles@1"):
    """Result of tenancy.roles: the text for psql, and the roles that it makes."""

    database: str
    roles: tuple[str, ...]
    sql: str


class Prove(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of tenancy.prove."""

    dsn: Annotated[
        str | None,
        arg(
            "Live database as the service reaches it, without a password, instead of `database.dsn`.",
            "here",
            metavar="DSN",
        ),
    ] = None
    queries: Annotated[
        int, msgspec.Meta(ge=100, le=100_000_000), arg("Queries whose answers are compared.", metavar="N")
    ] = QUERIES
    seed: Annotated[
        int, msgspec.Meta(ge=0, le=2**31 - 1), arg("Number that the rows and queries are made from.", metavar="N")
    ] = 1
    key: Annotated[
        str | None,
        arg("Private key that signs the attestation: encrypted PEM, where the proof is made.", "file", metavar="FILE"),
    ] = None
    out: Annotated[str | None, arg("File for the attestation.", "file_out", metavar="FILE")] = None


class LeakShown(msgspec.Struct, frozen=True):
    """A probe that got through, or that proves nothing."""

    probe: str
    object: str
    problem: str


class DifferenceShown(msgspec.Struct, frozen=True):
    """A query that another tenant's rows change the answer of."""

    query: str
    without: str
    beside: str


class MatrixShown(msgspec.Struct, frozen=True):
    """The bypass matrix: probes sent, those that were refused, those that showed nothing, and the leaks."""

    probes: int
    refused: int
    empty: int
    leaks: tuple[LeakShown, ...]


class InterferenceShown(msgspec.Struct, frozen=True):
    """Non-interference: queries and texts; `answers` is the SHA-256 of all that A was answered.

    `unstable` are statements that depend on a clock or on chance, `unasked` those that PostgreSQL gives no types.
    """

    queries: int
    texts: int
    statements: int
    errors: int
    answers: str
    differences: tuple[DifferenceShown, ...]
    unstable: tuple[str, ...]
    unasked: tuple[str, ...]


class MutationsShown(msgspec.Struct, frozen=True):
    """Mutations of the protection: made, noticed by gate, by matrix, by nobody; `barred` could not be made at all."""

    made: int
    by_gate: int
    by_matrix: int
    survivors: tuple[str, ...]
    barred: tuple[str, ...]


class LiveShown(msgspec.Struct, frozen=True):
    """The database that the proof is carried over to; `identity` is a digest that says which one, and not where.

    `differences` are policies and other objects that it has otherwise than what was proved.
    """

    login: str
    identity: str
    policies: str
    schema: str
    findings: tuple[FindingShown, ...]
    differences: tuple[str, ...]


class Predicate(msgspec.Struct, frozen=True, kw_only=True):
    """What a proof attests."""

    release: str
    made: str
    verdict: Verdict
    reasons: tuple[str, ...]
    seed: int
    tables: int
    rows: int
    policies: str
    gate: tuple[FindingShown, ...]
    matrix: MatrixShown
    interference: InterferenceShown
    mutations: MutationsShown
    live: LiveShown | None


class Proved(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.tenancy.prove@1"):
    """Result of tenancy.prove: what was attested, the digest of the schema that it is about, the file, who signed it.

    `rate` is how many queries a second were compared. Exit code 6 when the verdict is `failed`.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    schema_digest: str
    proof: Predicate
    rate: int
    out: str | None
    signed_by: str | None
