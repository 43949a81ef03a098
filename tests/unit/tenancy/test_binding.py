"""Proofs of possession: DPoP and client certificates."""

from __future__ import annotations

import hashlib
import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.kernel.instant import Reading
from stella.tenancy import binding
from stella.tenancy.binding import PROOF_SECONDS, Replays, address, certificate_thumbprint, token_hash
from stella.tenancy.compact import encode
from stella.tenancy.errors import TokenBinding, challenge
from stella.tenancy.mint import SigningKey
from stella.tenancy.model import Presented, Verified
from stella.tenancy.nonce import Nonces
from stella.testing import ManualClock
from tests.unit.tenancy.issued import ED, ES, GONE, NOW, OTHER, rs, token, verifier

URL = "https://hub.example/v1/mirror"
CERTIFICATE = b"a certificate in DER"


def bound(key: SigningKey = ED) -> str:
    return token(cnf={"jkt": key.kid})


def proof(text: str, key: SigningKey = ED, header: dict[str, Any] | None = None, **changes: Any) -> str:
    jwk = {name: value for name, value in key.jwk().items() if name in {"kty", "crv", "x", "y", "n", "e"}}
    head = {"typ": "dpop+jwt", "alg": key.alg, "jwk": jwk} | (header or {})
    body = {"jti": "proof-1", "htm": "POST", "htu": URL, "iat": NOW, "ath": token_hash(text)} | changes
    return key.sign(
        {name: value for name, value in head.items() if value is not GONE},
        json.dumps({name: value for name, value in body.items() if value is not GONE}).encode(),
    )


def ask(text: str, *proofs: str, **more: Any) -> Verified:
    given_ = {"scheme": "DPoP", "method": "POST", "url": URL} | more
    asked = given_.pop("verifier", None) or verifier()
    return asked.verify(Presented(text, proofs=proofs, **given_))


def refused(text: str, *proofs: str, **more: Any) -> str:
    with pytest.raises(TokenBinding) as caught:
        ask(text, *proofs, **more)
    said = str(caught.value)
    assert text not in said
    assert said.isprintable()
    return str(caught.value.facts["problem"])


@pytest.mark.parametrize("key", [ES, ED, rs()], ids=lambda key: key.alg)
def test_a_bound_token_with_its_proof(key: SigningKey) -> None:
    text = bound(key)
    assert ask(text, proof(text, key)).subject == "subject-1"


def test_a_proof_is_good_once_also_when_the_token_is_kept() -> None:
    asked, text = verifier(), bound()
    used = proof(text)
    ask(text, used, verifier=asked)
    assert refused(text, used, verifier=asked) == "the proof was used before, or too many were"
    ask(text, proof(text, jti="proof-2"), verifier=asked)
    assert refused(text, proof(text, iat=NOW + 1), verifier=asked)  # the same id in another proof
    assert refused(text, verifier=asked) == "0 proofs, expected one"


def test_a_bound_token_is_no_bearer_token_and_a_bearer_token_needs_no_proof() -> None:
    text = bound()
    assert "bearer" in refused(text, proof(text), scheme="Bearer")
    plain = token()
    assert "bound to no key" in refused(plain, proof(plain))
    assert ask(plain, proof(plain), scheme="Bearer").subject == "subject-1"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"htm": "GET"}, "method"),
        ({"htm": "post"}, "method"),
        ({"htu": URL + "/x"}, "address"),
        ({"htu": "http://hub.example/v1/mirror"}, "address"),
        ({"htu": "https://evil.example/v1/mirror"}, "address"),
        ({"htu": "https://hub.example:444/v1/mirror"}, "address"),
        ({"htu": "https://hub.example@evil.example/v1/mirror"}, "address"),
        ({"htu": "/v1/mirror"}, "address"),
        ({"htu": ""}, "address"),
        ({"iat": NOW - PROOF_SECONDS - 1}, "older"),
        ({"iat": NOW + 31}, "future"),
        ({"iat": 10**400}, "future"),
        ({"iat": -(10**400)}, "older"),
        ({"ath": token_hash("another")}, "another token"),
        ({"ath": ""}, "another token"),
        ({"ath": "é"}, "another token"),
        ({"jti": ""}, "usable id"),
        ({"jti": "x" * 129}, "usable id"),
        ({"jti": "a b"}, "usable id"),
        ({"jti": "a\0b"}, "usable id"),
    ],
    ids=str,
)
def test_a_proof_for_something_else(changes: dict[str, Any], words: str) -> None:
    text = bound()
    assert words in refused(text, proof(text, **changes))


@pytest.mark.parametrize("name", ["jti", "htm", "htu", "iat", "ath"])
@pytest.mark.parametrize("value", [GONE, None, 5.5, True, [], {}, ["x"]], ids=str)
def test_a_claim_of_a_proof_of_a_wrong_kind(name: str, value: Any) -> None:
    text = bound()
    assert "wrong type" in refused(text, proof(text, **{name: value}))


@pytest.mark.parametrize("htu", [URL + "?q=1", URL + "#x", "HTTPS://HUB.EXAMPLE:443/v1/mirror"])
@pytest.mark.parametrize("url", [URL, URL + "?other=2"])
def test_an_address_in_other_spellings(htu: str, url: str) -> None:
    text = bound()
    assert ask(text, proof(text, htu=htu), url=url).subject == "subject-1"


@pytest.mark.parametrize("iat", [NOW - PROOF_SECONDS, NOW, NOW + 30])
def test_a_proof_within_its_time(iat: int) -> None:
    text = bound()
    assert ask(text, proof(text, iat=iat)).subject == "subject-1"


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "at+jwt"},
        {"typ": "JWT"},
        {"typ": GONE},
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "ES256"},
        {"jwk": GONE},
        {"jwk": None},
        {"jwk": "text"},
        {"jwk": {}},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": encode(bytes(32))}},
        {"jku": "https://evil.example"},
        {"x5c": ["AA"]},
        {"crit": ["x"]},
        {"b64": False},
    ],
    ids=str,
)
def test_a_header_of_a_proof_that_is_wrong(header: dict[str, Any]) -> None:
    text = bound()
    assert refused(text, proof(text, header=header))


def test_a_proof_that_shows_its_private_key() -> None:
    text = bound()
    assert "private" in refused(text, proof(text, header={"jwk": ED.jwk() | {"d": "AAAA"}}))


def test_a_proof_by_another_key_or_under_another_signature() -> None:
    text = bound()
    assert "another key" in refused(text, proof(text, OTHER))
    assert "signature" in refused(text, proof(text)[:-8] + "AAAAAAAA")
    lent = proof(text, OTHER, header={"jwk": ES.jwk()})
    assert "signature" in refused(token(cnf={"jkt": ES.kid}), lent)


@pytest.mark.parametrize("made", ["", "x", "..", "a.b.c", "A" * 9000, "é.é.é"])
def test_what_is_no_proof(made: str) -> None:
    assert refused(bound(), made)


def test_more_than_one_proof() -> None:
    text = bound()
    assert refused(text, proof(text), proof(text, jti="proof-2")) == "2 proofs, expected one"


def test_the_challenge_asks_for_a_proof() -> None:
    with pytest.raises(TokenBinding) as caught:
        ask(bound())
    assert challenge(caught.value).startswith('DPoP realm="stella", error="invalid_dpop_proof"')
    assert 'algs="ES256 EdDSA RS256"' in challenge(caught.value)


def test_a_service_may_want_its_nonce_in_each_proof() -> None:
    nonces, clock = Nonces(bytes(32)), ManualClock()
    asked, text = verifier(clock=clock, nonces=nonces), bound()
    for wrong in ({}, {"nonce": ""}, {"nonce": "é"}, {"nonce": nonces.at(NOW - 120)}, {"nonce": nonces.at(NOW + 60)}):
        with pytest.raises(TokenBinding) as caught:
            ask(text, proof(text, **wrong), verifier=asked)
        assert 'error="use_dpop_nonce"' in challenge(caught.value)
    assert ask(text, proof(text, nonce=nonces.at(NOW)), verifier=asked).subject == "subject-1"
    assert ask(text, proof(text, jti="2", nonce=nonces.at(NOW - 60)), verifier=asked).subject == "subject-1"
    assert "wrong type" in refused(text, proof(text, nonce=5), verifier=asked)
    assert Nonces(b"x" * 32).at(NOW) != nonces.at(NOW) != nonces.at(NOW + 60)
    with pytest.raises(ValueError, match="32 bytes"):
        Nonces(b"short")


def test_a_client_certificate() -> None:
    text = token(cnf={"x5t#S256": certificate_thumbprint(CERTIFICATE)})
    assert ask(text, scheme="Bearer", certificate=CERTIFICATE).subject == "subject-1"
    assert "no client certificate" in refused(text, scheme="Bearer")
    assert "another one" in refused(text, scheme="Bearer", certificate=b"another")
    with pytest.raises(TokenBinding) as caught:
        ask(text, scheme="Bearer")
    assert challenge(caught.value).startswith('Bearer realm="stella", error="invalid_token"')


def test_a_token_bound_to_both_needs_both() -> None:
    text = token(cnf={"jkt": ED.kid, "x5t#S256": certificate_thumbprint(CERTIFICATE)})
    assert ask(text, proof(text), certificate=CERTIFICATE).subject == "subject-1"
    assert refused(text, proof(text))
    assert refused(text, certificate=CERTIFICATE)


def test_thumbprints_are_those_of_the_standards() -> None:
    # RFC 7638 section 3.1
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs"
        "tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn"
        "1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    from stella.tenancy.keys import read_key

    found = read_key({"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"})
    assert found is not None
    assert found.thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert certificate_thumbprint(b"x") == encode(hashlib.sha256(b"x").digest())


def reading(wall: int, boot: int) -> Reading:
    return Reading(wall=wall, boot_id="b", boot_seconds=boot)


def test_used_proofs_are_forgotten_when_both_clocks_call_them_old() -> None:
    seen = Replays()
    assert seen.first_use("t", "k", "a", NOW, reading(NOW, 100))
    assert not seen.first_use("t", "k", "a", NOW, reading(NOW + 60, 160))
    assert not seen.first_use("t", "k", "a", NOW, reading(NOW + 10_000, 160))  # the wall clock alone went on
    assert not seen.first_use("t", "k", "a", NOW, reading(NOW - 10_000, 10_000))  # the boot clock alone went on
    assert seen.first_use("t", "k", "b", NOW + 200, reading(NOW + 200, 300))
    assert len(seen) == 1
    assert seen._of == {"t": 1}


def test_the_memory_of_proofs_is_bounded_and_shared_fairly() -> None:
    seen = Replays(size=100, share=60)
    now = reading(NOW, 100)
    assert sum(seen.first_use("greedy", f"key {number % 7}", str(number), NOW, now) for number in range(1000)) == 60
    assert sum(seen.first_use("modest", "m", str(number), NOW, now) for number in range(30)) == 30
    assert sum(seen.first_use("late", "l", str(number), NOW, now) for number in range(30)) == 10
    assert not seen.first_use("greedy", "key 0", "0", NOW, now), "what was used stays used when there is no room"
    later = reading(NOW + 1000, 1100)
    assert seen.first_use("late", "l", "x", NOW + 1000, later)
    assert len(seen) == 1


def test_verifiers_may_share_a_memory() -> None:
    """One that is still empty counts as well as any other."""
    seen, text = Replays(), bound()
    used = proof(text)
    assert ask(text, used, verifier=verifier(replays=seen)).id == "token-1"
    assert len(seen) == 1
    assert "used before" in refused(text, used, verifier=verifier(replays=seen))


def test_one_proof_in_many_threads_is_good_once() -> None:
    asked, text = verifier(), bound()
    used, found = proof(text), []
    asked.verify(Presented(text, "DPoP", None, "POST", URL, (proof(text, jti="before"),)))
    start = threading.Barrier(8)

    def use() -> None:
        start.wait()
        try:
            found.append(ask(text, used, verifier=asked).id)
        except TokenBinding:
            found.append("refused")

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["refused"] * 7 + ["token-1"]


def test_a_proof_is_checked_against_the_clock_of_the_request() -> None:
    clock = ManualClock()
    asked, text = verifier(clock=clock), bound()
    used = proof(text)
    clock.pass_time(PROOF_SECONDS + 1)
    assert "older" in refused(text, used, verifier=asked)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_none(text: str) -> None:
    assert address(text) is None or len(address(text) or ()) == 4


@given(st.text(max_size=200))
def test_any_text_as_a_proof_is_refused(text: str) -> None:
    assert refused(bound(), text)


def test_binding_never_quotes_what_came() -> None:
    text = bound()
    for name in ("htm", "htu", "ath", "jti"):
        assert "marker" not in refused(text, proof(text, **{name: "marker-Zx81 \0"}))
    assert binding.MEMORY > binding.SHARE
