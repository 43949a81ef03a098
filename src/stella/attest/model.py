"""What attest.verify takes and gives.

Rules:
- A predicate of any kind has `release`, `made` and `verdict`; the rest is its owner's.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from stella.operations import arg

Verdict = Literal["passed", "failed"]

TENANCY = "https://stella-ops.org/attestations/tenancy/v1"
PREDICATES = {"tenancy": TENANCY}  # a short name of each kind that Stella makes


class Core(msgspec.Struct, frozen=True):
    """What every predicate has."""

    release: str
    made: str
    verdict: Verdict


class VerifyAttestation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of attest.verify."""

    file: Annotated[str, arg("Attestation.", "file_in", positional=True, metavar="FILE")]
    key: Annotated[
        tuple[str, ...],
        arg("Public key that its maker told you, base64; one of several is enough.", metavar="PUB"),
    ]
    predicate: Annotated[
        str | None, arg("Refuse any other kind: a short name such as `tenancy`, or its full address.", metavar="KIND")
    ] = None


class SubjectShown(msgspec.Struct, frozen=True):
    """What is attested about: its name and its SHA-256."""

    name: str
    sha256: str


class AttestationVerified(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.attest.verify@1"):
    """Result of attest.verify: whose signature is good, about what, the verdict; `facts` are those of its predicate.

    The signature is good in any case: one that is not is an error. Exit code 6 when the verdict is `failed`.
    """

    file: str
    predicate: str
    subjects: tuple[SubjectShown, ...]
    keys: tuple[str, ...]
    release: str
    made: str
    verdict: Verdict
    facts: dict[str, str | int | bool]
