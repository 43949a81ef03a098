"""Events as they happen, as they are stored, and as links of a chain; the checkpoint that is signed over them.

Rules:
- Every text of an event has a class: `none`, `personal` or `sensitive`. What is not `none` is stored encrypted.
- The actor is personal when it is a user; an agent, the system and a plugin are no persons.
- A resource is no person's name unless whoever writes the event marks it, as a fact is marked.
- A record has whole numbers, texts and ASCII names alone, so that its canonical form is cheap (RFC 8785).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec

from stella.operations import arg

Kind = Literal["none", "personal", "sensitive"]
Closed = Literal["personal", "sensitive"]
ActorType = Literal["user", "agent", "system", "plugin"]
Outcome = Literal["success", "failure", "denied", "locked_out", "rate_limited", "error"]

GENESIS = "0" * 64  # `previousEventHash` of the first event
SAFE = 2**53 - 1  # the largest whole number that every reader of JSON keeps (RFC 8785 appendix D)

Whole = Annotated[int, msgspec.Meta(ge=-SAFE, le=SAFE)]
Sequence = Annotated[int, msgspec.Meta(ge=1, le=SAFE)]


def _is(kind: Kind) -> msgspec.Meta:
    return msgspec.Meta(extra={"class": kind})


class Marked(msgspec.Struct, frozen=True):
    """A fact or a resource that is not for everybody."""

    text: str
    kind: Closed = "personal"


Given = Whole | bool | str | None | Marked


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What happened, before anything of it is closed. `before` and `after` hold facts or digests, never content."""

    id: Annotated[str, _is("none")]
    time: Annotated[str, _is("none")]
    tenant: Annotated[str, _is("none")]
    actor_type: ActorType
    actor: Annotated[str, _is("personal")]
    action: Annotated[str, _is("none")]
    resource: Annotated[str | Marked, _is("none")]
    outcome: Outcome = "success"
    reason: Annotated[str, _is("personal")] = ""
    ticket: Annotated[str, _is("none")] = ""
    before: Mapping[str, Given] = {}
    after: Mapping[str, Given] = {}
    trace: Annotated[str, _is("none")] = ""
    request: Annotated[str, _is("none")] = ""


def classes() -> dict[str, Kind]:
    """The class of each text of an event; those of `before` and `after`, and a resource, may have others: `Marked`."""
    found: dict[str, Kind] = {}
    for name, hint in get_type_hints(Event, include_extras=True).items():
        for mark in getattr(hint, "__metadata__", ()):
            found[name] = mark.extra["class"]
    return found


class Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An encrypted text: number of the tenant's key, base64 of nonce, ciphertext and tag.

    `mark` is a pseudonym by which one actor is found again; it means nothing without the key.
    """

    key: Sequence
    kind: Closed
    mark: str
    sealed: str


Fact = Whole | bool | str | None | Sealed


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """An event as it is stored and hashed."""

    id: str
    time: str
    tenant: str
    actor_type: ActorType
    actor: str | Sealed
    action: str
    resource: str | Sealed
    outcome: Outcome
    reason: str | Sealed
    ticket: str
    before: dict[str, Fact]
    after: dict[str, Fact]
    trace: str
    request: str


class Linked(Record, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """A record with its place in the chain: this is what is hashed."""

    sequence: Sequence
    previous_event_hash: str


class Chained(Linked, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """A link of the chain."""

    event_hash: str


class Checkpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the sealer signs: so many events, the root over their hashes, the hash of the last one.

    `after` is the size of the checkpoint before it, 0 for the first: none can be taken out unseen.
    """

    schema: Literal["stella.audit.checkpoint@1"] = "stella.audit.checkpoint@1"
    tenant: str
    size: Sequence
    after: Annotated[int, msgspec.Meta(ge=0, le=SAFE)]
    root: str
    head: str
    time: str


def fields_of(record: Record) -> dict[str, Any]:
    """The values of a record by attribute, for making another struct of them."""
    return {name: getattr(record, name) for name in Record.__struct_fields__}


OUTCOMES: tuple[str, ...] = get_args(Outcome)


class ListEvents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of audit.list."""

    action: Annotated[
        str | None, arg("Only this action, or all below it: `mirror` is all of `mirror.*`.", metavar="ACTION")
    ] = None
    actor: Annotated[str | None, arg("Only what this actor did.", metavar="NAME")] = None
    outcome: Annotated[Outcome | None, arg("Only events that ended like this.", metavar="OUTCOME")] = None
    since: Annotated[str | None, arg("Not before this time, such as 2026-01-31T12:00:00Z.", metavar="TIME")] = None
    until: Annotated[str | None, arg("Before this time.", metavar="TIME")] = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000), arg("Rows of a page, at most 1000.", metavar="N")] = 50
    cursor: Annotated[str | None, arg("Where the page before ended: its `next`.", metavar="CURSOR")] = None


class EventShown(msgspec.Struct, frozen=True, kw_only=True):
    """An event. `sequence` is its place in the chain, None while it waits for one.

    A text that the reader may not see, or whose key was erased, is a word in brackets that says so.
    """

    sequence: int | None
    id: str
    time: str
    actor_type: str
    actor: str
    action: str
    resource: str
    outcome: str
    reason: str
    ticket: str
    before: dict[str, bool | int | str | None]
    after: dict[str, bool | int | str | None]
    trace: str
    request: str


class EventsShown(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.audit.list@1"):
    """Result of audit.list, newest first; `next` is the cursor of the page behind, None on the last one."""

    tenant: str
    rows: tuple[EventShown, ...]
    next: str | None


class ExportLog(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of audit.export."""

    out: Annotated[str, arg("File to write: JSON Lines.", "file_out", metavar="FILE")]


class LogExported(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.audit.export@1"):
    """Result of audit.export: the file, its digest, and the public keys that its checkpoints were signed with."""

    out: str
    tenant: str
    events: int
    bytes: int
    sha256: str
    head: str
    keys: tuple[str, ...]


class VerifyLog(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of audit.verify."""

    file: Annotated[str, arg("Exported log.", "file_in", positional=True, metavar="FILE")]
    key: Annotated[
        tuple[str, ...],
        arg("Public key that the keeper of the log told you, base64; may be given again.", metavar="KEY"),
    ]
    at_least: Annotated[
        int, msgspec.Meta(ge=0), arg("Events that must be there, as a later export once had.", metavar="N")
    ] = 0


class LogVerified(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.audit.verify@1"):
    """Result of audit.verify: every event is what was signed. What is wrong is an error that names the event."""

    file: str
    verdict: Literal["verified"]
    tenant: str
    events: int
    checkpoints: int
    signed: str
    head: str
    root: str
    keys: tuple[str, ...]
