"""What an event must look like, and what a row stands for that nobody should have written."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.audit.chain import Chain
from stella.audit.envelope import event_line
from stella.audit.errors import BadEvent
from stella.audit.model import Marked, Record
from stella.audit.rules import LAST_ID, check, check_size, first_id, is_id, record_of, time_of
from stella.audit.verify import MAX_LINE
from stella.kernel.canonical import dump, dump_whole
from stella.kernel.ids import uuid7
from stella.testing import counted_entropy
from tests.audit_log import NOW, TENANT, happened, records

ENTROPY = counted_entropy("rules")
GOOD = happened(1, ENTROPY)


def test_a_good_event_passes() -> None:
    check(GOOD, TENANT)
    facts = {"a": 1, "b.c-d_e": "x", "f": None, "g": True, "h": Marked("x"), "i": -(2**53) + 1}
    check(msgspec.structs.replace(GOOD, before=facts, after=facts, reason="é" * 4096), TENANT)


@pytest.mark.parametrize(
    "change",
    [
        {"tenant": "other"},
        {"actor_type": "robot"},
        {"outcome": "maybe"},
        {"actor": ""},
        {"actor": "x" * 257},
        {"actor": None},
        {"action": ""},
        {"action": "Mirror.create"},
        {"action": "mirror..create"},
        {"action": "mirror.create\n"},
        {"id": "x"},
        {"id": "00000000-0000-4000-8000-000000000000"},
        {"time": "yesterday"},
        {"time": "2026-13-01T00:00:00Z"},
        {"resource": "x" * 4097},
        {"reason": "a\0b"},
        {"reason": "\ud800"},
        {"ticket": 7},
        {"trace": b"x"},
        {"before": {"A": 1}},
        {"before": {"": 1}},
        {"before": {1: 1}},
        {"before": {"é": 1}},
        {"after": {"x" * 65: 1}},
        {"after": {f"f{n}": n for n in range(65)}},
        {"after": {"x": 2**53}},
        {"after": {"x": -(2**53)}},
        {"after": {"x": 1.5}},
        {"after": {"x": [1]}},
        {"after": {"x": b"x"}},
        {"after": {"x": "\udc00"}},
        {"after": {"x": "y" * 4097}},
        {"after": {"x": Marked("\0")}},
        {"after": {"x": Marked("x", "none")}},  # type: ignore[arg-type]  # that is the question
    ],
)
def test_a_bad_event_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadEvent):
        check(msgspec.structs.replace(GOOD, **change), TENANT)


def test_an_event_that_is_too_large_is_refused() -> None:
    facts: dict[str, Any] = {f"f{number}": "x" * 4000 for number in range(20)}
    with pytest.raises(BadEvent):
        check_size(msgspec.structs.replace(records(1)[0], after=facts))


def test_the_largest_record_still_makes_a_line_that_is_read() -> None:
    record = msgspec.structs.replace(records(1)[0], resource="\x01" * 4096, action="a" * 256, request="\x01" * 256)
    facts: dict[str, Any] = {f"f{number}": "\x01" * 900 for number in range(5)}
    record = msgspec.structs.replace(record, after=facts)
    assert 50_000 < len(check_size(record)) <= 65536
    assert len(event_line(Chain().link(record))) < MAX_LINE


def test_the_id_of_an_event_holds_its_second() -> None:
    assert time_of(uuid7(NOW, ENTROPY(10))) == NOW
    assert first_id(NOW) <= uuid7(NOW, bytes(10)) < uuid7(NOW, b"\xff" * 10) < first_id(NOW + 1) < LAST_ID
    assert first_id(-5) == first_id(0)
    assert is_id(GOOD.id)
    assert not is_id(LAST_ID)
    assert time_of(LAST_ID) == 253_402_300_799


def test_a_row_is_its_record() -> None:
    for record in records(3):
        assert record_of(TENANT, record.id, dump(record)) == record


@given(st.binary(max_size=200) | st.sampled_from([b"[" * 10_000, b'{"id":1}']))
def test_a_row_that_is_none_stands_for_itself(body: bytes) -> None:
    found = record_of(TENANT, GOOD.id, body)
    assert (found.action, found.id, found.tenant, found.outcome) == ("audit.malformed", GOOD.id, TENANT, "error")
    assert found.after["size"] == len(body)
    assert found == record_of(TENANT, GOOD.id, body)


@pytest.mark.parametrize("change", [{"tenant": "other"}, {"id": "01a0c450-6c00-7482-a16f-8afdc6279f05"}, {"time": "x"}])
def test_a_record_in_the_wrong_row_does_not_count(change: dict[str, str]) -> None:
    record = records(1)[0]
    body = dump_whole(msgspec.structs.replace(record, **change))
    assert record_of(TENANT, record.id, body).action == "audit.malformed"
    assert record_of(TENANT, record.id, dump_whole(record) + b" ").action == "audit.malformed"


def test_a_record_has_only_what_is_cheap_to_spell() -> None:
    """No float, bounded numbers, ASCII names: what `dump_whole` asks for."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(msgspec.to_builtins(records(1)[0]) | {"after": {"x": 1.5}}, Record)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(msgspec.to_builtins(records(1)[0]) | {"after": {"x": 2**53}}, Record)
