"""The error form that every layer raises and every entry renders.

Rules:
- One class per situation. The first line of its docstring is the message, with `{fact}` fields that the raiser fills;
  the rest of the docstring is what `stella explain CODE` prints.
- `code` is stable for ever, `exit` is the process exit code, `reason` the word in JSON that names the failed check.
- `hint` names the next command or the one thing to change; it may use the same fields.
- The classes of a package live in its `errors.py`, which imports nothing heavy, so that `explain` works offline and
  fast.
"""

from __future__ import annotations

import inspect
import string
from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """Process exit codes: the whole contract of the command line."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    DENIED = 3
    NOT_FOUND = 4
    SEALED = 5
    NEGATIVE = 6
    TRANSIENT = 10
    INTERRUPTED = 130


class StellaError(Exception):
    """Something went wrong that Stella has a name for."""

    code: ClassVar[str] = ""
    exit: ClassVar[Exit] = Exit.UNEXPECTED
    reason: ClassVar[str] = ""
    hint: ClassVar[str] = ""

    def __init__(self, **facts: object) -> None:
        super().__init__(facts)
        self.facts = facts

    @classmethod
    def template(cls) -> str:
        """First line of the docstring: the message with its `{fact}` fields."""
        return (inspect.getdoc(cls) or cls.__name__).split("\n", 1)[0]

    @classmethod
    def explanation(cls) -> str:
        """Docstring below the message: cause and remedy, for `stella explain`."""
        return (inspect.getdoc(cls) or "").partition("\n")[2].strip()

    @classmethod
    def fields(cls) -> frozenset[str]:
        """Names of the facts that the message and the hint need."""
        text = cls.template() + cls.hint
        return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name)

    @property
    def message(self) -> str:
        return self.template().format_map(self.facts).removesuffix(".")

    @property
    def advice(self) -> str:
        """The hint with its facts filled in; empty when there is none."""
        return self.hint.format_map(self.facts)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def problem(self) -> dict[str, object]:
        """The error as an RFC 9457 problem object, extended with `code`, `reason`, `exit`, `hint` and `facts`."""
        return {
            "schema": "stella.problem@1",
            "type": f"urn:stella:error:{self.code}",
            "title": self.template().replace("{", "<").replace("}", ">").removesuffix("."),
            "detail": self.message,
            "code": self.code,
            "reason": self.reason,
            "exit": int(self.exit),
            "hint": self.advice,
            "facts": {
                name: fact if isinstance(fact, (bool, int, list)) else str(fact) for name, fact in self.facts.items()
            },
        }


class NotJson(StellaError):
    """{what} is not the JSON that was expected: {problem}.

    A document could not be parsed, has an unknown field, a field of the wrong type, a number outside its range or a key
    twice. Nothing is guessed: obtain the document again from the one who made it.
    """

    code = "DOC-001"
    exit = Exit.NEGATIVE
    reason = "structure"
    hint = "fetch the file again; it was cut short, altered, or written by another version"


class NotCanonical(StellaError):
    """{what} is not in canonical form (RFC 8785).

    Signed documents have exactly one spelling, so that no two byte strings mean the same thing. This one has extra
    white space, unsorted keys or another spelling of a value.
    """

    code = "DOC-002"
    exit = Exit.NEGATIVE
    reason = "structure"
    hint = "fetch the file again; it was re-written by a tool on its way"


class BadTime(StellaError):
    """`{text}` is not a UTC time such as 2026-01-31T12:00:00Z.

    Times are written as RFC 3339 in UTC, whole seconds, with the letter Z.
    """

    code = "DOC-003"
    exit = Exit.USAGE
    reason = "usage"
    hint = "write it as 2026-01-31T12:00:00Z"


class BadDuration(StellaError):
    """`{text}` is not a duration such as 90s, 15m, 24h or 14d.

    A duration is a whole number followed by one of s, m, h, d.
    """

    code = "DOC-004"
    exit = Exit.USAGE
    reason = "usage"
    hint = "write it as 90s, 15m, 24h or 14d"


class BadCursor(StellaError):
    """Cursor cannot be used: {problem}.

    A cursor continues a list where its last page ended. It is good for the same question with the same filters.
    """

    code = "DOC-005"
    exit = Exit.USAGE
    reason = "usage"
    hint = "take `next` from the page before as it is, or begin without a cursor"


class BadTenant(StellaError):
    """{text} is not a tenant id such as acme-2.

    A tenant id has 1 to 63 characters: small letters a to z, digits and hyphens, not beginning with a hyphen. Nothing
    is trimmed, folded or normalised, so that one tenant has one spelling everywhere.
    """

    code = "TENANT-001"
    exit = Exit.USAGE
    reason = "usage"
    hint = "write it with small letters, digits and hyphens"


class IllegalMove(StellaError):
    """{machine} cannot go from {state} by {event}.

    The state machine has no such transition. This protects a record from being changed out of order.
    """

    code = "STATE-001"
    exit = Exit.UNEXPECTED
    reason = "illegal_move"


class WrongPayloadType(StellaError):
    """Envelope holds `{found}`, expected `{expected}`.

    A signature over one kind of document must never be accepted for another kind; the payload type is part of what is
    signed.
    """

    code = "SIGN-001"
    exit = Exit.NEGATIVE
    reason = "payload_type"
    hint = "this is another document than the one asked for; fetch the right one"


class KeyUnknown(StellaError):
    """None of the {signatures} signatures is by a trusted key ({trusted} trusted keys).

    The signer is not in the signer policy of this channel. The bundle may belong to another channel, or the site's
    trust is older than a key rotation it never received.
    """

    code = "SIGN-002"
    exit = Exit.NEGATIVE
    reason = "key_unknown"
    hint = "check that the bundle belongs to this channel: `stella mirror show BUNDLE`"


class BadSignature(StellaError):
    """Signature by key {keyid} does not match the {what}.

    A trusted key is named but its signature is not over these bytes: the document was altered after it was signed.
    """

    code = "SIGN-003"
    exit = Exit.NEGATIVE
    reason = "signature"
    hint = "do not use this file; fetch it again from the vendor"


class BelowThreshold(StellaError):
    """{valid} of the required {threshold} signatures on the {what} are valid.

    The signer policy asks for several independent keys. Two signatures by one key count once.
    """

    code = "SIGN-004"
    exit = Exit.NEGATIVE
    reason = "threshold"
    hint = "have the missing signers sign, then carry the bundle again"


class BadBlobKey(StellaError):
    """{key} names no object: {problem}.

    Objects of a tenant have keys of one form, made of the tenant, a kind and a digest. The store was not asked.
    """

    code = "BLOB-001"
    exit = Exit.USAGE
    reason = "bad_key"
    hint = "use the key as it was given when the object was written"


class ForeignBlob(StellaError):
    """{key} belongs to another tenant than {tenant}.

    A tenant reaches its own objects alone. The store was not asked, so the answer says nothing of what is there.
    """

    code = "BLOB-002"
    exit = Exit.DENIED
    reason = "foreign_key"
    hint = "ask as the tenant that owns the object"
