"""What is signed about a version of a policy, and what policy.sign and policy.verify take and give.

Rules:
- The subject of a statement is the canonical form of the policy, so layout and comments can change and it still holds.
- Evidence is named by its digest: what was examined cannot be exchanged afterwards.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from stella.attest.model import POLICY as PREDICATE_TYPE
from stella.key.model import HOME, SUFFIX, Signer
from stella.operations import Reason, Ticket, arg
from stella.signing.vocabulary import Transparency

__all__ = ["PREDICATE_TYPE"]  # what the statements of this slice are
PURPOSE = "policy"  # of the keys that sign policies


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who approved a version, and when."""

    by: str
    at: str


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was examined: a kind such as shadow, coverage or simulation, and the SHA-256 of the record."""

    kind: str
    sha256: str


class PolicyPredicate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """The predicate of `https://stella-ops.org/attestation/policy/v1`."""

    policy_id: str
    version: int
    ir_digest: str
    reason: str
    ticket: str
    approvals: tuple[Approval, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    tenant: str | msgspec.UnsetType = msgspec.UNSET


class SignPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Request of policy.sign."""

    file: Annotated[str, arg("Policy to sign.", "file_in", positional=True, metavar="FILE")]
    policy_id: Annotated[str, arg("Id of the policy, such as P-7.", metavar="ID")]
    version: Annotated[int, msgspec.Meta(ge=1), arg("Number of the version.", metavar="N")]
    reason: Reason
    ticket: Ticket
    out: Annotated[str, arg("Attestation to write.", "file_out", metavar="A.sigstore")]
    approval: Annotated[tuple[str, ...], arg("Who approved it and when.", metavar="NAME@TIME")] = ()
    evidence: Annotated[
        tuple[str, ...], arg("What was examined, such as a shadow run or coverage.", metavar="KIND=SHA256")
    ] = ()
    for_tenant: Annotated[
        str | None, arg("Tenant that the version is for; a service takes it for no other.", metavar="NAME")
    ] = None
    dir: Annotated[
        str, arg("Folder of the keys or `s3://BUCKET/PREFIX`.", "folder", metavar="K", setting="keys.store")
    ] = HOME
    keyless: Annotated[
        bool, arg("Sign as who the token of `client.token` says that you are, with a certificate of ten minutes.")
    ] = False


class PolicySigned(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.sign@1"):
    """Result of policy.sign."""

    out: str
    policy_id: str
    version: int
    ir_digest: str
    signer: Signer
    signed_at: str


class VerifyPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Request of policy.verify."""

    file: Annotated[str, arg("Policy as it is to be used.", "file_in", positional=True, metavar="FILE")]
    attestation: Annotated[
        str | None,
        arg(
            f"Its attestation; the file beside it that ends with {SUFFIX} if left out.", "file_in", metavar="A.sigstore"
        ),
    ] = None
    trust: Annotated[
        str | None, arg("Trust folder that its signer gave you.", "folder", metavar="T", setting="keys.trust")
    ] = None
    key: Annotated[tuple[str, ...], arg("Public key that its signer told you, base64.", metavar="PUB")] = ()
    policy_id: Annotated[str | None, arg("Refuse another policy's signature.", metavar="ID")] = None
    version: Annotated[int | None, arg("Refuse another version's signature.", metavar="N")] = None
    identity: Annotated[
        tuple[str, ...], arg("Who may sign without a key, as the URI of a certificate.", metavar="URI")
    ] = ()
    issuer: Annotated[
        tuple[str, ...], arg("Who vouches for that; one for each identity, in their order.", metavar="URL")
    ] = ()
    fresh: Annotated[str | None, arg("Refuse what was signed longer ago.", metavar="TIME")] = None
    transparency: Annotated[Transparency, arg("What to ask of a transparency log.")] = "allow"


class PolicyVerified(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.verify@1"):
    """Result of policy.verify: everything was checked and is right. A failed check is an error with its reason."""

    file: str
    attestation: str
    policy_id: str
    version: int
    ir_digest: str
    reason: str
    ticket: str
    approvals: tuple[Approval, ...]
    evidence: tuple[Evidence, ...]
    signer: Signer
    signed_at: str | None
