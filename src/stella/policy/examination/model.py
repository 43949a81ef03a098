"""What policy.examine takes and gives."""

from __future__ import annotations

from typing import Annotated

import msgspec

from stella.operations import arg
from stella.policy.model import Number, PolicyId


class ExaminePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.examine."""

    policy: PolicyId
    version: Number
    fixtures: Annotated[str | None, arg("Fixtures of the policy, as TOML or JSON.", "file_in", metavar="FILE")] = None
    min_coverage: Annotated[
        int,
        msgspec.Meta(ge=0, le=100),
        arg("The share of terms that fixtures have to cover.", metavar="PERCENT"),
    ] = 90
    inventory: Annotated[
        str | None, arg("Snapshot of the inventory; of a folder of them the newest.", "folder", metavar="SNAPSHOT")
    ] = None
    env: Annotated[
        str | None,
        arg("Environment whose version it is held against; the newest active one if left out.", metavar="ENV"),
    ] = None
    limits: Annotated[str | None, arg("What may change, in TOML.", "file_in", metavar="FILE")] = None
    attestation: Annotated[
        str | None, arg("Attestation of the version, as `policy sign` made it.", "file_in", metavar="A.sigstore")
    ] = None


class Examined(msgspec.Struct, frozen=True):
    """One kind of evidence: what was found, and the digest of the object that shows it."""

    kind: str
    verdict: str
    digest: str
    what: str


class PolicyExamined(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.examine@1"):
    """Result of policy.examine; `missing` is what a gate would still say against the version."""

    policy: str
    version: int
    ir_sha256: str
    against: str
    inputs: str
    evidence: tuple[Examined, ...]
    missing: tuple[str, ...]
