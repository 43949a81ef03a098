"""Offline verification: whatever is done to a log is found, and the right event is named."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.audit import chain
from stella.audit.chain import Chain, hash_of
from stella.audit.envelope import Opening, checkpoint_line, event_line, opening_line
from stella.audit.errors import (
    CheckpointUntrusted,
    EventEdited,
    EventRepeated,
    EventsDropped,
    EventsReordered,
    EventsUnsigned,
    LogMalformed,
    LogTruncated,
    NoLogKey,
)
from stella.audit.model import Chained
from stella.audit.verify import Proven, verify
from stella.kernel import dsse
from stella.kernel.canonical import dump, parse
from stella.kernel.errors import Exit, StellaError
from stella.signing.keys import PublicKey
from tests.audit_log import KEY, NOW, OTHER_KEY, TENANT, file_of, lines_of, records
from tests.unit.audit import second

COUNT = 12
SIZES = (4, 9)
RECORDS = records(COUNT)
LINES = lines_of(RECORDS, SIZES)  # 1 + 12 events + checkpoints behind 4, 9 and 12
EVENTS = [index for index, line in enumerate(LINES) if b'"type":"stella.audit.event"' in line]
CHECKPOINTS = [index for index, line in enumerate(LINES) if b'"type":"stella.audit.checkpoint"' in line]


def proven(lines: Sequence[bytes], keys: Sequence[PublicKey] = (KEY.public,), at_least: int = 0) -> Proven:
    return verify(io.BytesIO(file_of(lines)), "log", keys, at_least)


def refused(lines: Sequence[bytes], *keys: PublicKey) -> StellaError:
    """The error of a log that does not hold, and the second verifier agrees."""
    with pytest.raises(StellaError) as caught:
        proven(lines, keys or (KEY.public,))
    assert caught.value.exit is Exit.NEGATIVE
    assert isinstance(caught.value.facts["seq"], int)
    if not keys:
        assert not second.holds(file_of(lines), KEY.public.raw)
    return caught.value


def event_at(line: bytes) -> Chained:
    return msgspec.convert(json.loads(line)["data"]["event"], Chained)


def edited(line: bytes, *, rehash: bool, **changes: Any) -> bytes:
    """The line of an event with changes; with `rehash` its own hash fits again."""
    event = msgspec.structs.replace(event_at(line), **changes)
    if rehash:
        event = msgspec.structs.replace(event, event_hash=hash_of(event))
    return event_line(event)


def with_line(index: int, line: bytes) -> list[bytes]:
    return [*LINES[:index], line, *LINES[index + 1 :]]


def before(seq: int) -> int:
    """Size of the last checkpoint before an event."""
    return max((size for size in (0, *SIZES) if size < seq), default=0)


def test_a_whole_log_is_proven() -> None:
    found = proven(LINES)
    assert (found.tenant, found.events, found.checkpoints) == (TENANT, COUNT, 3)
    assert found.keys == (KEY.public.to_base64(),)
    assert second.holds(file_of(LINES), KEY.public.raw)


@given(st.integers(1, 40), st.sets(st.integers(1, 40)))
def test_any_whole_log_is_proven_by_both(count: int, sizes: set[int]) -> None:
    lines = lines_of(records(count), sizes)
    assert proven(lines).events == count
    assert second.holds(file_of(lines), KEY.public.raw)


def test_a_retired_key_and_its_successor_prove_a_log_together() -> None:
    lines = lines_of(RECORDS, SIZES, [KEY, OTHER_KEY])
    assert proven(lines, [KEY.public, OTHER_KEY.public]).keys == (KEY.public.to_base64(), OTHER_KEY.public.to_base64())
    assert isinstance(refused(lines, OTHER_KEY.public), CheckpointUntrusted)


CHANGES: dict[str, Any] = {
    "id": "01a0c450-6c00-7482-a16f-8afdc6279f05",
    "time": "2026-01-01T00:00:00Z",
    "tenant": "other",
    "actor_type": "agent",
    "actor": "somebody",
    "action": "mirror.delete",
    "resource": "channel/other",
    "outcome": "denied",
    "reason": "because",
    "ticket": "T-1",
    "before": {"x": 1},
    "after": {"generation": 10**6},
    "trace": "t",
    "request": "r",
}


def test_every_field_has_its_change() -> None:
    assert CHANGES.keys() == set(Chained.__struct_fields__) - {"sequence", "previous_event_hash", "event_hash"}


@given(st.integers(1, COUNT), st.sampled_from(sorted(CHANGES)))
def test_an_edit_is_found_at_its_event(seq: int, name: str) -> None:
    index = EVENTS[seq - 1]
    error = refused(with_line(index, edited(LINES[index], rehash=False, **{name: CHANGES[name]})))
    assert isinstance(error, EventEdited)
    assert error.facts["seq"] == seq
    assert error.facts["line"] == index + 1


@given(st.integers(1, COUNT), st.sampled_from(sorted(CHANGES)))
def test_an_edit_that_is_hashed_again_is_found_at_its_event(seq: int, name: str) -> None:
    index = EVENTS[seq - 1]
    error = refused(with_line(index, edited(LINES[index], rehash=True, **{name: CHANGES[name]})))
    if isinstance(error, EventsUnsigned):  # the last event before a checkpoint: nothing but the root speaks against it
        assert seq in {*SIZES, COUNT}
        assert before(seq) < int(str(error.facts["seq"])) <= seq == error.facts["through"]
    else:
        assert isinstance(error, EventEdited)
        assert error.facts["seq"] == seq


@given(st.integers(1, COUNT), st.booleans())
def test_an_edited_link_is_found_at_its_event(seq: int, rehash: bool) -> None:
    index = EVENTS[seq - 1]
    error = refused(with_line(index, edited(LINES[index], rehash=rehash, previous_event_hash="f" * 64)))
    assert isinstance(error, EventEdited)
    assert error.facts["seq"] == seq


@given(st.integers(1, COUNT), st.integers(1, 2**53 - 1), st.booleans())
def test_an_edited_number_is_found(seq: int, number: int, rehash: bool) -> None:
    if number == seq:
        return
    index = EVENTS[seq - 1]
    error = refused(with_line(index, edited(LINES[index], rehash=rehash, sequence=number)))
    expected = seq if rehash or number > seq else number
    assert error.facts["seq"] == expected
    assert isinstance(error, EventEdited if rehash else (EventsDropped, EventRepeated))


@given(st.sampled_from(EVENTS), st.data())
def test_swapped_fields_are_found(index: int, data: st.DataObject) -> None:
    event = event_at(LINES[index])
    texts = [name for name in Chained.__struct_fields__ if isinstance(getattr(event, name), str)]
    one, other = data.draw(st.lists(st.sampled_from(texts), min_size=2, max_size=2, unique=True))
    if getattr(event, one) == getattr(event, other):
        return
    changes = {one: getattr(event, other), other: getattr(event, one)}
    raw = msgspec.to_builtins(event)
    plain = {
        **raw,
        **{Chained.__struct_encode_fields__[Chained.__struct_fields__.index(k)]: v for k, v in changes.items()},
    }
    envelope = json.loads(LINES[index])
    envelope["data"]["event"] = plain
    error = refused(with_line(index, dump(envelope)))
    assert isinstance(error, (EventEdited, LogMalformed))  # an enumeration may not even take the value
    assert error.facts["seq"] == EVENTS.index(index) + 1


@pytest.mark.parametrize(
    "path", [("subject",), ("time",), ("id",), ("source",), ("sequence",), ("data", "ocsf", "status_id"), ("extra",)]
)
def test_an_envelope_cannot_be_altered_apart(path: tuple[str, ...]) -> None:
    index = EVENTS[5]
    envelope: Any = json.loads(LINES[index])
    place = envelope
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = 7 if path[-1] == "status_id" else "2020-01-01T00:00:00Z"
    with pytest.raises(EventEdited) as caught:
        proven(with_line(index, dump(envelope)))
    assert caught.value.facts["seq"] == 6


@given(st.integers(1, COUNT))
def test_a_dropped_event_is_named(seq: int) -> None:
    error = refused([line for index, line in enumerate(LINES) if index != EVENTS[seq - 1]])
    assert isinstance(error, EventsDropped)
    assert error.facts["seq"] == seq


@given(st.integers(1, COUNT))
def test_a_dropped_event_is_named_though_the_rest_is_numbered_anew(seq: int) -> None:
    kept = [line for index, line in enumerate(LINES) if index != EVENTS[seq - 1]]
    lines = [
        edited(line, rehash=False, sequence=event_at(line).sequence - 1)
        if b'"type":"stella.audit.event"' in line and event_at(line).sequence > seq
        else line
        for line in kept
    ]
    error = refused(lines)
    assert error.facts["seq"] == seq


@given(st.lists(st.integers(1, COUNT), min_size=2, max_size=2, unique=True))
def test_exchanged_events_are_named(pair: list[int]) -> None:
    first, later = sorted(pair)
    lines = list(LINES)
    one, other = EVENTS[first - 1], EVENTS[later - 1]
    lines[one], lines[other] = lines[other], lines[one]
    error = refused(lines)
    assert isinstance(error, EventsReordered)
    assert error.facts["seq"] == first


@given(st.permutations(range(1, len(LINES))))
def test_any_other_order_is_found(order: list[int]) -> None:
    if order == sorted(order):
        return
    refused([LINES[0], *(LINES[index] for index in order)])


@given(st.integers(1, COUNT), st.integers(0, 20))
def test_a_repeated_event_is_named(seq: int, gap: int) -> None:
    at = min(EVENTS[seq - 1] + 1 + gap, len(LINES))
    error = refused([*LINES[:at], LINES[EVENTS[seq - 1]], *LINES[at:]])
    assert isinstance(error, EventRepeated)
    assert error.facts["seq"] == seq


@given(st.integers(0, len(LINES) - 1))
def test_a_log_that_was_cut_is_known_to_be_short(kept: int) -> None:
    lines = LINES[:kept]
    error = refused(lines)
    assert isinstance(error, LogTruncated)
    events = sum(index < kept for index in EVENTS)
    assert error.facts["seq"] == (1 if kept == 0 else min(events + 1, COUNT))


@given(st.integers(1, len(file_of(LINES)) - 1))
def test_a_cut_at_any_byte_is_found(size: int) -> None:
    data = file_of(LINES)[:size]
    with pytest.raises(LogTruncated):
        verify(io.BytesIO(data), "log", [KEY.public])
    assert not second.holds(data, KEY.public.raw)


@given(st.sampled_from(CHECKPOINTS))
def test_a_dropped_checkpoint_is_found(index: int) -> None:
    error = refused([line for at, line in enumerate(LINES) if at != index])
    assert error.facts["seq"] == [4, 9, 12][CHECKPOINTS.index(index)]
    assert isinstance(error, LogTruncated if index == CHECKPOINTS[-1] else EventsDropped)


@given(st.sampled_from(CHECKPOINTS), st.integers(1, len(LINES)))
def test_a_moved_or_repeated_checkpoint_is_found(index: int, to: int) -> None:
    if to not in {index, index + 1}:
        moved = [line for at, line in enumerate(LINES) if at != index]
        moved.insert(to if to < index else to - 1, LINES[index])
        refused(moved)
    error = refused([*LINES[: index + 1], LINES[index], *LINES[index + 1 :]])
    assert isinstance(error, EventRepeated)


@pytest.mark.parametrize("to", [EVENTS[4], EVENTS[7]])
def test_a_checkpoint_that_comes_late_is_out_of_order(to: int) -> None:
    index = CHECKPOINTS[0]
    error = refused([*LINES[:index], *LINES[index + 1 : to + 1], LINES[index], *LINES[to + 1 :]])
    assert isinstance(error, EventsReordered)
    assert error.facts["seq"] == 4


def test_an_event_that_a_checkpoint_has_proven_is_not_doubted_again() -> None:
    one, other = EVENTS[4], EVENTS[5]
    forged = edited(LINES[one], rehash=True, previous_event_hash="f" * 64)
    behind = edited(LINES[other], rehash=True, previous_event_hash=event_at(forged).event_hash)
    error = refused([*LINES[:one], forged, behind, *LINES[other + 1 :]])
    assert isinstance(error, EventEdited)
    assert error.facts["seq"] == 5


@pytest.mark.parametrize("change", ["spare bits", "other alphabet", "second signature", "other id"])
def test_what_no_signature_covers_has_one_form_too(change: str) -> None:
    index = CHECKPOINTS[0]
    envelope = msgspec.convert(json.loads(LINES[index])["data"], dsse.Envelope)
    (signature,) = envelope.signatures
    bits = signature.sig[:-3] + chr(ord(signature.sig[-3]) + 1) + "=="
    other = signature.sig.replace("+", "-").replace("/", "_")
    assert base64.b64decode(bits) == base64.b64decode(signature.sig)
    assert other != signature.sig
    made = {
        "spare bits": (dsse.Signature(signature.keyid, bits),),
        "other alphabet": (dsse.Signature(signature.keyid, other),),
        "second signature": (signature, signature),
        "other id": (dsse.Signature("0" * 64, signature.sig),),
    }[change]
    forged = checkpoint_line(TENANT, 4, msgspec.structs.replace(envelope, signatures=made))
    with pytest.raises(CheckpointUntrusted):
        proven(with_line(index, forged))


def rewritten(seq: int, key: Any) -> list[bytes]:
    """A log whose event was edited and everything behind it made anew, checkpoints too when there is a key."""
    changed = [*RECORDS[: seq - 1], msgspec.structs.replace(RECORDS[seq - 1], resource="forged"), *RECORDS[seq:]]
    if key is not None:
        return lines_of(changed, SIZES, [key])
    forged = lines_of(changed, SIZES, [OTHER_KEY])
    return [LINES[0], *(LINES[at] if at in CHECKPOINTS else forged[at] for at in range(1, len(LINES)))]


@given(st.integers(1, COUNT))
def test_a_chain_that_was_written_anew_is_found_between_two_checkpoints(seq: int) -> None:
    error = refused(rewritten(seq, None))
    assert isinstance(error, EventsUnsigned)
    assert error.facts["seq"] == before(seq) + 1
    assert int(str(error.facts["seq"])) <= seq <= int(str(error.facts["through"]))


@given(st.integers(1, COUNT))
def test_checkpoints_by_another_key_prove_nothing(seq: int) -> None:
    error = refused(rewritten(seq, OTHER_KEY))
    assert isinstance(error, CheckpointUntrusted)
    assert error.facts["seq"] == 1


@pytest.mark.parametrize("index", CHECKPOINTS)
def test_one_checkpoint_by_another_key_is_found(index: int) -> None:
    forged = lines_of(RECORDS, SIZES, [OTHER_KEY])
    error = refused(with_line(index, forged[index]))
    assert isinstance(error, CheckpointUntrusted)
    assert error.facts["seq"] == [1, 5, 10][CHECKPOINTS.index(index)]


def test_a_signature_of_another_kind_of_document_does_not_count() -> None:
    grown = Chain()
    for record in RECORDS[:4]:
        grown.link(record)
    statement = dump(grown.checkpoint(TENANT, 0, NOW + 4))
    envelope = parse(dsse.sign("application/other", statement, [KEY]), dsse.Envelope, "x")
    assert isinstance(refused(with_line(CHECKPOINTS[0], checkpoint_line(TENANT, 4, envelope))), CheckpointUntrusted)


def test_events_behind_the_last_checkpoint_are_not_proven() -> None:
    grown = Chain()
    for record in RECORDS:
        grown.link(record)
    error = refused([*LINES, event_line(grown.link(records(COUNT + 1)[-1]))])
    assert isinstance(error, EventsUnsigned)
    assert error.facts["seq"] == COUNT + 1


def test_an_older_log_is_refused_where_a_newer_one_was_seen() -> None:
    older = lines_of(RECORDS[:9], (4,))
    assert proven(older).events == 9
    with pytest.raises(LogTruncated) as caught:
        proven(older, at_least=COUNT)
    assert caught.value.facts["seq"] == 10


def test_the_log_of_another_tenant_is_not_this_one() -> None:
    other = lines_of(records(COUNT, tenant="other"), SIZES, tenant="other")
    assert isinstance(refused([LINES[0], *other[1:]]), EventEdited)
    assert isinstance(
        refused([*LINES[: CHECKPOINTS[0]], other[CHECKPOINTS[0]], *LINES[CHECKPOINTS[0] + 1 :]]), CheckpointUntrusted
    )


def test_the_first_line_cannot_name_another_signer() -> None:
    opening = json.loads(LINES[0])["data"]
    envelope = msgspec.convert(opening["checkpoint"], dsse.Envelope)
    forged = opening_line(Opening(TENANT, COUNT, (OTHER_KEY.public.to_base64(),), envelope))
    with pytest.raises(CheckpointUntrusted):
        proven([forged, *LINES[1:]])


def test_the_first_line_cannot_promise_less() -> None:
    opening = json.loads(LINES[0])["data"]
    envelope = msgspec.convert(opening["checkpoint"], dsse.Envelope)
    forged = opening_line(Opening(TENANT, 9, (KEY.public.to_base64(),), envelope))
    assert isinstance(refused([forged, *LINES[1 : CHECKPOINTS[1] + 1]]), CheckpointUntrusted)


def test_the_first_line_is_of_this_history_and_not_of_another_one_that_was_signed() -> None:
    fork = lines_of([*RECORDS[:10], *records(2, seed="after a restore")], SIZES)
    assert proven(fork).events == COUNT
    error = refused([fork[0], *LINES[1:]])
    assert isinstance(error, CheckpointUntrusted)
    assert error.facts["seq"] == 10


def test_without_a_key_nothing_is_verified() -> None:
    with pytest.raises(NoLogKey):
        proven(LINES, [])


def test_a_checkpoint_that_lies_about_its_root_is_found_though_it_is_signed() -> None:
    grown = Chain()
    for record in RECORDS[:4]:
        grown.link(record)
    lie = msgspec.structs.replace(grown.checkpoint(TENANT, 0, NOW + 4), root="a" * 64)
    envelope = parse(chain.sign(lie, KEY), dsse.Envelope, "x")
    assert isinstance(refused(with_line(CHECKPOINTS[0], checkpoint_line(TENANT, 4, envelope))), EventsUnsigned)
