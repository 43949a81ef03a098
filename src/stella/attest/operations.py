"""The rows of the operation table about attestations."""

from __future__ import annotations

from stella.attest import views
from stella.attest.model import AttestationVerified, VerifyAttestation
from stella.kernel.errors import Exit
from stella.operations import Context, operation


@operation(
    "attest.verify",
    "POST /v1/attestations/verifications",
    scope="attest:read",
    view=views.verified,
    example="stella attest verify proof.json --key PUB\nstella attest verify proof.json --key PUB --predicate tenancy",
    verdict=lambda result: Exit.OK if result.verdict == "passed" else Exit.NEGATIVE,
)
def verify(ctx: Context, want: VerifyAttestation) -> AttestationVerified:
    """Check an attestation: signature, kind, verdict. No network, service or database is asked.

    Exit code 6 when the signature is not by a given key, or when what was examined failed. A key counts when you have
    it from another place than the file.
    """
    from stella.attest import service

    return service.verify(ctx, want)
