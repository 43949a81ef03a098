"""What an event must look like before it is written; pure.

Rules:
- Texts are bounded and can be kept by every part of the way: no NUL, no lone surrogate.
- Facts are few and small. An event is no place for content.
- What somebody else has typed never keeps an event from being written: `fitted` writes out and cuts what it has to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args
from uuid import UUID

from msgspec.structs import replace

from stella.audit.errors import BadEvent
from stella.audit.model import OUTCOMES, SAFE, ActorType, Closed, Event, Given, Marked, Record, classes
from stella.kernel.canonical import dump_whole, parse
from stella.kernel.digest import sha256
from stella.kernel.errors import BadTime, NotJson
from stella.kernel.ids import RANDOM_BYTES, uuid7
from stella.kernel.instant import Instant, format_time, parse_time
from stella.operations import Principal

MAX_NAME = 256  # characters of an action, an actor, an id
MAX_TEXT = 4096  # characters of a resource, a reason, a fact
MAX_FACTS = 64  # on each side
MAX_RECORD = 64 * 1024  # bytes; a line of an export has room for it twice
MAX_WHOLE = 9_000  # characters of all texts: six bytes each (RFC 8785 writes a control character so), and it still fits
CUT = "…"  # ends a text that was longer
LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z
LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"  # above every event

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
_ACTION = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*\Z")
_FACT = re.compile(r"[a-z][a-z0-9_.-]{0,63}\Z")
_SURROGATE = re.compile("[\ud800-\udfff]")
_TEXTS = tuple(classes())
_LONG = frozenset({"resource", "reason"})


def event_of(
    principal: Principal, now: Instant, random: bytes, action: str, resource: str | Marked, **rest: object
) -> Event:
    """An event of a principal at a time, its id made from ten random bytes. `rest` are fields of Event.

    A principal of the service is a user unless `actor_type` says otherwise.
    """
    values = {
        "id": uuid7(now, random[:RANDOM_BYTES]),
        "time": format_time(now),
        "tenant": principal.tenant,
        "actor_type": "user",
        "actor": principal.name,
    }
    return Event(**(values | {"action": action, "resource": resource} | rest))  # type: ignore[arg-type]  # checked below


def fitted(event: Event) -> Event:
    """The event with texts that can be kept: signs that none can hold are written out, and what is too long is cut.

    Where all of them together would be too many, each is cut to the length of a name.
    """
    kept = _cut(event, MAX_TEXT)
    return kept if sum(map(len, _texts(kept))) <= MAX_WHOLE else _cut(kept, MAX_NAME)


def _cut(event: Event, limit: int) -> Event:
    changes = {name: _fact(getattr(event, name), limit if name in _LONG else MAX_NAME) for name in _TEXTS}
    sides = {
        side: {name: _fact(fact, limit) for name, fact in getattr(event, side).items()} for side in ("before", "after")
    }
    return replace(event, **changes, **sides)


def _fact(fact: Given, limit: int) -> Given:
    if isinstance(fact, Marked):
        return Marked(_text(fact.text, limit), fact.kind)
    return _text(fact, limit) if isinstance(fact, str) else fact


def _text(text: str, limit: int) -> str:
    if "\0" in text or not text.isascii():
        text = text.replace("\0", r"\x00").encode(errors="backslashreplace").decode()
    return text if len(text) <= limit else text[: limit - len(CUT)] + CUT


def _texts(event: Event) -> Iterator[str]:
    """Every text of an event."""
    for fact in (*(getattr(event, name) for name in _TEXTS), *event.before.values(), *event.after.values()):
        text = fact.text if isinstance(fact, Marked) else fact
        if isinstance(text, str):
            yield text


def check(event: Event, tenant: str) -> None:
    """Raise BadEvent for an event that is not of the form, or of another tenant than `tenant`."""
    for problem in _problems(event, tenant):
        raise BadEvent(problem=problem)


def check_size(record: Record) -> bytes:
    """The bytes of a record; raises BadEvent when they are too many."""
    data = dump_whole(record)
    if len(data) > MAX_RECORD:
        raise BadEvent(problem=f"it has {len(data)} bytes, the limit is {MAX_RECORD}")
    return data


def record_of(tenant: str, event: str, body: bytes) -> Record:
    """The record that a row holds.

    A row that the application would not have written stands for itself as a record that says so, with the digest of
    what it holds: it takes its place in the chain like any other, and stops nobody.
    """
    try:
        record = parse(body, Record, "event")
        parse_time(record.time)
        if (record.tenant, record.id) == (tenant, event) and dump_whole(record) == body:
            return record
    except (NotJson, BadTime):
        pass
    return Record(
        id=event,
        time=format_time(time_of(event)),
        tenant=tenant,
        actor_type="system",
        actor="sealer",
        action="audit.malformed",
        resource="",
        outcome="error",
        reason="",
        ticket="",
        before={},
        after={"sha256": sha256(body), "size": len(body)},
        trace="",
        request="",
    )


def time_of(event: str) -> Instant:
    """The second that the id of an event begins with; the last one that can be written for an id beyond it."""
    return min(int(event.replace("-", "")[:12], 16) // 1000, LAST_SECOND)


def is_id(text: str) -> bool:
    """Whether a text is the id of an event."""
    return _ID.match(text) is not None


def first_id(instant: Instant) -> str:
    """The least id of events of a second and later."""
    return str(UUID(int=max(instant, 0) * 1000 << 80))


def _problems(event: Event, tenant: str) -> Iterator[str]:
    if event.tenant != tenant:
        yield "it belongs to another tenant"
    if event.actor_type not in get_args(ActorType):
        yield f"an actor is one of {', '.join(get_args(ActorType))}"
    if event.outcome not in OUTCOMES:
        yield f"an outcome is one of {', '.join(OUTCOMES)}"
    for name in _TEXTS:
        value = getattr(event, name)
        text = value.text if isinstance(value, Marked) and name == "resource" else value
        yield from _wrong_text(f"`{name}`", text, MAX_TEXT if name in _LONG else MAX_NAME)
    if not _ID.match(event.id):
        yield "its id is no UUIDv7"
    if not _ACTION.match(event.action):
        yield "an action is lower-case words with dots, such as `mirror.create`"
    if not event.actor:
        yield "nobody did it"
    try:
        parse_time(event.time)
    except BadTime:
        yield "its time is not UTC with whole seconds"
    for side, facts in (("before", event.before), ("after", event.after)):
        yield from _wrong_facts(side, facts)


def _wrong_facts(side: str, facts: Mapping[Any, Any]) -> Iterator[str]:
    if len(facts) > MAX_FACTS:
        yield f"{len(facts)} facts in `{side}`, the limit is {MAX_FACTS}"
    for name, fact in facts.items():
        if not isinstance(name, str) or not _FACT.match(name):
            yield f"a fact in `{side}` has no plain name in lower case"
            continue
        value = fact.text if isinstance(fact, Marked) else fact
        if isinstance(value, str):
            yield from _wrong_text(f"`{side}.{name}`", value, MAX_TEXT)
        elif isinstance(value, int):
            if not -SAFE <= value <= SAFE:
                yield f"the number `{side}.{name}` is beyond {SAFE}"
        elif value is not None:
            yield f"`{side}.{name}` is no text, whole number or truth"
        if isinstance(fact, Marked) and fact.kind not in get_args(Closed):
            yield f"`{side}.{name}` is marked as neither {' nor '.join(get_args(Closed))}"


def _wrong_text(what: str, text: object, limit: int) -> Iterator[str]:
    if not isinstance(text, str):
        yield f"{what} is no text"
    elif len(text) > limit:
        yield f"{what} has {len(text)} characters, the limit is {limit}"
    elif "\0" in text:
        yield f"{what} contains a NUL"
    elif not text.isascii() and _SURROGATE.search(text):
        yield f"{what} contains half a character"
