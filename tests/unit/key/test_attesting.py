"""Statements by managed keys and by identities, renewed, and verified by the command that people type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stella.attest import errors as attest_errors
from stella.attest import service as attest
from stella.attest.errors import IdentitiesUnpaired
from stella.attest.model import POLICY, TENANCY, AttestationVerified, VerifyAttestation
from stella.kernel.errors import StellaError
from stella.kernel.instant import format_time
from stella.key import attesting, errors
from stella.key.model import AttestationRenewed, RenewAttestation
from stella.operations import Principal
from stella.signing import cosign_pem
from stella.signing.errors import (
    BadTrust,
    IdentityNotAllowed,
    IssuerNotAllowed,
    NotFresh,
    RevokedKey,
    SignerUnknown,
    SubjectDiffers,
    TimestampWrong,
)
from stella.tenancy.errors import TokenBinding, TokenExpired, TokenIssuer, TokenSignatureBad
from stella.tenancy.offline import KeySet, OfflineIssuer, write_issuers
from tests.unit.key.keeping import DAY, KIND, Keeper
from tests.unit.tenancy.issued import ES, ISSUER, OTHER, token

WHO = f"{ISSUER}/tenants/acme/principals/subject-1"


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosign_pem, "COST", 2)
    monkeypatch.setattr(cosign_pem, "COSTS", frozenset({2}))


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    """Keys, and an issuer that is believed here."""
    made = Keeper(tmp_path)
    made.create()
    trust = tmp_path / "identity"
    trust.mkdir()
    issuer = OfflineIssuer(issuer=ISSUER, valid_to="2027-01-01T00:00:00Z", jwks=KeySet([dict(ES.jwk())]))
    (trust / "issuers.json").write_bytes(write_issuers([issuer]))
    made.set("identity", trust=str(trust))
    made.set("client", token="env:TOKEN")
    made.env["TOKEN"] = token()
    return made


def verified(keeper: Keeper, path: str, **want: Any) -> AttestationVerified:
    want = {"trust": f"{keeper.place}/trust", "predicate": KIND, **want}
    return attest.verify(keeper.ctx, VerifyAttestation(file=path, **want))


def test_what_is_stated_is_what_was_given(keeper: Keeper) -> None:
    path = keeper.folder / "scan.json"
    path.write_text('{"verdict": "failed", "release": "1.2", "count": 3, "nested": {"a": 1}}')
    done = keeper.attest(predicate=str(path), name="the app")
    found = verified(keeper, done.out, artifact=str(keeper.folder / "app.tar"))
    assert (found.verdict, found.release, found.facts) == ("failed", "1.2", {"count": 3})
    assert [(one.name, one.sha256) for one in found.subjects] == [("the app", done.sha256)]
    assert (found.identity, found.signed_at) == (None, format_time(keeper.now))


@pytest.mark.parametrize("text", ["", "[]", "1", '{"a": 1', "[" * 100_000])
def test_a_predicate_is_an_object(keeper: Keeper, text: str) -> None:
    path = keeper.folder / "p.json"
    path.write_text(text)
    with pytest.raises(errors.BadPredicate):
        keeper.attest(predicate=str(path))
    assert not (keeper.folder / "app.tar.sigstore").exists()


@pytest.mark.parametrize("kind", ["scan", "", f"https://{'x' * 300}", POLICY, TENANCY])
def test_a_kind_is_an_address_and_none_that_has_a_command_of_its_own(keeper: Keeper, kind: str) -> None:
    with pytest.raises(errors.BadPredicate):
        keeper.attest(predicate_type=kind)


def test_an_identity_signs_without_a_key_of_its_own(keeper: Keeper) -> None:
    done = keeper.attest(keyless=True)
    assert (done.signer.identity, done.signer.issuer) == (WHO, ISSUER)
    keeper.clock.pass_time(30 * DAY)
    found = verified(keeper, done.out, identity=(WHO,), issuer=(ISSUER,))
    assert (found.identity, found.issuer, found.signed_at) == (WHO, ISSUER, "2026-01-01T00:00:00Z")
    with pytest.raises(IdentityNotAllowed):
        verified(keeper, done.out)
    with pytest.raises(IdentityNotAllowed):
        verified(keeper, done.out, identity=(f"{WHO}0",), issuer=(ISSUER,))
    with pytest.raises(IssuerNotAllowed):
        verified(keeper, done.out, identity=(WHO,), issuer=("https://elsewhere.example",))


def test_an_identity_counts_on_the_word_of_the_issuer_named_with_it(keeper: Keeper) -> None:
    """The first issuer vouches for the first identity, the second for the second, and neither for the other."""
    done = keeper.attest(keyless=True)
    other, elsewhere = f"{WHO}0", "https://elsewhere.example"
    good = {"identity": (other, WHO), "issuer": (elsewhere, ISSUER)}
    crossed = {"identity": (WHO, other), "issuer": (elsewhere, ISSUER)}
    assert verified(keeper, done.out, **good).identity == WHO
    assert renewed(keeper, done.out, **good).was.identity == WHO
    for call in (verified, renewed):
        with pytest.raises(IssuerNotAllowed):
            call(keeper, done.out, **crossed)
        for uneven in ({"identity": (WHO, other), "issuer": (ISSUER,)}, {"identity": (WHO,)}, {"issuer": (ISSUER,)}):
            with pytest.raises(IdentitiesUnpaired):
                call(keeper, done.out, **uneven)


def test_only_a_good_token_of_a_believed_issuer_gives_an_identity(keeper: Keeper) -> None:
    bound = token(cnf={"jkt": "x"})
    for wrong, kind in (
        (token(OTHER, {"kid": ES.kid}), TokenSignatureBad),
        (token(iss="https://elsewhere.example"), TokenIssuer),
        (token(exp=keeper.now - 60, iat=keeper.now - 120, nbf=keeper.now - 120), TokenExpired),
        (bound, TokenBinding),
    ):
        keeper.env["TOKEN"] = wrong
        with pytest.raises(kind):
            keeper.attest(keyless=True)
    keeper.set("identity", trust="")
    with pytest.raises(errors.NoIdentityTrust):
        keeper.attest(keyless=True)


def test_a_service_signs_in_nobodys_name(keeper: Keeper) -> None:
    import dataclasses

    ctx = dataclasses.replace(keeper.ctx, principal=Principal("acme.ada", frozenset({"key:sign"}), "acme"))
    with pytest.raises(errors.KeylessAtService):
        attesting.identity(ctx)


def test_a_uri_of_odd_names_names_one_principal() -> None:
    assert attesting.uri_of("https://i.example/", "acme", "a/b c@d") == (
        "https://i.example/tenants/acme/principals/a%2Fb%20c%40d"
    )


def test_what_people_type_to_verify(keeper: Keeper, tmp_path: Path) -> None:
    done = keeper.attest()
    other = tmp_path / "other"
    other.write_bytes(b"other")
    with pytest.raises(SubjectDiffers):
        verified(keeper, done.out, artifact=str(other))
    with pytest.raises(attest_errors.PredicateDiffers):
        verified(keeper, done.out, predicate="policy")
    with pytest.raises(attest_errors.PredicateDiffers):
        verified(keeper, done.out, predicate=None)
    with pytest.raises(SignerUnknown):
        verified(keeper, done.out, purpose="sdk")
    keeper.clock.pass_time(61)
    with pytest.raises(NotFresh):
        verified(keeper, done.out, fresh="60s")
    assert verified(keeper, done.out, fresh="61s").verdict == "passed"


def test_whom_to_believe_is_always_said(keeper: Keeper, tmp_path: Path) -> None:
    done = keeper.attest()
    with pytest.raises(attest_errors.NothingTrusted):
        verified(keeper, done.out, trust=None)
    keeper.set("keys", store=keeper.place)
    assert verified(keeper, done.out, trust=None).keys == (done.signer.keyid,)
    with pytest.raises(BadTrust):
        verified(keeper, done.out, trust=str(tmp_path))
    keeper.set("keys", trust=str(tmp_path))
    with pytest.raises(BadTrust):
        verified(keeper, done.out, trust=None)
    envelope = tmp_path / "envelope.json"
    envelope.write_text('{"payload": "", "payloadType": "x", "signatures": []}')
    with pytest.raises(attest_errors.NothingTrusted):
        verified(keeper, str(envelope))


def test_a_key_that_was_told_counts_by_itself(keeper: Keeper) -> None:
    done = keeper.attest()
    (listed,) = keeper.trust().keys
    bare = json.loads(Path(done.out).read_bytes())
    bare["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"] = []
    path = keeper.folder / "bare.sigstore"
    path.write_text(json.dumps(bare))
    found = verified(keeper, str(path), trust=None, key=(listed.public,), purpose="policy")
    assert (found.keys, found.signed_at) == ((listed.keyid,), None)
    with pytest.raises(TimestampWrong):
        verified(keeper, done.out, trust=None, key=(listed.public,))
    for wrong in ("", "x", "AAAA"):
        with pytest.raises(StellaError):
            verified(keeper, str(path), trust=None, key=(wrong,))


def renewed(keeper: Keeper, path: str, **want: Any) -> AttestationRenewed:
    out = str(keeper.folder / "renewed.sigstore")
    return attesting.renew(keeper.ctx, RenewAttestation(file=path, dir=keeper.place, out=out, **want))


def test_an_old_attestation_is_signed_again(keeper: Keeper) -> None:
    old = keeper.attest()
    keeper.rotate("1d")
    keeper.clock.pass_time(30 * DAY)
    done = renewed(keeper, old.out)
    assert (done.was.keyid, done.was_signed_at) == (old.signer.keyid, old.signed_at)
    assert done.signer.keyid != old.signer.keyid
    before, after = verified(keeper, old.out), verified(keeper, done.out, fresh="1s")
    assert (before.subjects, before.facts) == (after.subjects, after.facts)


def test_what_an_identity_signed_is_renewed_for_those_who_are_named(keeper: Keeper) -> None:
    old = keeper.attest(keyless=True)
    with pytest.raises(IdentityNotAllowed):
        renewed(keeper, old.out)
    done = renewed(keeper, old.out, identity=(WHO,), issuer=(ISSUER,))
    assert (done.was.identity, done.signer.identity) == (WHO, None)
    assert verified(keeper, done.out).identity is None


def test_what_is_not_good_any_more_is_not_renewed(keeper: Keeper, tmp_path: Path) -> None:
    strangers = Keeper(tmp_path / "strangers", seed="strangers")
    (tmp_path / "strangers").mkdir()
    strangers.create()
    with pytest.raises(StellaError):
        renewed(keeper, strangers.attest().out)
    assert not (keeper.folder / "renewed.sigstore").exists()


def test_a_key_that_was_told_is_not_believed_against_the_list_that_revokes_it(keeper: Keeper) -> None:
    done = keeper.attest()
    (listed,) = keeper.trust().keys
    keeper.clock.pass_time(60)
    keeper.revoke(done.signer.keyid, since=listed.not_before)
    place = f"{keeper.place}/trust"
    with pytest.raises(RevokedKey):
        verified(keeper, done.out, trust=place)
    with pytest.raises(RevokedKey):
        verified(keeper, done.out, trust=place, key=(listed.public,))


def test_a_renewal_gives_a_statement_no_other_purpose(keeper: Keeper) -> None:
    """Who holds a key for scans must not get a statement signed by the key for policies."""
    keeper.create(purpose="scan")
    old = keeper.attest(purpose="scan")
    with pytest.raises(SignerUnknown):
        renewed(keeper, old.out, purpose="policy")
    assert not (keeper.folder / "renewed.sigstore").exists()
    assert renewed(keeper, old.out, purpose="scan").was.keyid == old.signer.keyid
