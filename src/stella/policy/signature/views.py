"""What people see of signed policies."""

from __future__ import annotations

from stella.formats.view import Cell, Facts, View
from stella.key.model import Signer
from stella.policy.signature.model import PolicySigned, PolicyVerified


def signed(result: PolicySigned) -> View:
    """After policy sign."""
    about = [("policy", f"{result.policy_id}@{result.version}"), ("digest", f"sha256:{result.ir_digest}")]
    return [Facts([*about, *_signer(result.signer), ("signed at", result.signed_at), ("written", result.out)])]


def verified(result: PolicyVerified) -> View:
    """After policy verify."""
    rows: list[tuple[str, str | Cell]] = [
        ("verdict", Cell("verified", "good")),
        ("policy", f"{result.policy_id}@{result.version}"),
        ("digest", f"sha256:{result.ir_digest}"),
        *_signer(result.signer),
        ("signed at", result.signed_at or "nothing proves when"),
        ("reason", result.reason),
        ("ticket", result.ticket),
        *(("approved by", f"{one.by}, {one.at}") for one in result.approvals),
        *((one.kind, f"sha256:{one.sha256}") for one in result.evidence),
    ]
    return [Facts(rows)]


def _signer(signer: Signer) -> list[tuple[str, str]]:
    if signer.identity is None:
        return [("signed by key", signer.keyid)]
    return [("signed by", signer.identity), ("vouched for by", signer.issuer or "")]
