"""The operations of `attest` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from typing import Literal

from stella.attest.model import AttestationVerified, VerifyAttestation
from stella.client.remote import Caller


class AttestCalls:
    """The operations of `attest` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def verify(
        self,
        *,
        file: str,
        key: tuple[str, ...] = (),
        trust: str | None = None,
        predicate: str | None = None,
        artifact: str | None = None,
        purpose: str | None = None,
        identity: tuple[str, ...] = (),
        issuer: tuple[str, ...] = (),
        fresh: str | None = None,
        transparency: Literal["allow", "require", "skip"] = "allow",
    ) -> AttestationVerified:
        """Check an attestation: signature, kind, verdict. No network, service or database is asked."""
        return self._call(
            "attest.verify",
            VerifyAttestation(
                file=file,
                key=key,
                trust=trust,
                predicate=predicate,
                artifact=artifact,
                purpose=purpose,
                identity=identity,
                issuer=issuer,
                fresh=fresh,
                transparency=transparency,
            ),
            AttestationVerified,
        )
