"""Every field of a token with what does not belong there: one of the closed set, nothing of the token in any text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.tenancy import errors
from stella.tenancy.compact import decode, encode
from stella.tenancy.model import Presented
from tests.unit.tenancy.issued import ES, GONE, ISSUER, NOW, Keys, rs, token, verifier, with_header

SECRET = "marker-Zx81"
HUGE = 10**400
WRONG: dict[str, Any] = {
    "null": None,
    "true": True,
    "float": float(NOW + 60),
    "fraction": 0.5,
    "huge": HUGE,
    "negative huge": -HUGE,
    "digits": "9" * 4000,
    "list": [SECRET],
    "nested list": [[[SECRET]]],
    "object": {"a": SECRET},
    "number": 7,
    "text": SECRET,
    "long text": SECRET * 500,
    "NUL": f"{SECRET}\0",
    "newline": f"{SECRET}\n{SECRET}",
    "lone surrogate": "\ud800",
    "right to left": "\u202e" + SECRET,
    "empty": "",
    "empty list": [],
    "empty object": {},
    "list of wrong": [1, None],
    "quote": f'{SECRET}"\\',
}
FIELDS = (
    "iss", "sub", "aud", "exp", "iat", "nbf", "jti", "tid", "client_id", "scope", "scp", "roles", "inst", "auth_time",
    "act", "cnf",
)  # fmt: skip
HARMLESS = {
    *(("sub", word) for word in ("quote", "text")),
    *(("jti", word) for word in ("quote", "text")),
    *(("client_id", word) for word in ("empty", "quote", "text")),
    *(("inst", word) for word in ("empty", "quote", "text")),
    *(("scope", word) for word in ("digits", "empty", "long text", "text")),
    *(("scp", word) for word in ("digits", "empty", "empty list", "list", "long text", "text")),
    *(("roles", word) for word in ("empty list", "list")),
    *(("nbf", word) for word in ("negative huge", "number")),
    *(("auth_time", word) for word in ("number",)),
}


def refused(text: str) -> errors.Refusal:
    with pytest.raises(errors.Refusal) as caught:
        verifier().verify(Presented(text))
    said = f"{caught.value} {caught.value.facts} {errors.challenge(caught.value)}"
    assert SECRET not in said
    assert said.isascii()
    assert said.isprintable()
    assert len(said) < 600
    return caught.value


@pytest.mark.parametrize("word", WRONG)
@pytest.mark.parametrize("field", FIELDS)
def test_a_claim_of_a_wrong_kind(field: str, word: str) -> None:
    text = token(**{field: WRONG[word]})
    if (field, word) in HARMLESS:
        assert verifier().verify(Presented(text)).tenant == "acme"
        return
    error = refused(text)
    allowed = {"token.malformed"}
    if field == "iss":
        allowed |= {"token.iss"}
    if field == "aud":
        allowed |= {"token.aud"}
    if field in {"iat", "nbf"}:
        allowed |= {"token.not_yet"}
    assert error.reason in allowed


@pytest.mark.parametrize("field", ["iss", "sub", "aud", "exp", "iat", "jti", "tid"])
def test_a_claim_that_must_be_there(field: str) -> None:
    assert refused(token(**{field: GONE})).reason == "token.malformed"


def test_a_message_names_our_claim_and_never_theirs() -> None:
    assert "claim `exp`" in str(refused(token(exp=GONE)))
    assert "claim `cnf`" in str(refused(token(cnf={SECRET: 1})))
    assert "claim `act`" in str(refused(token(act={SECRET: 1})))
    assert "claim `?`" in str(refused(token(payload=b"[]")))


@pytest.mark.parametrize("both", [(HUGE, HUGE + 60), (-HUGE, -HUGE + 60), (NOW, HUGE), (-HUGE, NOW + 60)])
def test_times_of_four_hundred_digits(both: tuple[int, int]) -> None:
    assert refused(token(iat=both[0], exp=both[1])).reason in {"token.malformed", "token.not_yet", "token.expired"}


@pytest.mark.parametrize(
    "number", ["1e400", "9" * 5000, "-" + "9" * 5000, "NaN", "Infinity", "01", "1.0", "1E2", "0x1"]
)
@pytest.mark.parametrize("field", ["exp", "iat", "nbf", "other"])
def test_numbers_as_they_may_be_spelled(field: str, number: str) -> None:
    body = json.dumps(dict(json.loads(payload()), **{field: 0}))
    text = token(payload=body.replace(f'"{field}": 0', f'"{field}": {number}').encode())
    if field == "other" and number in {"1e400", "9" * 5000, "-" + "9" * 5000, "1.0", "1E2"}:
        assert verifier().verify(Presented(text)).tenant == "acme"  # a claim that is not ours
        return
    refused(text)


def payload() -> str:
    return (decode(token().split(".")[1].encode()) or b"").decode()


@pytest.mark.parametrize(
    "tenant",
    ["", " ", "Acme", "a/b", "../x", "..", "a\0b", "a" * 64, "a" * 300, "-a", "аcme", "a\u200b", "a b", "a.b", "*"],  # noqa: RUF001  # Cyrillic
    ids=ascii,
)
def test_a_tenant_of_a_wrong_form(tenant: str) -> None:
    assert refused(token(tid=tenant)).reason == "token.malformed"


def test_the_tenant_comes_from_one_claim_alone() -> None:
    for name in ("tenant", "tenant_id", "stellaops:tenant", "org", "X-Stella-Tenant"):
        assert refused(token(tid=GONE, **{name: "acme"})).reason == "token.malformed"
        assert verifier().verify(Presented(token(**{name: "globex"}))).tenant == "acme"


@pytest.mark.parametrize(
    "changes",
    [
        {"scp": ["a:b c:d"]},
        {"scp": ["a:b", " "]},
        {"scope": 'a:"b"'},
        {"scope": "a\\b"},
        {"scope": "a:b\tc:d"},
        {"scope": "a:b\n"},
        {"scope": "ä:b"},
        {"scope": " ".join(f"a:{number}" for number in range(257))},
        {"scope": "a:0", "scp": [f"b:{number}" for number in range(256)]},
    ],
    ids=lambda changes: str(changes)[:30],
)
def test_scopes_of_a_wrong_form_or_too_many(changes: dict[str, Any]) -> None:
    assert refused(token(**changes)).reason == "token.malformed"


@pytest.mark.parametrize("word", WRONG)
@pytest.mark.parametrize("field", ["alg", "typ", "kid"])
def test_a_header_of_a_wrong_kind(field: str, word: str) -> None:
    header = {"typ": "at+jwt", "alg": "ES256", "kid": ES.kid, field: WRONG[word]}
    error = refused(with_header(json.dumps(header).encode()))
    assert error.reason in {"token.malformed", "token.alg_denied", "token.unknown_key"}


@pytest.mark.parametrize("field", ["jku", "x5u", "x5c", "jwk", "crit", "b64"])
@pytest.mark.parametrize("word", ["null", "text", "list", "object", "true", "empty", "empty list"])
def test_a_header_that_brings_a_key_or_an_extension(field: str, word: str) -> None:
    assert refused(token(header={field: WRONG[word]})).reason == "token.malformed"


@pytest.mark.parametrize(
    ("alg", "reason"),
    [
        ("none", "token.alg_denied"),
        ("None", "token.alg_denied"),
        ("nOnE", "token.alg_denied"),
        ("HS256", "token.alg_denied"),
        ("HS512", "token.alg_denied"),
        ("PS256", "token.alg_denied"),
        ("RS384", "token.alg_denied"),
        ("ES384", "token.alg_denied"),
        ("es256", "token.alg_denied"),
        ("ES256 ", "token.alg_denied"),
        ("RS256", "token.alg_denied"),  # allowed, but not for this key
        ("EdDSA", "token.alg_denied"),
        ("dir", "token.alg_denied"),
        ("", "token.malformed"),
        (GONE, "token.malformed"),
    ],
)
def test_an_algorithm_that_is_not_the_keys(alg: Any, reason: str) -> None:
    assert refused(token(header={"alg": alg})).reason == reason


@pytest.mark.parametrize(
    "typ", ["JWT", "jwt", "dpop+jwt", "at+jwt ", "at jwt", "application/application/at+jwt", "", GONE]
)
def test_another_kind_of_token(typ: Any) -> None:
    assert refused(token(header={"typ": typ})).reason == "token.malformed"


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'"x"',
        b"{",
        b'{"alg":"ES256","alg":"none","typ":"at+jwt"}',
        b'{"alg":"ES256","kid":"a","kid":"b","typ":"at+jwt"}',
        b'\xef\xbb\xbf{"alg":"ES256","typ":"at+jwt"}',
        '{"alg":"ES256","typ":"at+jwt"}'.encode("utf-16"),
        b'{"alg":"ES256","typ":"at+jwt","x":NaN}',
        b'{"alg":"\xff","typ":"at+jwt"}',
        b"[" * 4000,
        b'{"a":' * 1000,
        b'{"alg":"ES256","typ":"at+jwt","kid":"' + b"k" * 129 + b'"}',
        b'{"alg":"ES256","typ":"at+jwt","pad":"' + b"x" * 17_000 + b'"}',
        b'{"alg":"ES256","typ":"at+jwt","n":' + b"9" * 5000 + b"}",
    ],
    ids=lambda header: f"{len(header)} {header[:24]!r}",
)
def test_a_header_that_is_none(header: bytes) -> None:
    assert refused(with_header(header)).reason in {"token.malformed", "token.unknown_key"}


def spoilt() -> dict[str, str]:
    text = token()
    header, body, signature = text.split(".")
    last = signature[:-1] + chr(ord(signature[-1]) + 1)  # the same bytes in another spelling
    return {
        "empty": "",
        "dots": "..",
        "one part": header,
        "two parts": f"{header}.{body}",
        "four parts": f"{text}.{signature}",
        "five parts, as a JWE": f"{text}.{signature}.{signature}",
        "padding": f"{text}=",
        "padding inside": f"{header}=.{body}.{signature}",
        "space before": f" {text}",
        "space after": f"{text} ",
        "newline after": f"{text}\n",
        "newline inside": f"{header}.\n{body}.{signature}",
        "plus": f"{header}.{body}.+{signature[1:]}",
        "slash": f"{header}.{body}./{signature[1:]}",
        "question mark": f"{header}?.{body}.{signature}",
        "not ASCII": f"{text}é",
        "full width": text.replace("a", "\uff41"),
        "lone surrogate": f"{text}\ud800",
        "stray bits": f"{header}.{body}.{last}",
        "length 1 of 4": f"{header}.{body}.{signature}AAA",
        "JSON form": '{"payload":"e30","signatures":[]}',
        "too long": text + "A" * 8192,
        "16 KiB of header": "e" * 16_384 + f".{body}.{signature}",
        "no payload": f"{header}..{signature}",
    }


@pytest.mark.parametrize("word", spoilt())
def test_a_form_that_is_none(word: str) -> None:
    assert refused(spoilt()[word]).reason == "token.malformed"


def test_without_or_with_another_signature() -> None:
    header, body, signature = token().split(".")
    other = token(jti="token-2").split(".")[2]
    zeros = encode(bytes(64))
    for made in ("", other, zeros, signature[:-2], encode(b"\x30\x06\x02\x01\x01\x02\x01\x01")):
        assert refused(f"{header}.{body}.{made}").reason in {"token.bad_signature", "token.malformed"}
    wrong = rs()
    header, body, signature = token(wrong).split(".")
    for made in ("", encode(bytes(256)), encode(b"\xff" * 256), encode(bytes(255)), encode(bytes(512))):
        assert refused(f"{header}.{body}.{made}").reason == "token.bad_signature"


@given(st.text(max_size=300))
def test_any_text_is_refused_with_one_of_the_closed_set(text: str) -> None:
    refused(text)


@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=70))
def test_any_three_parts_are_refused(header: bytes, body: bytes, signature: bytes) -> None:
    refused(".".join(map(encode, (header, body, signature))))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(FIELDS), JSON)
def test_any_claim_with_any_value_is_verified_or_refused(field: str, value: Any) -> None:
    """Signed as it is, so that nothing but the claims decides."""
    try:
        found = verifier().verify(Presented(token(**{field: value})))
    except errors.Refusal as error:
        said = str(error)
    else:
        said = "good"
        assert found.issuer == ISSUER
        assert type(found.expires) is int
        assert found.expires - found.issued <= 900
    assert said.isprintable()


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_one_changed_character_never_passes(place: int, value: int) -> None:
    text = token(ES)
    place %= len(text)
    if text[place] != chr(value):
        refused(text[:place] + chr(value) + text[place + 1 :])


def test_what_is_refused_leaves_nothing_behind() -> None:
    asked = verifier(Keys())
    for text in spoilt().values():
        with pytest.raises(errors.Refusal):
            asked.verify(Presented(text))
    assert not asked._kept
    assert not asked._headers
