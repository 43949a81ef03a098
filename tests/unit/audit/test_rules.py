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
from stella.audit.model import SAFE, Marked, Record
from stella.audit.personal import close
from stella.audit.rules import (
    LAST_ID,
    MAX_NAME,
    MAX_RECORD,
    MAX_TEXT,
    check,
    check_size,
    event_of,
    first_id,
    fitted,
    is_id,
    record_of,
    time_of,
)
from stella.audit.verify import MAX_LINE
from stella.kernel.canonical import dump, dump_whole
from stella.kernel.ids import uuid7
from stella.operations import Principal
from stella.testing import counted_entropy
from tests.audit_log import NOW, TENANT, happened, make_vault, records

ENTROPY = counted_entropy("rules")
VAULT = make_vault()
KEY = VAULT.unwrap(TENANT, 1, VAULT.make(TENANT, 1))
GOOD = happened(1, ENTROPY)


def test_a_good_event_passes() -> None:
    check(GOOD, TENANT)
    facts = {"a": 1, "b.c-d_e": "x", "f": None, "g": True, "h": Marked("x"), "i": -(2**53) + 1}
    full = msgspec.structs.replace(GOOD, before=facts, after=facts, reason="é" * 4096)
    check(full, TENANT)
    assert [fitted(event) for event in (GOOD, full)] == [GOOD, full]


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


ANY = st.text(st.characters(codec=None), max_size=40).flatmap(
    lambda text: st.sampled_from([1, 1, 1, 300, 9000]).map(lambda times: text * times)
)
GIVEN = ANY | ANY.map(Marked) | st.integers(-SAFE, SAFE) | st.booleans() | st.none()


@given(ANY, ANY, ANY, ANY, st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), GIVEN), st.booleans())
def test_what_is_fitted_can_always_be_kept(
    name: str, resource: str, reason: str, ticket: str, facts: dict[str, Any], personal: bool
) -> None:
    principal = Principal(name or "somebody", frozenset(), TENANT)
    about = Marked(resource) if personal else resource
    event = event_of(principal, NOW, bytes(10), "a.b", about, reason=reason, ticket=ticket, before=facts, after=facts)
    made = fitted(event)
    check(made, TENANT)
    check_size(close(made, KEY, VAULT.entropy))
    assert fitted(made) == made


def test_what_fits_is_left_as_it_is() -> None:
    event = happened(1, ENTROPY, reason="é\x1b\u2028", after={"a": Marked("x" * MAX_TEXT), "n": 1})
    assert fitted(event) == event


def test_many_signs_that_take_much_room_still_fit() -> None:
    full = "\x01" * (MAX_TEXT + 1)
    facts = {f"fact{number}": full for number in range(4)}
    made = fitted(happened(1, ENTROPY, resource=full, reason=full, ticket=full, before=facts, after=facts))
    check(made, TENANT)
    assert len(check_size(close(made, KEY, VAULT.entropy))) <= MAX_RECORD
    assert {len(str(text)) for text in (made.resource, made.reason, *made.after.values())} == {MAX_NAME}
