"""What the operations about exceptions take and give."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from stella.operations import Reason, Ticket, arg
from stella.policy.model import Cursor, Limit

MAX_MATCHER = 16 * 1024  # characters

ExceptionState = Literal["requested", "approved", "revoked"]
ExceptionId = Annotated[str, arg("Id of the exception, such as EX-1.", positional=True, metavar="EXCEPTION")]


class CreateException(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of exception.create."""

    exception: ExceptionId
    policy: Annotated[str, arg("Id of the policy.", metavar="POLICY")]
    when: Annotated[
        str, msgspec.Meta(max_length=MAX_MATCHER), arg("Condition, as behind `when` of a rule.", metavar="EXPR")
    ]
    status: Annotated[str, arg("Status that it gives.", metavar="WORD")]
    justification: Annotated[
        str, msgspec.Meta(min_length=1, max_length=1000, pattern=r"\S"), arg("Why it is right.", metavar="TEXT")
    ]
    expires: Annotated[str | None, arg("When it ends.", metavar="TIME")] = None
    permanent: Annotated[bool, arg("Let it never end; that is for somebody else to approve.")] = False


class ListExceptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of exception.list."""

    policy: Annotated[str, arg("Only those of a policy.", metavar="POLICY")] = ""
    limit: Limit = 50
    cursor: Cursor = None


class NameException(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of exception.show."""

    exception: ExceptionId


class ApproveException(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of exception.approve."""

    exception: ExceptionId
    reason: Reason
    ticket: Ticket
    permanent: Annotated[bool, arg("Approve that it never ends.")] = False


class RevokeException(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of exception.revoke."""

    exception: ExceptionId
    reason: Reason


class ExceptionRow(msgspec.Struct, frozen=True, kw_only=True):
    """An exception; `expires` is None for a permanent one."""

    exception: str
    policy: str
    state: ExceptionState
    status: str
    when: str
    justification: str
    author: str
    created: str
    expires: str | None
    in_force: bool


class ExceptionMove(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to an exception."""

    state: ExceptionState
    actor: str
    reason: str
    ticket: str
    at: str


class ExceptionFacts(ExceptionRow, frozen=True, kw_only=True):
    """An exception and what happened to it."""

    history: tuple[ExceptionMove, ...]


class ExceptionCreated(ExceptionFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.exception.create@1"):
    """Result of exception.create."""


class ExceptionShown(ExceptionFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.exception.show@1"):
    """Result of exception.show."""


class ExceptionApproved(
    ExceptionFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.exception.approve@1"
):
    """Result of exception.approve."""


class ExceptionRevoked(ExceptionFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.exception.revoke@1"):
    """Result of exception.revoke."""


class ExceptionsListed(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.exception.list@1"):
    """Result of exception.list, by id."""

    exceptions: tuple[ExceptionRow, ...]
    next: str | None
