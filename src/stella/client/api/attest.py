"""The operations of `attest` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from stella.attest.model import AttestationVerified, VerifyAttestation
from stella.client.remote import Caller


class AttestCalls:
    """The operations of `attest` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def verify(self, *, file: str, key: tuple[str, ...], predicate: str | None = None) -> AttestationVerified:
        """Check an attestation: signature, kind, verdict. No network, service or database is asked."""
        return self._call(
            "attest.verify", VerifyAttestation(file=file, key=key, predicate=predicate), AttestationVerified
        )
