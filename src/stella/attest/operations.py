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
    example=(
        "stella attest verify proof.json --key PUB --predicate tenancy\n"
        "stella attest verify app.tar.attestation.sigstore --trust K/trust --artifact app.tar"
    ),
    verdict=lambda result: Exit.OK if result.verdict == "passed" else Exit.NEGATIVE,
)
def verify(ctx: Context, want: VerifyAttestation) -> AttestationVerified:
    """Check an attestation: signature, kind, verdict. No network, service or database is asked.

    An attestation is a DSSE envelope, or a Sigstore bundle as `key attest` and `policy sign` write. Exit code 6 when
    its signer is none that you trust, or when what was examined failed. Keys and trust folders count when you have
    them from another place than the file.
    """
    from stella.attest import service

    return service.verify(ctx, want)
