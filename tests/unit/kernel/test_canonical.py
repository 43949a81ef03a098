"""Canonical JSON: the published vectors, and one spelling only."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from stella.kernel.canonical import dump, dump_whole, load, parse
from stella.kernel.errors import NotCanonical, NotJson


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document with a field of each kind."""

    name: str
    count: int = 0
    inner: dict[str, int] | None = None


# RFC 8785 section 3.2.2 and 3.2.3
SAMPLE = {
    "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
    "literals": [None, True, False],
}
SORTED = {
    "\u20ac": "Euro Sign",
    "\r": "Carriage Return",
    "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One",
    "\U0001f600": "Emoji: Grinning Face",
    "\u0080": "Control",
    "\u00f6": "Latin Small Letter O With Diaeresis",
}


def test_the_sample_of_the_rfc() -> None:
    assert dump(SAMPLE) == (
        b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        b'"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_names_are_sorted_by_utf_16_units() -> None:
    assert list(json.loads(dump(SORTED)).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


@pytest.mark.parametrize(  # RFC 8785 appendix B
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740992.0, "9007199254740992"),
        (295147905179352830000.0, "295147905179352830000"),
        (9.999999999999997e22, "9.999999999999997e+22"),
        (1e23, "1e+23"),
        (1e21, "1e+21"),
        (999999999999999700000.0, "999999999999999700000"),
        (333333333.33333325, "333333333.33333325"),
        (0.000001, "0.000001"),
        (1e-7, "1e-7"),
        (1424953923781206.2, "1424953923781206.2"),
    ],
)
def test_numbers_of_the_rfc(number: float, text: str) -> None:
    assert dump(number) == text.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2**53, -(2**53), {"a": "\ud800"}])
def test_what_has_no_canonical_form_is_not_written(value: Any) -> None:
    with pytest.raises((rfc8785.CanonicalizationError, UnicodeEncodeError)):
        dump(value)


def test_a_struct_is_written_as_its_fields() -> None:
    assert dump(Row("b", 2, {"z": 1, "a": 2})) == b'{"count":2,"inner":{"a":2,"z":1},"name":"b"}'


@given(st.text(), st.integers(-(2**53) + 1, 2**53 - 1), st.none() | st.dictionaries(st.text(), st.integers(0, 9)))
def test_what_is_written_is_read(name: str, count: int, inner: dict[str, int] | None) -> None:
    row = Row(name, count, inner)
    assert load(dump(row), Row, "row") == row


GOOD = b'{"count":2,"inner":null,"name":"b"}'


@pytest.mark.parametrize(
    "other",
    [
        b' {"count":2,"inner":null,"name":"b"}',
        b'{"count":2,"inner":null,"name":"b"}\n',
        b'{"inner":null,"count":2,"name":"b"}',
        b'{"count":2,"inner":null,"name":"\\u0062"}',
        b'{"count":2,"count":2,"inner":null,"name":"b"}',
        b'{"count":2,"name":"b"}',
    ],
)
def test_another_spelling_is_refused_where_one_is_signed(other: bytes) -> None:
    assert load(GOOD, Row, "row") == parse(other, Row, "row")
    with pytest.raises(NotCanonical, match="row is not in canonical form"):
        load(other, Row, "row")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{",
        b'{"name":1}',
        b'{"name":"a","more":1}',
        b'{"name":"\\ud800"}',
        b'{"name":"a","count":1e99}',
    ],
)
def test_another_document_is_refused(data: bytes) -> None:
    with pytest.raises(NotJson, match="row is not the JSON that was expected"):
        parse(data, Row, "row")


class Loose(msgspec.Struct):
    """A document whose unknown fields are passed over."""

    name: str = ""


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(NotJson):
        parse(b'{"x":' + b"[" * 200_000, Loose, "claim")


def test_a_number_that_json_cannot_carry_is_refused() -> None:
    with pytest.raises(NotCanonical):
        load(b'{"count":9007199254740993,"inner":null,"name":"b"}', Row, "row")


WHOLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(WHOLE)
def test_the_fast_spelling_is_the_same(value: Any) -> None:
    assert dump_whole(value) == dump(value)
