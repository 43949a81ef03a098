"""Signing versions of policies and verifying what was signed; for commands, for promotion and for `policy ci`.

Rules:
- A signature is over the canonical form. The digest stands twice, as the subject and in the predicate, and both count.
- Verifying needs nothing but bytes, trust and a time. It fails closed, each refusal with a code of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from stella.attest import service as attest
from stella.kernel.digest import is_digest
from stella.kernel.errors import BadTime
from stella.kernel.instant import Instant, Seconds, format_time, parse_duration, parse_time
from stella.key import attesting
from stella.key.attesting import Made
from stella.key.model import SUFFIX
from stella.language import ir
from stella.language.compile import MAX_SOURCE, compile_policy
from stella.operations import Context
from stella.policy.signature.errors import BadSignedFact, PolicyNotCompiled, SignedFactDiffers, SignedFactsMalformed
from stella.policy.signature.model import (
    PREDICATE_TYPE,
    PURPOSE,
    Approval,
    Evidence,
    PolicyPredicate,
    PolicySigned,
    PolicyVerified,
    SignPolicy,
    VerifyPolicy,
)
from stella.runtime.files import read_file
from stella.signing import sigstore_bundle, verification
from stella.signing.certifier import Identity
from stella.signing.verification import Demand, Proved, Trust
from stella.signing.vocabulary import Transparency

MAX_NAME = 200  # characters of an id or a name


class SignedVersion(NamedTuple):
    """What an attestation proves of a version: who signed it and when, and what was said."""

    proved: Proved
    predicate: PolicyPredicate


def sign(ctx: Context, want: SignPolicy) -> PolicySigned:
    """Sign a policy file as a version."""
    predicate = PolicyPredicate(
        policy_id=_word("policy id", want.policy_id),
        version=want.version,
        ir_digest=digest_of(want.file),
        reason=want.reason,
        ticket=want.ticket,
        approvals=tuple(map(_approval, want.approval)),
        evidence=tuple(map(_evidence, want.evidence)),
        tenant=msgspec.UNSET if want.for_tenant is None else _word("tenant", want.for_tenant),
    )
    made = sign_version(ctx, want.dir, predicate, keyless=want.keyless)
    attesting.write(want.out, made.data)
    return PolicySigned(
        out=want.out,
        policy_id=predicate.policy_id,
        version=predicate.version,
        ir_digest=predicate.ir_digest,
        signer=attesting.signer_of(made.proved),
        signed_at=format_time(made.proved.signed_at or 0),
    )


def sign_version(ctx: Context, place: str, predicate: PolicyPredicate, *, keyless: bool = False) -> Made:
    """Sign what is said of a version with the keys at `place`; raises as `attesting.sign`."""
    name = f"{predicate.policy_id}@{predicate.version}"
    facts: dict[str, object] = msgspec.to_builtins(predicate)
    subjects = {name: predicate.ir_digest}
    return attesting.sign(ctx, place, PREDICATE_TYPE, subjects, facts, purpose=PURPOSE, keyless=keyless)


def verify(ctx: Context, want: VerifyPolicy) -> PolicyVerified:
    """Verify the attestation of a policy file."""
    attestation = want.attestation or f"{want.file}{SUFFIX}"
    found = verify_version(
        read_file(Path(attestation), sigstore_bundle.MAX_SIZE),
        attest.trusted(ctx, want.trust, want.key),
        digest_of(want.file),
        now=ctx.clock.read().wall,
        freshness=parse_duration(want.fresh) if want.fresh is not None else None,
        identities=attest.allowed(want.identity, want.issuer),
        transparency=want.transparency,
        what=attestation,
    )
    said = found.predicate
    for word, signed, wanted in (
        ("policy id", said.policy_id, want.policy_id),
        ("version", said.version, want.version),
    ):
        if wanted is not None and signed != wanted:
            raise SignedFactDiffers(file=attestation, word=word, found=ascii(signed)[:MAX_NAME], wanted=wanted)
    return PolicyVerified(
        file=want.file,
        attestation=attestation,
        policy_id=said.policy_id,
        version=said.version,
        ir_digest=said.ir_digest,
        reason=said.reason,
        ticket=said.ticket,
        approvals=said.approvals,
        evidence=said.evidence,
        signer=attesting.signer_of(found.proved),
        signed_at=None if found.proved.signed_at is None else format_time(found.proved.signed_at),
    )


def verify_version(
    data: bytes,
    trust: Trust,
    ir_digest: str,
    *,
    now: Instant,
    freshness: Seconds | None = None,
    identities: frozenset[Identity] = frozenset(),
    transparency: Transparency = "allow",
    what: str = "attestation",
) -> SignedVersion:
    """What a bundle proves of the policy whose canonical form has that digest; pure.

    A key that was given by itself counts beside those that are for policies. Raises as `verification.verify`, or
    SignedFactsMalformed or SignedFactDiffers.
    """
    demand = Demand(
        now=now,
        predicate_types=frozenset({PREDICATE_TYPE}),
        subject=ir_digest,
        purpose=PURPOSE,
        identities=identities,
        freshness=freshness,
        transparency=transparency,
    )
    proved = verification.verify(data, trust, demand, what)
    try:
        predicate = msgspec.convert(proved.statement.predicate, PolicyPredicate)
    except msgspec.ValidationError as error:
        raise SignedFactsMalformed(file=what, problem=str(error)) from None
    if len(proved.statement.subject) != 1:
        raise SignedFactsMalformed(file=what, problem="it is about more than one policy")
    if predicate.ir_digest != ir_digest:
        raise SignedFactDiffers(file=what, word="digest", found=ascii(predicate.ir_digest)[1:-1][:80], wanted=ir_digest)
    return SignedVersion(proved, predicate)


def verify_for(
    tenant: str, data: bytes, trust: Trust, ir_digest: str, *, now: Instant, what: str = "attestation"
) -> SignedVersion:
    """As `verify_version`, for a tenant: a statement that names another one raises SignedFactDiffers."""
    found = verify_version(data, trust, ir_digest, now=now, what=what)
    if found.predicate.tenant not in {tenant, msgspec.UNSET}:
        shown = ascii(found.predicate.tenant)[1:-1][:MAX_NAME]
        raise SignedFactDiffers(file=what, word="tenant", found=shown, wanted=tenant)
    return found


def digest_of(file: str) -> str:
    """SHA-256 of the canonical form of a policy file; raises PolicyNotCompiled, or as `read_file`."""
    found = compile_policy(read_file(Path(file), MAX_SOURCE))
    if found.policy is None:
        first = next(iter(found.errors), None)
        raise PolicyNotCompiled(file=file, problem=f"{first.code} {first.message}" if first else "it holds none")
    return ir.digest(found.policy)


def _word(word: str, text: str) -> str:
    if not text.strip() or len(text) > MAX_NAME or not text.isprintable():
        raise BadSignedFact(word=word, text=ascii(text)[1:-1][:MAX_NAME], expected="a printable name")
    return text


def _approval(text: str) -> Approval:
    name, _, at = text.rpartition("@")
    try:
        return Approval(by=_word("approval", name), at=format_time(parse_time(at)))
    except BadTime:
        raise BadSignedFact(
            word="approval", text=ascii(text)[1:-1][:MAX_NAME], expected="NAME@2026-01-31T12:00:00Z"
        ) from None


def _evidence(text: str) -> Evidence:
    kind, _, digest = text.partition("=")
    digest = digest.removeprefix("sha256:")
    if not kind or not is_digest(digest):
        raise BadSignedFact(word="evidence", text=ascii(text)[1:-1][:MAX_NAME], expected="KIND=64 hex characters")
    return Evidence(kind=_word("evidence", kind), sha256=digest)
