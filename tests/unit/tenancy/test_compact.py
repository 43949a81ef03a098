"""The compact form: one spelling of each part, and what a header may say."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.tenancy.compact import MAX_KID, MAX_TOKEN, decode, encode, is_type, read_header, split
from stella.tenancy.errors import TokenMalformed


@given(st.binary(max_size=300))
def test_what_is_encoded_is_decoded(data: bytes) -> None:
    text = encode(data)
    assert decode(text.encode()) == data
    assert text == base64.urlsafe_b64encode(data).decode().rstrip("=")


@given(st.binary(max_size=12))
def test_any_other_spelling_is_none(text: bytes) -> None:
    found = decode(text)
    assert found is None or encode(found).encode() == text


@pytest.mark.parametrize(
    "text", [b"+-8A", b"/_8A", b"AA==", b"AA=", b"A", b"AAAAA", b"AB", b"AAB", b"A A", b"AA\n", b"\xc3\xa9"]
)
def test_spellings_that_others_accept(text: bytes) -> None:
    assert decode(text) is None


def test_the_parts_of_a_token() -> None:
    found = split(b"e30.AQ.Ag")
    assert found == (b"e30", b"\1", b"e30.AQ", b"\2")
    assert split(b"e30..") == (b"e30", b"", b"e30.", b"")


def test_a_token_has_a_length() -> None:
    text = b"e30." + b"A" * (MAX_TOKEN - 8) + b".AAA"
    assert len(text) == MAX_TOKEN
    split(text)
    with pytest.raises(TokenMalformed, match="longer than 8192"):
        split(text + b"A")


def header(**members: str) -> bytes:
    inside = ",".join(f'"{name}":"{text}"' for name, text in members.items())
    return encode(f"{{{inside}}}".encode()).encode()


def test_a_key_id_has_a_length() -> None:
    assert read_header(header(alg="ES256", kid="k" * MAX_KID))[0].kid == "k" * MAX_KID
    with pytest.raises(TokenMalformed, match="longer than 128"):
        read_header(header(alg="ES256", kid="k" * (MAX_KID + 1)))


def test_a_header_may_bring_its_own_key_where_that_is_asked_for() -> None:
    text = encode(b'{"alg":"ES256","jwk":{}}').encode()
    assert read_header(text, own_key=True)[1]["jwk"] == {}
    with pytest.raises(TokenMalformed, match="jwk"):
        read_header(text)


@pytest.mark.parametrize(
    ("typ", "same"),
    [
        ("at+jwt", True),
        ("AT+JWT", True),
        ("application/at+jwt", True),
        ("text/at+jwt", False),
        ("", False),
        ("jwt", False),
    ],
)
def test_a_media_type_in_its_spellings(typ: str, *, same: bool) -> None:
    assert is_type(typ, "at+jwt") is same
