"""Lines of an exported log: each a CloudEvents 1.0 envelope in JSON, with the event and its OCSF form as data.

Rules:
- A line is a function of what it carries: whoever reads one makes it again and compares, so that nothing in an
  envelope can be altered apart from the event.
- Extension attributes have lower-case letters and digits alone, as CloudEvents asks (section 3.1).
- Attributes have no control character and no noncharacter (section 3.2): a subject has them written out. The event
  itself has its resource as it was.
"""

from __future__ import annotations

import re

import msgspec

from stella.audit.model import Chained, Sealed, Sequence
from stella.kernel import dsse
from stella.kernel.canonical import dump_whole
from stella.kernel.instant import parse_time

JSON = "application/json"
SCHEMA_VERSION = "1.3.0"  # of OCSF
AUTHENTICATION, API_ACTIVITY = 3002, 6003  # classes of OCSF
SUCCESS, FAILURE = 1, 2  # status_id of OCSF
INFORMATIONAL, LOW, MEDIUM = 1, 2, 3  # severity_id of OCSF
OTHER = 99

_PLANES = "".join(map(chr, (end for plane in range(17) for end in (plane << 16 | 0xFFFE, plane << 16 | 0xFFFF))))
_NO_ATTRIBUTE = re.compile(f"[\0-\x1f\x7f-\x9f\ufdd0-\ufdef{_PLANES}]")  # CloudEvents 1.0, section 3.2

_LOGON, _LOGOFF, _TICKET = 1, 2, 3
_AUTHENTICATION = {"login": _LOGON, "logout": _LOGOFF, "token": _TICKET, "verify": _LOGON}
_CREATE, _READ, _UPDATE, _DELETE = 1, 2, 3, 4
_ACTIVITY = {
    **dict.fromkeys(("create", "init", "import", "add", "issue"), _CREATE),
    **dict.fromkeys(("list", "show", "read", "export", "verify", "search", "status"), _READ),
    **dict.fromkeys(("update", "set", "rotate", "suspend", "resume", "rollback", "promote"), _UPDATE),
    **dict.fromkeys(("delete", "erase", "revoke", "remove"), _DELETE),
}
_SEVERITY = {"success": INFORMATIONAL, "failure": LOW, "error": LOW}


class User(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who it was: a name, or the pseudonym of a person."""

    name: str = ""
    uid: str = ""


class _Actor(msgspec.Struct, frozen=True):
    user: User


class _Service(msgspec.Struct, frozen=True):
    name: str = "stella"


class _Endpoint(msgspec.Struct, frozen=True):
    svc_name: str = "stella"


class _Api(msgspec.Struct, frozen=True):
    operation: str
    service: _Service = _Service()


class _Product(msgspec.Struct, frozen=True):
    name: str = "Stella"
    vendor_name: str = "Stella"


class _Metadata(msgspec.Struct, frozen=True):
    uid: str
    tenant_uid: str
    correlation_uid: str
    sequence: int
    version: str = SCHEMA_VERSION
    product: _Product = _Product()


class Ocsf(msgspec.Struct, frozen=True, kw_only=True):
    """The event as OCSF has it; the optional parts belong to one of the two classes."""

    class_uid: int
    category_uid: int
    activity_id: int
    type_uid: int
    severity_id: int
    status_id: int
    time: int
    metadata: _Metadata
    actor: _Actor
    api: _Api | msgspec.UnsetType = msgspec.UNSET
    src_endpoint: _Endpoint | msgspec.UnsetType = msgspec.UNSET
    user: User | msgspec.UnsetType = msgspec.UNSET
    service: _Service | msgspec.UnsetType = msgspec.UNSET


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the line of an event carries; `ocsf` is made from `event`, so a reader need not believe it."""

    event: Chained
    ocsf: msgspec.Raw


class EventLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="stella.audit.event"):
    """The line of an event."""

    specversion: str = "1.0"
    id: str
    source: str
    subject: str | msgspec.UnsetType = msgspec.UNSET
    time: str
    datacontenttype: str = JSON
    sequence: str
    data: Data


class CheckpointLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="stella.audit.checkpoint"):
    """The line of a checkpoint, behind the last event that it is about."""

    specversion: str = "1.0"
    id: str
    source: str
    datacontenttype: str = dsse.MEDIA_TYPE
    data: dsse.Envelope


class Opening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the first line says of the whole: how many events, who signed, and the last checkpoint of all."""

    tenant: str
    size: Sequence
    signers: tuple[str, ...]
    checkpoint: dsse.Envelope


class OpeningLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="stella.audit.export"):
    """The first line of a file."""

    specversion: str = "1.0"
    id: str
    source: str
    datacontenttype: str = JSON
    data: Opening


Line = OpeningLine | EventLine | CheckpointLine


def source_of(tenant: str) -> str:
    """The CloudEvents source of a tenant's log."""
    return f"urn:stella:tenant:{tenant}:audit"


def subject_of(resource: str | Sealed) -> str:
    """The CloudEvents subject for a resource: its text, what no attribute may hold written out, or its pseudonym."""
    if isinstance(resource, Sealed):
        return resource.mark
    if resource.isascii() and resource.isprintable():
        return resource
    return _NO_ATTRIBUTE.sub(lambda found: found[0].encode("unicode_escape").decode(), resource)


def event_line(event: Chained) -> bytes:
    """The line of an event, without the line feed."""
    return dump_whole(
        EventLine(
            id=event.id,
            source=source_of(event.tenant),
            subject=subject_of(event.resource) or msgspec.UNSET,
            time=event.time,
            sequence=f"{event.sequence:020}",
            data=Data(event, msgspec.Raw(dump_whole(ocsf(event)))),
        )
    )


def checkpoint_line(tenant: str, size: int, envelope: dsse.Envelope) -> bytes:
    """The line of a checkpoint, without the line feed."""
    return dump_whole(CheckpointLine(id=f"checkpoint-{size}", source=source_of(tenant), data=envelope))


def opening_line(opening: Opening) -> bytes:
    """The first line, without the line feed."""
    return dump_whole(OpeningLine(id=f"export-{opening.size}", source=source_of(opening.tenant), data=opening))


def is_authentication(action: str) -> bool:
    """Whether an action is about proving who one is."""
    return action.partition(".")[0] in {"auth", "token", "login"}


def ocsf(event: Chained) -> Ocsf:
    """The OCSF form: Authentication for `auth.*`, `token.*` and `login`, API Activity for everything else."""
    authentication = is_authentication(event.action)
    verb = event.action.rpartition(".")[2]
    kind, category = (AUTHENTICATION, 3) if authentication else (API_ACTIVITY, 6)
    activity = (_AUTHENTICATION if authentication else _ACTIVITY).get(verb, OTHER)
    user = User(uid=event.actor.mark) if isinstance(event.actor, Sealed) else User(name=event.actor)
    made = Ocsf(
        class_uid=kind,
        category_uid=category,
        activity_id=activity,
        type_uid=kind * 100 + activity,
        severity_id=_SEVERITY.get(event.outcome, MEDIUM),
        status_id=SUCCESS if event.outcome == "success" else FAILURE,
        time=parse_time(event.time) * 1000,
        metadata=_Metadata(event.id, event.tenant, event.trace, event.sequence),
        actor=_Actor(user),
    )
    if authentication:
        return msgspec.structs.replace(made, user=user, service=_Service())
    return msgspec.structs.replace(made, api=_Api(event.action), src_endpoint=_Endpoint())
