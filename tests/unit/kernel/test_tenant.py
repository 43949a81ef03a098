"""Tenant ids have one spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.kernel.errors import BadTenant
from stella.kernel.tenant import DEFAULT_TENANT, is_tenant, parse_tenant

GOOD = ("default", "a", "0", "acme-2", "a--b", "a" * 63, "0-")
BAD = (
    "",
    " ",
    "-a",
    "A",
    "acme corp",
    "acme ",
    " acme",
    "acme\n",
    "acme\0",
    "a/b",
    "..",
    ".",
    "a.b",
    "a_b",
    "a" * 64,
    "a" * 300,
    "аcme",  # noqa: RUF001  # Cyrillic a
    "ａcme",  # noqa: RUF001  # full width a
    "acme\u200b",
    "ac\u00admе",  # noqa: RUF001  # soft hyphen, Cyrillic e
    "１",  # noqa: RUF001  # full width one
    "٣",
    "a'b",
    "a%b",
)


@pytest.mark.parametrize("text", GOOD)
def test_an_id_is_itself(text: str) -> None:
    assert parse_tenant(text) == text


@pytest.mark.parametrize("text", BAD, ids=ascii)
def test_anything_else_is_refused_and_shown_safely(text: str) -> None:
    with pytest.raises(BadTenant) as caught:
        parse_tenant(text)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("value", [None, 1, b"acme", ["acme"], True])
def test_what_is_no_text_is_no_tenant(value: object) -> None:
    assert not is_tenant(value)


@given(st.text(max_size=70))
def test_only_ids_of_the_form_pass(text: str) -> None:
    small = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert is_tenant(text) == (0 < len(text) <= 63 and set(text) <= small and text[0] != "-")


def test_the_default_tenant_is_one() -> None:
    assert parse_tenant(DEFAULT_TENANT) == "default"
