"""Every way in which a signed statement is refused, each with its own code, and what is accepted."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from stella.kernel import dsse
from stella.kernel.errors import NotJson, StellaError, WrongPayloadType
from stella.kernel.instant import format_time
from stella.kernel.statement import PAYLOAD_TYPE
from stella.signing import attestation, errors, sigstore_bundle
from stella.signing.authority import make_authority
from stella.signing.certifier import Identity, make_certifier
from stella.signing.sigstore_bundle import MAX_CERTIFICATE, MAX_SIZE, MEDIA_TYPE, SigstoreBundle
from stella.signing.trusted_root import Trusted, TrustedRoot
from stella.signing.verification import TOLERANCE, Demand, Proved, Trust, verify
from tests import forged, signed
from tests.signed import (
    ED25519,
    KIND,
    NOW,
    P256,
    STRANGER,
    WHO,
    YEAR,
    by_identity,
    by_key,
    changed,
    demand,
    entry,
    trust,
)

DAY = 86_400


def check(data: bytes, believed: Trust | None = None, **asked: Any) -> Proved:
    return verify(data, believed or trust(), demand(**asked))


def refused(kind: type[StellaError], data: bytes, believed: Trust | None = None, **asked: Any) -> StellaError:
    with pytest.raises(StellaError) as caught:
        check(data, believed, **asked)
    assert type(caught.value) is kind, caught.value
    return caught.value


# What is accepted


@pytest.mark.parametrize("key", [P256, ED25519])
@pytest.mark.parametrize("at", [NOW, None])
def test_a_statement_by_a_managed_key(key: Any, at: int | None) -> None:
    proved = check(by_key(key, at))
    assert (proved.keyid, proved.identity, proved.signed_at) == (key.keyid, None, at)
    assert proved.statement.predicate == {"verdict": "passed"}


def test_a_statement_by_an_identity_also_when_its_certificate_has_long_expired() -> None:
    for later in (60, YEAR // 2):
        proved = check(by_identity(), now=NOW + later)
        assert (proved.identity, proved.signed_at) == (WHO, NOW)


def test_a_certificate_that_is_still_valid_needs_no_proof_of_time() -> None:
    data = forged.bundle(forged.certificate(), at=None)
    assert check(data, now=NOW + 600).signed_at is None
    refused(errors.CertificateExpired, data, now=NOW + 601)
    refused(errors.CertificateExpired, data, now=NOW - 1)


def test_the_same_statement_has_the_same_bytes() -> None:
    assert by_key() == by_key()
    assert json.loads(by_key())["mediaType"] == MEDIA_TYPE
    hint = json.loads(by_key())["verificationMaterial"]["publicKey"]["hint"]
    assert base64.b64decode(hint).hex() == P256.keyid


# Form


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"null", b"{}" * 2, b"[" * 100_000])
def test_what_is_no_json_or_another_document(data: bytes) -> None:
    refused(NotJson, data)


def test_other_versions_and_documents_are_not_judged() -> None:
    for kind in ("", "application/vnd.dev.sigstore.bundle+json;version=0.2", f"{MEDIA_TYPE}x"):
        refused(errors.BadSigstoreBundle, changed(by_key(), lambda found, kind=kind: found.update(mediaType=kind)))


def test_a_bundle_that_is_too_large() -> None:
    refused(errors.SigstoreBundleTooLarge, by_key() + b" " * MAX_SIZE)


def signatures(document: Any) -> list[dict[str, str]]:
    found: list[dict[str, str]] = document["dsseEnvelope"]["signatures"]
    return found


@pytest.mark.parametrize("count", [0, 2, 64])
def test_extra_or_no_signatures(count: int) -> None:
    def change(found: Any) -> None:
        found["dsseEnvelope"]["signatures"] = signatures(found) * count

    assert refused(errors.SignaturesNotOne, changed(by_key(), change)).facts["count"] == count


@pytest.mark.parametrize("text", ["", "!", "MEQ", "AA==\n", "AB==", base64.b64encode(bytes(129)).decode()])
def test_a_malformed_signature(text: str) -> None:
    refused(errors.SignatureMalformed, changed(by_key(), lambda found: signatures(found)[0].update(sig=text)))


@pytest.mark.parametrize("raw", [b"\x00", b"\x30\x00", bytes(64), bytes(72)])
def test_a_signature_of_no_meaning_is_wrong(raw: bytes) -> None:
    text = base64.b64encode(raw).decode()
    for key in (P256, ED25519):
        data = changed(by_key(key, None), lambda found: signatures(found)[0].update(sig=text))
        refused(errors.SignatureWrong, data)


def both(found: Any) -> None:
    found["verificationMaterial"]["certificate"] = {"rawBytes": base64.b64encode(forged.certificate()).decode()}


def neither(found: Any) -> None:
    del found["verificationMaterial"]["publicKey"]


def another_base64(found: Any) -> None:
    found["dsseEnvelope"]["payload"] += "="


def many_stamps(found: Any) -> None:
    stamps = found["verificationMaterial"]["timestampVerificationData"]
    stamps["rfc3161Timestamps"] = stamps["rfc3161Timestamps"] * 9


def many_entries(found: Any) -> None:
    found["verificationMaterial"]["tlogEntries"] = [{}] * 33


@pytest.mark.parametrize("change", [both, neither, another_base64, many_stamps, many_entries])
def test_material_that_cannot_be_judged(change: Callable[[Any], None]) -> None:
    refused(errors.BadSigstoreBundle, changed(by_key(), change))


@pytest.mark.parametrize("place", ["", "verificationMaterial", "dsseEnvelope"])
def test_an_unknown_field_is_refused_wherever_it_stands(place: str) -> None:
    refused(NotJson, changed(by_key(), lambda found: (found[place] if place else found).update(extra=1)))


# Keys


def test_a_key_that_is_not_trusted() -> None:
    refused(errors.SignerUnknown, by_key(STRANGER))
    refused(errors.SignerUnknown, by_key(), trust(entry(ED25519)))
    refused(errors.SignerUnknown, by_key(), keyids=frozenset({ED25519.keyid}))
    refused(errors.SignerUnknown, by_key(), purpose="sdk")
    assert check(by_key(), keyids=frozenset({P256.keyid}), purpose="policy").keyid == P256.keyid


SPELLED = P256.public.hint[:-2] + chr(ord(P256.public.hint[-2]) + 1) + "="  # other unused bits, the same digest


@pytest.mark.parametrize("hint", ["", "!", P256.keyid, P256.public.hint + "=", SPELLED])
def test_a_hint_that_names_no_key(hint: str) -> None:
    refused(
        errors.SignerUnknown, changed(by_key(), lambda f: f["verificationMaterial"].update(publicKey={"hint": hint}))
    )


def test_a_hint_of_another_key_proves_nothing() -> None:
    hint = {"hint": P256.public.hint}
    data = changed(by_key(STRANGER), lambda found: found["verificationMaterial"].update(publicKey=hint))
    refused(errors.SignatureWrong, data)


def test_a_payload_that_was_altered() -> None:
    other = attestation.statement(KIND, {"app.tar": signed.DIGEST}, {"verdict": "failed"})
    text = base64.b64encode(other).decode()
    for data in (by_key(), by_key(ED25519), by_identity()):
        refused(errors.SignatureWrong, changed(data, lambda found: found["dsseEnvelope"].update(payload=text)))


def test_a_retired_key_verifies_only_what_is_proved_to_be_older() -> None:
    ended = trust(entry(P256, not_after=format_time(NOW + DAY)))
    assert check(by_key(), ended, now=NOW + YEAR // 2).signed_at == NOW
    assert check(by_key(at=None), ended, now=NOW + DAY - 1).signed_at is None
    refused(errors.RetiredKey, by_key(at=None), ended, now=NOW + DAY)
    refused(errors.RetiredKey, by_key(at=NOW + DAY), ended, now=NOW + 2 * DAY)
    assert check(by_key(at=NOW + DAY - 1), ended, now=NOW + 2 * DAY).keyid == P256.keyid


def test_a_revoked_key_verifies_nothing_after_the_revocation() -> None:
    struck = trust(entry(P256, revoked=format_time(NOW + DAY)))
    assert check(by_key(), struck, now=NOW + YEAR // 2).signed_at == NOW
    refused(errors.RevokedKey, by_key(at=NOW + DAY), struck, now=NOW + 2 * DAY)
    refused(errors.RevokedKey, by_key(at=None), struck, now=NOW + 2 * DAY)
    refused(errors.RevokedKey, by_key(at=None), struck, now=NOW)
    both = trust(entry(P256, not_after=format_time(NOW - 5), revoked=format_time(NOW)))
    refused(errors.RevokedKey, by_key(), both)


def test_a_key_that_has_not_begun() -> None:
    coming = trust(entry(P256, not_before=format_time(NOW + DAY)))
    refused(errors.KeyNotBegun, by_key(), coming)
    refused(errors.KeyNotBegun, by_key(at=None), coming)
    refused(errors.KeyNotBegun, by_key(), coming, now=NOW + 2 * DAY)
    assert check(by_key(at=NOW + DAY - TOLERANCE), coming, now=NOW + 2 * DAY).keyid == P256.keyid


# Time


def test_a_signature_from_the_future() -> None:
    refused(errors.SignedInFuture, by_key(at=NOW), now=NOW - TOLERANCE - 1)
    refused(errors.SignedInFuture, by_identity(), now=NOW - TOLERANCE - 1)
    assert check(by_key(at=NOW), now=NOW - TOLERANCE).signed_at == NOW


def test_freshness_and_a_missing_proof_of_time() -> None:
    assert check(by_key(), freshness=60).signed_at == NOW
    error = refused(errors.NotFresh, by_key(), freshness=59)
    assert (error.facts["age"], error.facts["limit"]) == ("60s", "59s")
    refused(errors.Undated, by_key(at=None), freshness=10**9)
    refused(errors.Undated, by_key(at=None), dated=True)


def stamps_of(data: bytes) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(data)["verificationMaterial"]["timestampVerificationData"][
        "rfc3161Timestamps"
    ]
    return found


def with_stamps(data: bytes, stamps: list[dict[str, str]]) -> bytes:
    return changed(
        data,
        lambda found: found["verificationMaterial"].update(timestampVerificationData={"rfc3161Timestamps": stamps}),
    )


def test_a_proof_of_time_that_does_not_count_is_never_passed_over() -> None:
    data, other = by_key(), by_key(ED25519)
    foreign = make_authority(signed.ENTROPY, NOW, "other")
    no_timers = trust(root=TrustedRoot(signed.ROOT.certifiers, ()))
    ended = trust(root=TrustedRoot((), (Trusted(signed.ROOT.timers[0].chain, NOW - DAY, NOW),)))
    refused(errors.TimestampWrong, with_stamps(data, stamps_of(other)))
    refused(errors.TimestampWrong, with_stamps(data, stamps_of(data) + stamps_of(other)))
    refused(errors.TimestampWrong, with_stamps(data, [{"signedTimestamp": base64.b64encode(b"x").decode()}]))
    refused(errors.TimestampWrong, data, no_timers)
    refused(errors.TimestampWrong, data, ended)
    stamp = Trusted((foreign.certificate, foreign.root), NOW - DAY, NOW + YEAR)
    refused(errors.TimestampWrong, data, trust(root=TrustedRoot((), (stamp,))))


def test_the_earliest_of_several_proofs_counts() -> None:
    several = with_stamps(by_key(at=NOW + 30), stamps_of(by_key(at=NOW + 30)) + stamps_of(by_key(at=NOW)))
    assert check(several).signed_at == NOW
    refused(errors.SignedInFuture, several, now=NOW + 30 - TOLERANCE - 1)


# Identities


def test_identity_and_issuer_are_those_that_were_asked_for() -> None:
    data = by_identity()
    refused(errors.IdentityNotAllowed, data, identities=frozenset())
    refused(errors.IdentityNotAllowed, data, identities=frozenset({Identity(f"{WHO.uri}x", WHO.issuer)}))
    refused(errors.IssuerNotAllowed, data, identities=frozenset({Identity(WHO.uri, "https://elsewhere.example")}))
    refused(errors.IdentityNotAllowed, data, identities=frozenset({Identity(WHO.issuer, WHO.uri)}))


def test_a_timestamp_outside_of_the_certificates_life() -> None:
    for stamped in (NOW - 1, NOW + 601):
        refused(errors.TimestampOutsideCertificate, by_identity(stamped=stamped), now=NOW + DAY)
    for stamped in (NOW, NOW + 600):
        assert check(by_identity(stamped=stamped), now=NOW + DAY).signed_at == stamped


def test_a_chain_that_does_not_end_at_the_root() -> None:
    other = make_certifier(signed.ENTROPY, NOW, "acme")
    data, timers = by_identity(), signed.ROOT.timers
    chain = signed.CERTIFIER.chain
    for wrong in (
        (),
        (Trusted(other.chain, NOW - DAY, NOW + YEAR),),
        (Trusted((chain[0], other.chain[1]), NOW - DAY, NOW + YEAR),),
        (Trusted((chain[1],), NOW - DAY, NOW + YEAR),),
        (Trusted(chain, NOW - DAY, NOW),),
        (Trusted(chain, NOW + 1, NOW + YEAR),),
    ):
        refused(errors.CertificateChain, data, trust(root=TrustedRoot(wrong, timers)))
    mixed = (Trusted(other.chain, NOW - DAY, NOW + YEAR), *signed.ROOT.certifiers)
    assert check(data, trust(root=TrustedRoot(mixed, timers))).identity == WHO


def test_a_certificate_by_the_right_name_and_another_key() -> None:
    refused(errors.CertificateChain, forged.bundle(forged.certificate(by=STRANGER)))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"used": forged.usage(key_cert_sign=True)},
        {"used": forged.usage(key_cert_sign=True), "ca": False},
        {"ca": True},
        {"used": forged.usage(key_cert_sign=True), "ca": True},  # the one above it allows none below it
        {"used": forged.usage(key_cert_sign=True), "ca": True, "unknown": True},
    ],
    ids=str,
)
def test_an_authority_that_is_none(changes: dict[str, Any]) -> None:
    leaf = forged.certificate(by=STRANGER)
    between = forged.certificate(public=STRANGER.native.public_key(), subject="acme signing authority", **changes)
    root = TrustedRoot((Trusted((between, *signed.CERTIFIER.chain), NOW - DAY, NOW + YEAR),), signed.ROOT.timers)
    refused(errors.CertificateChain, forged.bundle(leaf), trust(root=root))


def test_a_chain_ends_where_the_trusted_root_says() -> None:
    above = (Trusted(signed.CERTIFIER.chain[:1], NOW - DAY, NOW + YEAR),)
    root = TrustedRoot(above, signed.ROOT.timers)
    assert check(by_identity(), trust(root=root)).identity == WHO, "an issuing certificate can be trusted by itself"


USAGE: dict[str, dict[str, Any]] = {
    "no extended usage": {"extended": None},
    "another extended usage": {"extended": ExtendedKeyUsageOID.TIME_STAMPING},
    "any extended usage": {"extended": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE},
    "no usage": {"used": None},
    "another usage": {"used": forged.usage(digital_signature=False, crl_sign=True)},
    "usage of an authority": {"used": forged.usage(key_cert_sign=True)},
    "an authority": {"ca": True},
    "an unknown critical extension": {"unknown": True},
}


@pytest.mark.parametrize("changes", USAGE.values(), ids=USAGE)
def test_a_certificate_that_is_not_for_signing(changes: dict[str, Any]) -> None:
    refused(errors.CertificateUsage, forged.bundle(forged.certificate(**changes)))


MALFORMED: dict[str, dict[str, Any]] = {
    "nobody": {"names": None},
    "two names": {"names": [forged.uri(), forged.uri("https://x.example")]},
    "a mail address": {"names": [x509.RFC822Name("ada@example.com")]},
    "a host": {"names": [x509.DNSName("issuer.example")]},
    "a name that is not critical": {"critical": False},
    "no issuer": {"issuer": None},
    "two issuers": {"raw": b"https://elsewhere.example"},
    "an issuer that is no text": {"issuer": b"\x04\x01x"},
    "an issuer with a tail": {"issuer": b"\x0c\x01xy"},
    "an issuer of a wrong length": {"issuer": b"\x0c\x7fx"},
    "an issuer of another length form": {"issuer": b"\x0c\x81\x01x", "raw": None},
    "an issuer with a tail, alone": {"issuer": b"\x0c\x01xy", "raw": None},
    "an issuer in raw bytes": {"issuer": WHO.issuer.encode()},
    "a key on P-384": {"public": ec.derive_private_key(7, ec.SECP384R1()).public_key()},
    "an RSA key": {"public": rsa.RSAPublicNumbers(65537, (1 << 2047) + 5).public_key()},
}


@pytest.mark.parametrize("changes", MALFORMED.values(), ids=MALFORMED)
def test_a_certificate_that_names_nobody_well(changes: dict[str, Any]) -> None:
    refused(errors.BadCertificate, forged.bundle(forged.certificate(**changes)))


def test_a_certificate_of_a_good_form_made_by_hand_is_accepted() -> None:
    assert check(forged.bundle(forged.certificate())).identity == WHO
    assert check(forged.bundle(forged.certificate(ca=False, raw=None))).identity == WHO
    assert check(forged.bundle(forged.certificate(subject="ci", critical=False))).identity == WHO


def test_a_certificate_over_another_key_proves_nothing() -> None:
    refused(errors.SignatureWrong, forged.bundle(forged.certificate(), key=STRANGER))


@pytest.mark.parametrize("der", [b"", b"0", forged.certificate()[:-1], bytes(MAX_CERTIFICATE + 1)])
def test_a_certificate_that_cannot_be_parsed(der: bytes) -> None:
    refused(errors.BadCertificate, forged.bundle(der))


# What was signed


def test_another_kind_of_statement() -> None:
    error = refused(errors.PredicateNotAllowed, by_key(), predicate_types=frozenset({"https://x/1", "https://x/2"}))
    assert error.facts["wanted"] == "`https://x/1` or `https://x/2`"
    refused(errors.PredicateNotAllowed, by_key(), predicate_types=frozenset())
    assert check(by_key(), predicate_types=None).statement.predicate_type == KIND


def test_another_subject() -> None:
    refused(errors.SubjectDiffers, by_key(), subject="cd" * 32)
    assert check(by_key(), subject=None).keyid == P256.keyid


def test_a_signature_over_another_type_of_payload() -> None:
    def of(kind: str) -> bytes:
        signature = P256.sign(dsse.pae(kind, signed.PAYLOAD))
        return sigstore_bundle.write(SigstoreBundle(kind, signed.PAYLOAD, signature, P256.public.hint, None, (), 0))

    refused(WrongPayloadType, of("text/plain"))
    relabelled = changed(of("text/plain"), lambda found: found["dsseEnvelope"].update(payloadType=PAYLOAD_TYPE))
    refused(errors.SignatureWrong, relabelled)


STATEMENTS = [
    b'{"_type":"https://in-toto.io/Statement/v0.1","predicate":{},"predicateType":"t","subject":[{"digest":{"sha256":"%s"},"name":"x"}]}'
    % (b"ab" * 32),
    b'{"_type":"https://in-toto.io/Statement/v1","predicate":{},"predicateType":"t","subject":[]}',
    b'{"_type":"https://in-toto.io/Statement/v1","predicate":{},"predicateType":"t","subject":[{"digest":{"sha1":"ab"},"name":"x"}]}',
]


@pytest.mark.parametrize("payload", STATEMENTS)
def test_a_statement_about_nothing(payload: bytes) -> None:
    refused(errors.BadSigstoreBundle, by_key(payload=payload), predicate_types=None)


@pytest.mark.parametrize("payload", [b"", b"x", b"[]", b"{}", b"[" * 50_000])
def test_a_payload_that_is_no_statement(payload: bytes) -> None:
    refused(NotJson, by_key(payload=payload))


def test_a_log_that_cannot_be_checked() -> None:
    with_entry = changed(by_key(), lambda found: found["verificationMaterial"].update(tlogEntries=[{"logIndex": "1"}]))
    refused(errors.LogMissing, by_key(), transparency="require")
    refused(errors.LogMissing, with_entry, transparency="require")
    refused(errors.LogMissing, with_entry)
    assert check(with_entry, transparency="skip").keyid == P256.keyid
    assert check(by_key(), transparency="skip").keyid == P256.keyid


# Properties

MANAGED, KEYLESS = by_key(), by_identity()


@pytest.mark.parametrize("data", [MANAGED, KEYLESS], ids=["managed", "keyless"])
@given(seed=st.data())
@settings(max_examples=150)
def test_no_changed_byte_changes_what_is_proved(data: bytes, seed: st.DataObject) -> None:
    place = seed.draw(st.integers(0, len(data) - 1))
    byte = seed.draw(st.integers(0, 255))
    other = data[:place] + bytes([byte]) + data[place + 1 :]
    try:
        found = check(other)
    except StellaError:
        return
    assert found == check(data)


@given(st.binary(max_size=400))
@settings(max_examples=100)
def test_any_bytes_are_refused_by_name(data: bytes) -> None:
    with pytest.raises(StellaError):
        check(data)


@given(st.binary(max_size=600), st.integers(0, 700))
@settings(max_examples=100)
def test_any_certificate_is_refused_by_name(junk: bytes, place: int) -> None:
    der = forged.certificate()
    for hostile in (junk, der[:place] + junk + der[place + len(junk) :]):
        if hostile != der:
            with pytest.raises(StellaError):
                check(forged.bundle(hostile))


def test_a_demand_allows_nobody_by_itself() -> None:
    bare = Demand(NOW, frozenset({KIND}), None)
    with pytest.raises(errors.IdentityNotAllowed):
        verify(KEYLESS, trust(), bare)
    with pytest.raises(errors.TimestampWrong):
        verify(MANAGED, Trust(), bare)
    with pytest.raises(errors.SignerUnknown):
        verify(by_key(at=None), Trust(), bare)
