"""What attest.verify takes and gives.

Rules:
- A predicate of any kind has `release`, `made` and `verdict`; the rest is its owner's.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from stella.operations import arg
from stella.signing.vocabulary import Transparency

Verdict = Literal["passed", "failed"]

TENANCY = "https://stella-ops.org/attestations/tenancy/v1"
POLICY = "https://stella-ops.org/attestation/policy/v1"
ROTATION = "https://stella-ops.org/attestation/key-rotation/v1"
# A short name of each kind that Stella makes.
PREDICATES = {"tenancy": TENANCY, "policy": POLICY, "key-rotation": ROTATION}


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
    ] = ()
    trust: Annotated[
        str | None, arg("Trust folder that its maker gave you.", "folder", metavar="T", setting="keys.trust")
    ] = None
    predicate: Annotated[
        str | None, arg("Refuse any other kind: a short name such as `tenancy`, or its full address.", metavar="KIND")
    ] = None
    artifact: Annotated[str | None, arg("Refuse it unless it is about this file.", "file_in", metavar="FILE")] = None
    purpose: Annotated[str | None, arg("Refuse keys that are for another purpose.", metavar="WORD")] = None
    identity: Annotated[
        tuple[str, ...], arg("Who may sign without a key, as the URI of a certificate.", metavar="URI")
    ] = ()
    issuer: Annotated[
        tuple[str, ...], arg("Who vouches for that; one for each identity, in their order.", metavar="URL")
    ] = ()
    fresh: Annotated[str | None, arg("Refuse what was signed longer ago.", metavar="TIME")] = None
    transparency: Annotated[Transparency, arg("What to ask of a transparency log.")] = "allow"


class SubjectShown(msgspec.Struct, frozen=True):
    """What is attested about: its name and its SHA-256."""

    name: str
    sha256: str


class AttestationVerified(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.attest.verify@1"):
    """Result of attest.verify: whose signature is good, about what, the verdict; `facts` are those of its predicate.

    The signature is good in any case: one that is not is an error. Exit code 6 when the verdict is `failed`; a kind
    that has none counts as passed. `keys` are ids in a Sigstore bundle; `signed_at` is what a proof of time says.
    """

    file: str
    predicate: str
    subjects: tuple[SubjectShown, ...]
    keys: tuple[str, ...]
    release: str
    made: str
    verdict: Verdict
    facts: dict[str, str | int | bool]
    identity: str | None = None
    issuer: str | None = None
    signed_at: str | None = None
