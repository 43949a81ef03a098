"""Exceptions as a file: what is read, and that what is wrong in any way lets nothing through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.language.diagnostics import MAX_DIAGNOSTICS
from stella.language.exceptions import MAX_SOURCE, exceptions
from stella.language.model import Flagged

GOOD = {
    "name": '"a"',
    "when": '"kev"',
    "justification": '"see SEC-1"',
    "author": '"alice"',
    "expires": "2027-01-31T00:00:00Z",
}


def file(*entries: dict[str, str]) -> bytes:
    return "\n".join(
        "[[exception]]\n" + "\n".join(f"{key} = {value}" for key, value in one.items()) for one in entries
    ).encode()


def test_an_exception_is_read() -> None:
    found = exceptions(file(GOOD, GOOD | {"name": '"b"', "status": '"deferred"', "expires": '"1970-01-01T00:01:00Z"'}))
    assert not found.diagnostics
    one, other = found.rules
    assert (one.name, one.when, one.status, one.expires) == ("a", Flagged("kev"), "ignored", 1801353600)
    assert (other.status, other.expires, other.author, other.justification) == ("deferred", 60, "alice", "see SEC-1")


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    plain = exceptions(file(GOOD))
    assert plain.rules
    assert exceptions(b"\xef\xbb\xbf" + file(GOOD)) == plain


def test_an_end_is_an_instant_whatever_its_offset() -> None:
    (rule,) = exceptions(file(GOOD | {"expires": "1970-01-01T02:00:30+02:00"})).rules
    assert rule.expires == 30


def test_a_permanent_one_says_so() -> None:
    lasting = {key: value for key, value in GOOD.items() if key != "expires"}
    assert [one.expires for one in exceptions(file(lasting | {"permanent": "true"})).rules] == [None]
    for wrong in (lasting, lasting | {"permanent": "false"}, lasting | {"permanent": '"yes"'}):
        found = exceptions(file(wrong))
        assert ([one.code for one in found.diagnostics], found.rules) == (["POL5005"], ())


BAD = [
    ("POL2001", {"whn": '"kev"'}),
    ("POL2001", {"when": '"kevv"'}),
    ("POL2001", {"when": "'status == \"fixed\"'"}),
    ("POL2002", {"name": '""'}),
    ("POL2002", {"author": "3"}),
    ("POL2005", {"justification": '" "'}),
    ("POL2003", {"status": '"gone"'}),
    ("POL2002", {"expires": "2027-01-31"}),
    ("POL2002", {"expires": "2027-01-31T00:00:00"}),
    ("POL2002", {"expires": '"soon"'}),
    ("POL2002", {"expires": "true"}),
    ("POL2002", {"permanent": "true"}),
    ("POL1001", {"when": '"kev and"'}),
    ("POL1001", {"when": '"kev kev"'}),
    ("POL2002", {"when": '"cvss"'}),
    ("POL2004", {"when": '"epss > 50"'}),
    ("POL2007", {"when": '"now() > 3"'}),
    ("POL1004", {"when": '"' + "(" * 70 + '"'}),
]


@pytest.mark.parametrize(("code", "change"), BAD)
def test_what_is_wrong_is_said_at_its_entry_and_is_no_rule(code: str, change: dict[str, str]) -> None:
    found = exceptions(file(GOOD | {"name": '"first"'}, GOOD | change))
    assert [one.code for one in found.diagnostics] == [code]
    assert [rule.name for rule in found.rules] == ["first"]
    span = found.diagnostics[0].span
    assert found.text[span.start : span.end] == "[[exception]]"
    assert span.start > 0


FILES = {
    b"\xff": "POL1002",
    b"[[exception": "POL1001",
    b"exception = 3": "POL1001",
    b"exception = [3]": "POL1001",
    b"other = 3": "POL2001",
    b"a = " + b"[" * 5000: "POL1001",
    b"a = " + b"9" * 5000: "POL1001",
    b".".join([b"a"] * 100_000) + b" = 1": "POL1004",
    b"[" + b".".join([b'"a b"'] * 100_000) + b"]": "POL1004",
    b"a = { " + b" . ".join([b"a"] * 100_000) + b" = 1 }": "POL1004",
    b" " * (MAX_SOURCE + 1): "POL1004",
}


@pytest.mark.parametrize("number", range(len(FILES)))
def test_a_file_that_is_none_is_refused_whole(number: int) -> None:
    data, code = list(FILES.items())[number]
    found = exceptions(data)
    assert ([one.code for one in found.diagnostics], found.rules) == ([code], ())


def test_a_name_means_one() -> None:
    found = exceptions(file(GOOD, GOOD))
    assert ([one.code for one in found.diagnostics], len(found.rules)) == (["POL2006"], 1)


def test_many_wrong_entries_are_few_diagnostics() -> None:
    assert len(exceptions(b"[[exception]]\n" * 2000).diagnostics) == MAX_DIAGNOSTICS
    assert len(exceptions(b"".join(b"a%d = 1\n" % i for i in range(2000))).diagnostics) == MAX_DIAGNOSTICS


@given(st.binary(max_size=200) | st.text(alphabet='[]exception="\n.{} kv', max_size=200).map(str.encode))
def test_any_bytes_are_diagnostics_or_exceptions(data: bytes) -> None:
    found = exceptions(data)
    assert not found.rules or not found.diagnostics
