"""Hostile files: whatever bytes a log holds, the verifier says what is wrong, in bounded memory."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stella.audit.errors import LogMalformed, LogTruncated
from stella.audit.verify import MAX_LINE, verify
from stella.kernel.errors import Exit, StellaError
from tests.audit_log import KEY, file_of, lines_of, records
from tests.unit.audit import second

LINES = lines_of(records(6), (3,))
GOOD = file_of(LINES)
MEBIBYTE = 1 << 20


class Endless(io.RawIOBase):
    """A stream of one byte for ever."""

    def __init__(self, start: bytes, byte: bytes) -> None:
        self.rest, self.byte = start, byte

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.rest[: len(buffer)] or self.byte * len(buffer)
        self.rest = self.rest[len(data) :]
        buffer[: len(data)] = data
        return len(data)


def problem(data: bytes) -> StellaError:
    with pytest.raises(StellaError) as caught:
        verify(io.BytesIO(data), "log", [KEY.public])
    assert caught.value.exit is Exit.NEGATIVE
    assert caught.value.message
    assert isinstance(caught.value.facts["seq"], int)
    return caught.value


@pytest.mark.parametrize("start", [b"", file_of(LINES[:3])])
@pytest.mark.parametrize("byte", [b"a", b"[", b" ", b'"', b"\0", b"\xff", b"9"])
def test_an_endless_line_is_refused_in_bounded_memory(start: bytes, byte: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(LogMalformed):
            verify(io.BufferedReader(Endless(start, byte)), "log", [KEY.public])  # type: ignore[arg-type]  # a reader
        assert tracemalloc.get_traced_memory()[1] < 4 * MEBIBYTE
    finally:
        tracemalloc.stop()


def inside(text: bytes) -> bytes:
    """A log whose second event has this in the place of a number."""
    return file_of([*LINES[:2], LINES[2].replace(b'"generation":1', b'"generation":' + text), *LINES[3:]])


@pytest.mark.parametrize(
    "value",
    [
        b"[" * 20_000,
        b"[" * 5000 + b"]" * 5000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"1" * 5000,
        b"-" + b"9" * 400,
        b"1e400",
        b"1e5",
        b"1.5",
        b"-0",
        b"01",
        b"NaN",
        b"Infinity",
        b"9007199254740992",
        b"-9007199254740992",
        b"18446744073709551616",
        b'"\\ud800"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\xc0\xaf"',
        b'"\0"',
        b'1,"generation":1',
        b'1,"generation":2',
        b" 1",
        b"[]",
        b'{"key":1}',
        b'{"key":0,"kind":"personal","mark":"","sealed":""}',
        b"",
        b"1}",
    ],
)
def test_a_value_that_nobody_wrote_is_refused_at_its_event(value: bytes) -> None:
    data = inside(value)
    assert problem(data).facts["seq"] == 2
    if b"generation" not in value and value not in {b" 1", b"-0"}:  # json.loads is not strict about spelling
        assert not second.holds(data, KEY.public.raw)


@pytest.mark.parametrize("value", [b"0", b"-1", b"9007199254740992", b"1.0", b"true", b"null", b'"2"', b"1e1"])
def test_a_number_of_an_event_that_is_none_is_refused(value: bytes) -> None:
    data = file_of(
        [*LINES[:2], LINES[2].replace(b'"sequence":2,"tenant"', b'"sequence":' + value + b',"tenant"'), *LINES[3:]]
    )
    assert problem(data).facts["seq"] == 2


@pytest.mark.parametrize(
    "data",
    [b"\n", b"\n\n", b"{}\n", b"[]\n", b"null\n", b"\xef\xbb\xbf" + GOOD, b"\xff\xfe", b"{", GOOD[:-1], b" " + GOOD],
)
def test_a_file_that_is_no_log_is_refused(data: bytes) -> None:
    assert isinstance(problem(data), (LogMalformed, LogTruncated))


@pytest.mark.parametrize("between", [b"\n", b" \n", b"\r\n", b"{}\n", LINES[0] + b"\n"])
@pytest.mark.parametrize("at", range(1, len(LINES) + 1))
def test_a_line_that_does_not_belong_is_refused(between: bytes, at: int) -> None:
    problem(file_of(LINES[:at]) + between + file_of(LINES[at:]))


def test_windows_line_ends_are_another_spelling() -> None:
    problem(GOOD.replace(b"\n", b"\r\n"))


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_one_other_byte_is_found(at: int, difference: int) -> None:
    problem(GOOD[:at] + bytes([GOOD[at] ^ difference]) + GOOD[at + 1 :])


@given(st.integers(0, len(GOOD)), st.binary(min_size=1, max_size=50))
def test_bytes_that_are_put_in_are_found(at: int, data: bytes) -> None:
    made = GOOD[:at] + data + GOOD[at:]
    if made != GOOD:
        problem(made)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 3000))
def test_bytes_that_are_taken_out_are_found(at: int, count: int) -> None:
    problem(GOOD[:at] + GOOD[at + count :])


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data: bytes) -> None:
    problem(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200)
@given(st.integers(0, len(LINES) - 1), JSON, st.data())
def test_any_other_value_anywhere_is_refused(index: int, value: Any, data: st.DataObject) -> None:
    document = json.loads(LINES[index])
    place: Any = document
    while True:
        name = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[name], dict) or not place[name] or data.draw(st.booleans()):
            break
        place = place[name]
    if place[name] == value and type(place[name]) is type(value):
        return
    place[name] = value
    made = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )
    problem(file_of([*LINES[:index], made, *LINES[index + 1 :]]))


def test_the_largest_line_fits() -> None:
    assert max(map(len, LINES)) < MAX_LINE
