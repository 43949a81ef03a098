"""The operations of `policy` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from typing import Literal

from stella.client.remote import Caller
from stella.policy.signing_model import PolicySigned, PolicyVerified, SignPolicy, VerifyPolicy


class PolicyCalls:
    """The operations of `policy` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def sign(
        self,
        *,
        file: str,
        policy_id: str,
        version: int,
        reason: str,
        ticket: str,
        out: str,
        approval: tuple[str, ...] = (),
        evidence: tuple[str, ...] = (),
        dir: str = ".stella/keys",
        keyless: bool = False,
    ) -> PolicySigned:
        """Sign a policy as a version: a Sigstore bundle about its canonical form."""
        return self._call(
            "policy.sign",
            SignPolicy(
                file=file,
                policy_id=policy_id,
                version=version,
                reason=reason,
                ticket=ticket,
                out=out,
                approval=approval,
                evidence=evidence,
                dir=dir,
                keyless=keyless,
            ),
            PolicySigned,
        )

    def verify(
        self,
        *,
        file: str,
        attestation: str | None = None,
        trust: str | None = None,
        key: tuple[str, ...] = (),
        policy_id: str | None = None,
        version: int | None = None,
        identity: tuple[str, ...] = (),
        issuer: tuple[str, ...] = (),
        fresh: str | None = None,
        transparency: Literal["allow", "require", "skip"] = "allow",
    ) -> PolicyVerified:
        """Verify that a policy is the very one that was signed."""
        return self._call(
            "policy.verify",
            VerifyPolicy(
                file=file,
                attestation=attestation,
                trust=trust,
                key=key,
                policy_id=policy_id,
                version=version,
                identity=identity,
                issuer=issuer,
                fresh=fresh,
                transparency=transparency,
            ),
            PolicyVerified,
        )
