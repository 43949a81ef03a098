"""Lines of an export are CloudEvents 1.0, and their OCSF form says what the event says."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import msgspec
import pytest

from stella.audit.chain import Chain
from stella.audit.envelope import event_line, ocsf
from stella.audit.model import OUTCOMES, Record
from stella.kernel.canonical import dump, dump_whole
from tests.audit_log import TENANT, lines_of, records

LINES = [json.loads(line) for line in lines_of(records(5), (2,))]
RECORD = records(1)[0]
REQUIRED = {"id", "source", "specversion", "type"}


def changed(**changes: Any) -> Record:
    return msgspec.structs.replace(RECORD, **changes)


def form(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(ocsf(Chain().link(record)))
    return found


def test_every_line_is_a_cloudevent() -> None:
    for line in LINES:
        assert line.keys() >= REQUIRED
        assert line["specversion"] == "1.0"
        assert all(re.fullmatch(r"[a-z0-9]{1,20}", name) for name in line)
        assert all(isinstance(line[name], str) and line[name] for name in line if name != "data")
        if "time" in line:
            assert datetime.fromisoformat(line["time"]).tzinfo is not None
    assert len({(line["source"], line["id"]) for line in LINES}) == len(LINES)
    assert {line["source"] for line in LINES} == {f"urn:stella:tenant:{TENANT}:audit"}


def test_lines_are_canonical() -> None:
    for line in lines_of(records(5), (2,)):
        assert dump(json.loads(line)) == line


def test_the_sequence_sorts_as_text() -> None:
    sequences = [line["sequence"] for line in LINES if "sequence" in line]
    assert sequences == sorted(sequences)
    assert [int(text) for text in sequences] == [1, 2, 3, 4, 5]


def test_a_person_is_a_subject_by_a_pseudonym() -> None:
    assert json.loads(event_line(Chain().link(changed(resource=RECORD.actor))))["subject"] == RECORD.actor.mark  # type: ignore[union-attr]  # a person's is closed


def test_an_event_without_a_resource_has_no_subject() -> None:
    assert "subject" not in json.loads(event_line(Chain().link(changed(resource=""))))


@pytest.mark.parametrize(
    ("resource", "subject"),
    [
        ("a b/é€😀\u2028", "a b/é€😀\u2028"),
        ("/x\x1b[2J\n\0", r"/x\x1b[2J\n\x00"),
        ("\x1f\x7f\x80\x9f\xa0", "\\x1f\\x7f\\x80\\x9f\xa0"),
        ("\ufdd0\ufdef\ufffd\ufffe\uffff", "\\ufdd0\\ufdef\ufffd\\ufffe\\uffff"),
        ("\U0001ffff\U0010fffe\U0010fffd", "\\U0001ffff\\U0010fffe\U0010fffd"),
    ],
)
def test_a_subject_has_no_sign_that_cloudevents_forbids(resource: str, subject: str) -> None:
    line = json.loads(event_line(Chain().link(changed(resource=resource))))
    assert line["subject"] == subject
    assert line["data"]["event"]["resource"] == resource


@pytest.mark.parametrize(
    ("action", "kind", "activity"),
    [
        ("mirror.create", 6003, 1),
        ("site.status", 6003, 2),
        ("mirror.rotate", 6003, 3),
        ("tenant.delete", 6003, 4),
        ("demo", 6003, 99),
        ("auth.login", 3002, 1),
        ("auth.logout", 3002, 2),
        ("token.verify", 3002, 1),
        ("auth.degraded", 3002, 99),
        ("authority.create", 6003, 1),
    ],
)
def test_class_and_activity(action: str, kind: int, activity: int) -> None:
    found = form(changed(action=action))
    assert (found["class_uid"], found["activity_id"], found["type_uid"]) == (kind, activity, kind * 100 + activity)
    assert found["category_uid"] == kind // 1000
    wanted = {"user", "service"} if kind == 3002 else {"api", "src_endpoint"}
    assert found.keys() >= {"metadata", "severity_id", "status_id", "time", "actor"} | wanted
    assert not found.keys() & ({"user", "service", "api", "src_endpoint"} - wanted)


def test_outcomes() -> None:
    found = {
        outcome: (form(changed(outcome=outcome))["status_id"], form(changed(outcome=outcome))["severity_id"])
        for outcome in OUTCOMES
    }
    assert found == {
        "success": (1, 1),
        "failure": (2, 2),
        "denied": (2, 3),
        "locked_out": (2, 3),
        "rate_limited": (2, 3),
        "error": (2, 2),
    }


def test_a_person_appears_by_a_pseudonym_and_a_machine_by_its_name() -> None:
    assert form(RECORD)["actor"]["user"] == {"uid": RECORD.actor.mark}  # type: ignore[union-attr]  # a person's is closed
    assert form(changed(actor="robot", actor_type="agent"))["actor"]["user"] == {"name": "robot"}


def test_the_cheap_spelling_is_the_canonical_one() -> None:
    texts = ["\x7f", "\u2028", "\x00\x1f\b\t\n\f\r", '"\\/', "é€😀", "\ufffe"]
    record = changed(resource="".join(texts), after=dict(zip("abcdef", texts, strict=True)) | {"n": 2**53 - 1})
    assert dump_whole(record) == dump(record)
    assert dump_whole(Chain().link(record)) == dump(Chain().link(record))
