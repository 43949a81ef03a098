"""PyJWT beside our verifier: what we accept it accepts and reads alike; where it accepts more, we know why."""

from __future__ import annotations

import json
import warnings
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.tenancy.errors import Refusal
from stella.tenancy.mint import SigningKey
from stella.tenancy.model import Presented
from tests.unit.tenancy.issued import AUDIENCE, ED, ES, GONE, ISSUER, NOW, OTHER, claims, rs, token, verifier

KEYS = {"ES256": ES, "EdDSA": ED, "RS256": rs()}


def pyjwt(text: str) -> dict[str, Any] | None:
    """The claims as PyJWT reads them at our time, or None; times are compared here, since it asks its own clock."""
    try:
        kid = jwt.get_unverified_header(text).get("kid")
        key = next((key for key in KEYS.values() if key.kid == kid), None)
        if key is None:
            return None
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["exp", "iat"]}
        found: dict[str, Any] = jwt.decode(
            text,
            jwt.PyJWK(key.jwk()).key,
            algorithms=[key.alg],
            audience=AUDIENCE,
            issuer=ISSUER,
            options=options,
        )
        return found if int(found["exp"]) > NOW - 30 and int(found["iat"]) <= NOW + 30 else None
    except (jwt.PyJWTError, ValueError, TypeError):
        return None


def ours(text: str) -> Any:
    try:
        return verifier().verify(Presented(text))
    except Refusal:
        return None


@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: key.alg)
def test_both_accept_a_good_token_of_either(key: SigningKey) -> None:
    assert pyjwt(token(key)) == claims()
    made = jwt.encode(claims(), key._native, algorithm=key.alg, headers={"typ": "at+jwt", "kid": key.kid})
    assert ours(made).subject == "subject-1"


@given(
    key=st.sampled_from([*KEYS.values(), OTHER]),
    header=st.fixed_dictionaries(
        {},
        optional={
            "alg": st.sampled_from(["ES256", "RS256", "EdDSA", "HS256", "none", ""]),
            "kid": st.sampled_from([ES.kid, ED.kid, "unknown", 7]),
            "typ": st.sampled_from(["at+jwt", "JWT", 3]),
            "crit": st.sampled_from([["b64"], ["exp"], []]),
        },
    ),
    changes=st.fixed_dictionaries(
        {},
        optional={
            "iss": st.sampled_from([ISSUER, "https://other.example", [ISSUER]]),
            "aud": st.sampled_from([AUDIENCE, [AUDIENCE], [AUDIENCE, "x"], "x", GONE, None]),
            "exp": st.sampled_from([NOW + 300, NOW - 10, NOW - 40, str(NOW + 300), NOW + 300.0, True, None, GONE]),
            "iat": st.sampled_from([NOW, NOW + 20, NOW + 40, "x", None]),
            "sub": st.sampled_from(["s", "", 5, None]),
            "tid": st.sampled_from(["acme", "ACME", None]),
        },
    ),
)
def test_what_we_accept_the_oracle_accepts_and_reads_alike(
    key: SigningKey, header: dict[str, Any], changes: dict[str, Any]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = token(key, header=header, **changes)
        found, oracle = ours(text), pyjwt(text)
    if found is None:
        return
    assert oracle is not None
    assert (found.subject, found.tenant, found.id) == (oracle["sub"], oracle["tid"], oracle["jti"])
    assert (found.issued, found.expires) == (oracle["iat"], oracle["exp"])
    assert found.scopes == set(oracle["scope"].split())


@given(place=st.integers(0, 600), flip=st.integers(1, 127), key=st.sampled_from(list(KEYS.values())))
def test_neither_accepts_a_changed_token(place: int, flip: int, key: SigningKey) -> None:
    text = token(key)
    at = place % len(text)
    bent = text[:at] + chr(ord(text[at]) ^ flip) + text[at + 1 :]
    assert ours(bent) is None


def test_where_the_oracle_accepts_more() -> None:
    """The differences that are meant: each is a rule of ours that PyJWT has not."""
    more = {
        "exp as text": token(exp=str(NOW + 300)),
        "several audiences": token(aud=[AUDIENCE, "other"]),
        "any type": token(header={"typ": "JWT"}),
        "no tenant": token(tid=GONE),
        "a year": token(exp=NOW + 31_000_000),
        "a header that brings a key": token(header={"jwk": OTHER.jwk()}),
    }
    for name, text in more.items():
        assert pyjwt(text) is not None, name
        assert ours(text) is None, name


@given(
    tail=st.one_of(
        st.sampled_from([b'"z":"\xff"', b'"\xff":1', b'"z":"\xc0\xaf"', b'"z":"\xed\xa0\x80"', b'"z":["\xf8"]']),
        st.binary(max_size=12).map(lambda raw: b'"z":"' + raw + b'"'),
        st.binary(max_size=6).map(lambda raw: b'"z":' + raw),
        st.sampled_from([b'"z":01', b'"z":NaN', b'"z":[1,]', b'"sub":"x\\ud800"', b'"exp":1e9', b'"tid":"beta"']),
    ),
    key=st.sampled_from(list(KEYS.values())),
)
def test_bytes_that_no_json_has_are_refused_also_where_no_claim_of_ours_is(tail: bytes, key: SigningKey) -> None:
    """A token whose payload is no UTF-8 is read by others in another way, or not at all (RFC 7519 section 7.2)."""
    text = token(key, payload=json.dumps(claims())[:-1].encode() + b"," + tail + b"}")
    found = ours(text)
    if found is not None:
        oracle = pyjwt(text)
        assert oracle is not None
        assert found.tenant == oracle["tid"]
