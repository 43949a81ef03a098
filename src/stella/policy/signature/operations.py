"""The rows of the operation table about signed policies."""

from __future__ import annotations

from stella.operations import Context, operation
from stella.policy.signature import views as signing_views
from stella.policy.signature.model import PolicySigned, PolicyVerified, SignPolicy, VerifyPolicy


@operation(
    "policy.sign",
    "POST /v1/policy/signatures",
    scope="policy:publish",
    view=signing_views.signed,
    example=(
        "stella policy sign p.stella --policy-id P-7 --version 3 --reason rollout --ticket SEC-9"
        " --approval ada@2026-01-31T12:00:00Z --out p.stella.attestation.sigstore"
    ),
)
def sign(ctx: Context, want: SignPolicy) -> PolicySigned:
    """Sign a policy as a version: a Sigstore bundle about its canonical form.

    With the active key for policies, or with `--keyless` in the name of the token's principal. A proof of time is
    always added, so that the signature outlives its key or certificate.
    """
    from stella.policy.signature import signing

    return signing.sign(ctx, want)


@operation(
    "policy.verify",
    "POST /v1/policy/verifications",
    scope="policy:read",
    view=signing_views.verified,
    example=("stella policy verify p.stella --trust K/trust --policy-id P-7 --version 3"),
)
def verify(ctx: Context, want: VerifyPolicy) -> PolicyVerified:
    """Verify that a policy is the very one that was signed.

    It says by whom and when, with what reason, approvals and evidence. No network, service or database is asked. Exit
    code 6 and a reason when a check fails.
    """
    from stella.policy.signature import signing

    return signing.verify(ctx, want)
