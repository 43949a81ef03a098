"""Signatures of versions as evidence: verified here, against what this installation trusts, and never taken on a claim.

Rules:
- What is trusted is `keys.trust` of the settings, or the trust beside the keys of the tenant; a request names neither.
- The attestation is kept, and its evidence is the digest of it. One about another policy or version, or that names
  another tenant, is refused.
- It is verified again at each promotion: of a key that was revoked since, nothing counts.
"""

from __future__ import annotations

from pathlib import Path

from stella.attest import service as attest
from stella.kernel.errors import StellaError
from stella.operations import Context
from stella.policy import records
from stella.policy.errors import NotSignedAs
from stella.policy.records import Version
from stella.policy.rules import GOOD, MAX_AGE, MAX_SHOWN, SAYS, Evidence
from stella.policy.signature.signing import verify_for
from stella.runtime.errors import ObjectMissing
from stella.runtime.files import read_file
from stella.signing import sigstore_bundle

KIND = "policy-attestations"  # of objects


def verified(ctx: Context, found: Version, file: str) -> Evidence:
    """Verify the attestation of a version; raises NotSignedAs, or as `verify_for` and `attest.trusted`."""
    data = read_file(Path(file), sigstore_bundle.MAX_SIZE)
    _prove(ctx, found, data, file)
    return Evidence("signature", ctx.blobs().put(KIND, data), GOOD, records.now_of(ctx))


def doubted(ctx: Context, found: Version, kept: Evidence) -> tuple[str, bool]:
    """What speaks today against a signature that was good, and whether it is bad; empty for nothing.

    One whose attestation is not kept cannot be verified again, and gets old.
    """
    try:
        data = ctx.blobs().get(KIND, kept.digest, sigstore_bundle.MAX_SIZE)
    except ObjectMissing:
        return ("signature_stale" if records.now_of(ctx) - kept.made > MAX_AGE else ""), False
    try:
        _prove(ctx, found, data, kept.digest)
    except StellaError:
        return SAYS["signature"][1], True
    return "", False


def _prove(ctx: Context, found: Version, data: bytes, file: str) -> None:
    now = records.now_of(ctx)
    trust, tenant = attest.trusted(ctx, None), ctx.principal.tenant
    said = verify_for(tenant, data, trust, found.digest, now=now, what=file).predicate
    if (said.policy_id, said.version) != (found.policy, found.number):
        about = ascii(f"{said.policy_id}@{said.version}")[1:-1][:MAX_SHOWN]
        raise NotSignedAs(found=about, version=found.name)
