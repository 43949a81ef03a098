"""Cursors say their key to their own query, and nothing else is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.kernel.cursor import MAX_CURSOR, make_cursor, read_cursor
from stella.kernel.errors import BadCursor

keys = st.tuples(st.text(max_size=20), st.integers(-(2**53), 2**53))


@given(st.text(max_size=20), keys)
def test_a_cursor_says_its_key_to_its_query(query: str, key: tuple[str, int]) -> None:
    cursor = make_cursor((query,), key)
    assert cursor.replace("-", "a").replace("_", "a").isalnum()
    assert read_cursor(cursor, (query,), tuple[str, int]) == key
    with pytest.raises(BadCursor) as caught:
        read_cursor(cursor, (f"{query} ",), tuple[str, int])
    assert "another question" in caught.value.message


@given(st.text(max_size=60))
def test_no_other_text_is_a_cursor(text: str) -> None:
    with pytest.raises(BadCursor):
        read_cursor(text, ("q",), tuple[str])


@pytest.mark.parametrize("form", [tuple[str], tuple[str, int, int], tuple[int, str]])
def test_a_key_of_another_form(form: type[tuple[object, ...]]) -> None:
    with pytest.raises(BadCursor):
        read_cursor(make_cursor(("q",), ("a", 1)), ("q",), form)


def test_a_long_one_is_not_even_read() -> None:
    with pytest.raises(BadCursor):
        read_cursor(make_cursor(("q",), ("a" * MAX_CURSOR,)), ("q",), tuple[str])
