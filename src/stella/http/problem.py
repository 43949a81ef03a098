"""Errors as RFC 9457 problems, and the HTTP status of each.

Rules:
- The code, the words and the facts are those of the command line; only `status` and `instance` are added.
- The status is the error's own where its class has one, else that of its exit class.
"""

from __future__ import annotations

import msgspec

from stella.kernel.errors import Exit, StellaError

STATUS = {
    Exit.USAGE: 400,
    Exit.DENIED: 403,
    Exit.NOT_FOUND: 404,
    Exit.SEALED: 503,
    Exit.NEGATIVE: 422,
    Exit.TRANSIENT: 503,
    Exit.INTERRUPTED: 503,
}
RETRY_AFTER = b"1"  # seconds; what is transient here is a lock, a queue or a restart
MEDIA_TYPE = b"application/problem+json"


class Problem(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.problem@1"):
    """The form of a problem, for the OpenAPI document."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    reason: str
    exit: int
    hint: str
    facts: dict[str, str | int | bool | list[object]]


def status_of(error: StellaError) -> int:
    """The HTTP status of an error."""
    return int(getattr(error, "status", 0)) or STATUS.get(error.exit, 500)


def body_of(error: StellaError, request: str) -> bytes:
    """An error as JSON; `request` is the id of the request it answers."""
    problem = error.problem() | {"status": status_of(error), "instance": f"urn:stella:request:{request}"}
    try:
        return msgspec.json.encode(problem)
    except UnicodeEncodeError:  # a file name that is not UTF-8
        text = {
            key: value.encode(errors="replace").decode() if isinstance(value, str) else value
            for key, value in problem.items()
        }
        return msgspec.json.encode(text | {"facts": {}})
