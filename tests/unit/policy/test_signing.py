"""A policy that is signed is verified as that policy, that version and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stella.attest import service as attest
from stella.attest.model import VerifyAttestation
from stella.kernel.errors import StellaError
from stella.language import ir
from stella.language.compile import compile_policy
from stella.policy.signature import errors, signing
from stella.policy.signature.model import (
    PREDICATE_TYPE,
    Approval,
    Evidence,
    PolicyPredicate,
    PolicySigned,
    PolicyVerified,
    SignPolicy,
    VerifyPolicy,
)
from stella.policy.signature.signing import SignedVersion, digest_of, sign_version, verify_for, verify_version
from stella.signing import attestation, cosign_pem
from stella.signing.errors import (
    NotFresh,
    PredicateNotAllowed,
    RevokedKey,
    SignatureWrong,
    SignerUnknown,
    SubjectDiffers,
)
from tests.unit.key.keeping import DAY, Keeper

SOURCE = """policy "exploited" syntax "stella-dsl@1" {
  rule kev priority 1 { when kev then status := "blocked" because "it is used" }
}
"""
WHEN = "2026-01-01T00:00:00Z"


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosign_pem, "COST", 2)
    monkeypatch.setattr(cosign_pem, "COSTS", frozenset({2}))


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    made = Keeper(tmp_path)
    made.create()
    (tmp_path / "p.stella").write_text(SOURCE)
    return made


def sign(keeper: Keeper, file: str = "p.stella", **want: Any) -> PolicySigned:
    path = str(keeper.folder / file)
    asked = {
        "policy_id": "P-7",
        "version": 3,
        "reason": "rollout",
        "ticket": "SEC-9",
        "out": f"{path}.attestation.sigstore",
    }
    return signing.sign(keeper.ctx, SignPolicy(file=path, dir=keeper.place, **{**asked, **want}))


def verify(keeper: Keeper, file: str = "p.stella", **want: Any) -> PolicyVerified:
    asked = {"trust": f"{keeper.place}/trust", **want}
    return signing.verify(keeper.ctx, VerifyPolicy(file=str(keeper.folder / file), **asked))


def test_what_was_signed_is_what_is_verified(keeper: Keeper) -> None:
    proof = "ab" * 32
    done = sign(
        keeper, approval=(f"ada@{WHEN}", f"bob@x@{WHEN}"), evidence=(f"shadow={proof}", f"coverage=sha256:{proof}")
    )
    found = verify(keeper, policy_id="P-7", version=3)
    policy = compile_policy(SOURCE).policy
    assert policy is not None
    assert found.ir_digest == done.ir_digest == ir.digest(policy)
    assert (found.reason, found.ticket, found.signed_at) == ("rollout", "SEC-9", WHEN)
    assert found.approvals == (Approval("ada", WHEN), Approval("bob@x", WHEN))
    assert found.evidence == (Evidence("shadow", proof), Evidence("coverage", proof))
    assert found.signer == done.signer


def test_the_statement_is_the_one_of_the_contract(keeper: Keeper) -> None:
    sign(keeper, approval=(f"ada@{WHEN}",))
    path = keeper.folder / "p.stella.attestation.sigstore"
    import base64

    statement = json.loads(base64.b64decode(json.loads(path.read_bytes())["dsseEnvelope"]["payload"]))
    assert statement["predicateType"] == "https://stella-ops.org/attestation/policy/v1"
    assert statement["subject"] == [{"name": "P-7@3", "digest": {"sha256": statement["predicate"]["irDigest"]}}]
    assert set(statement["predicate"]) == {
        "policyId", "version", "irDigest", "reason", "ticket", "approvals", "evidence",
    }  # fmt: skip
    generic = attest.verify(
        keeper.ctx, VerifyAttestation(file=str(path), trust=f"{keeper.place}/trust", predicate="policy")
    )
    assert generic.facts["policyId"] == "P-7"


def test_layout_and_comments_may_change_and_meaning_may_not(keeper: Keeper) -> None:
    sign(keeper)
    path = keeper.folder / "p.stella"
    path.write_text(f"// a comment\n{SOURCE.replace('  rule', '        rule')}")
    assert verify(keeper).version == 3
    path.write_text(SOURCE.replace("blocked", "affected"))
    with pytest.raises(SubjectDiffers):
        verify(keeper)


def test_another_version_or_policy_is_refused(keeper: Keeper) -> None:
    sign(keeper)
    with pytest.raises(errors.SignedFactDiffers, match="version `3`, expected `4`"):
        verify(keeper, version=4)
    with pytest.raises(errors.SignedFactDiffers, match="policy id"):
        verify(keeper, policy_id="P-8")


def test_what_is_signed_for_one_tenant_is_for_no_other(keeper: Keeper) -> None:
    path = keeper.folder / "p.stella"

    def judged(tenant: str) -> SignedVersion:
        data = Path(f"{path}.attestation.sigstore").read_bytes()
        return verify_for(tenant, data, keeper.trust(), digest_of(str(path)), now=keeper.now)

    sign(keeper, for_tenant="acme")
    assert judged("acme").predicate.tenant == "acme"
    with pytest.raises(errors.SignedFactDiffers, match="tenant `acme`, expected `other`"):
        judged("other")
    with pytest.raises(errors.BadSignedFact):
        sign(keeper, for_tenant=" ")
    sign(keeper)
    assert judged("other").predicate.tenant is msgspec.UNSET, "it names none"


def test_keys_of_another_purpose_and_kinds_of_another_meaning(keeper: Keeper) -> None:
    keeper.create(purpose="sdk")
    predicate = PolicyPredicate(
        policy_id="P-7", version=3, ir_digest=digest_of(str(keeper.folder / "p.stella")), reason="r", ticket="t"
    )
    good = sign_version(keeper.ctx, keeper.place, predicate)

    def judged(data: bytes) -> SignedVersion:
        return verify_version(data, keeper.trust(), predicate.ir_digest, now=keeper.now)

    assert judged(good.data).predicate == predicate

    def by(purpose: str, kind: str, subjects: dict[str, str], facts: Any) -> bytes:
        from stella.key import attesting

        return attesting.sign(keeper.ctx, keeper.place, kind, subjects, facts, purpose=purpose).data

    facts, subject = msgspec.to_builtins(predicate), {"P-7@3": predicate.ir_digest}
    with pytest.raises(SignerUnknown):
        judged(by("sdk", PREDICATE_TYPE, subject, facts))
    with pytest.raises(PredicateNotAllowed):
        judged(by("policy", "https://example.com/x/v1", subject, facts))
    with pytest.raises(errors.SignedFactsMalformed):
        judged(by("policy", PREDICATE_TYPE, subject, {"policyId": "P-7"}))
    with pytest.raises(errors.SignedFactsMalformed):
        judged(by("policy", PREDICATE_TYPE, {**subject, "other": "cd" * 32}, facts))
    with pytest.raises(errors.SignedFactDiffers):
        judged(by("policy", PREDICATE_TYPE, subject, {**facts, "irDigest": "cd" * 32}))
    other = attestation.statement(PREDICATE_TYPE, subject, {**facts, "version": 4})
    swapped = json.loads(good.data)
    import base64

    swapped["dsseEnvelope"]["payload"] = base64.b64encode(other).decode()
    with pytest.raises(SignatureWrong):
        judged(json.dumps(swapped).encode())


def test_a_revoked_key_and_an_old_signature(keeper: Keeper) -> None:
    done = sign(keeper)
    keeper.clock.pass_time(DAY)
    with pytest.raises(NotFresh):
        verify(keeper, fresh="23h")
    keeper.revoke(done.signer.keyid, since=WHEN)
    with pytest.raises(RevokedKey):
        verify(keeper)


WRONG: list[tuple[dict[str, Any], type[StellaError]]] = [
    ({"policy_id": " "}, errors.BadSignedFact),
    ({"policy_id": "P\x00"}, errors.BadSignedFact),
    ({"policy_id": "P" * 201}, errors.BadSignedFact),
    ({"approval": ("ada",)}, errors.BadSignedFact),
    ({"approval": ("ada@yesterday",)}, errors.BadSignedFact),
    ({"approval": (f"@{WHEN}",)}, errors.BadSignedFact),
    ({"evidence": ("shadow",)}, errors.BadSignedFact),
    ({"evidence": ("shadow=xyz",)}, errors.BadSignedFact),
    ({"evidence": (f"={'ab' * 32}",)}, errors.BadSignedFact),
]


@pytest.mark.parametrize(("want", "kind"), WRONG, ids=str)
def test_facts_of_another_form_are_not_signed(keeper: Keeper, want: dict[str, Any], kind: type[StellaError]) -> None:
    with pytest.raises(kind):
        sign(keeper, **want)
    assert not (keeper.folder / "p.stella.attestation.sigstore").exists()


@pytest.mark.parametrize(
    "text", ["", "policy", "\x00", SOURCE.replace("kev then", "nonsense(1) then"), SOURCE + SOURCE]
)
def test_what_does_not_compile_is_not_signed(keeper: Keeper, text: str) -> None:
    (keeper.folder / "p.stella").write_text(text)
    with pytest.raises(errors.PolicyNotCompiled, match="POL"):
        sign(keeper)
