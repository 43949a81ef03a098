"""in-toto Statements v1 (in-toto attestation framework, spec v1): who says what about which digest."""

from __future__ import annotations

import msgspec

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named thing and its digests, algorithm to lower-case hex."""

    name: str
    digest: dict[str, str]


class Statement(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"type": "_type", "predicate_type": "predicateType"}
):
    """An in-toto Statement v1; `predicate` is plain JSON that the predicate's owner reads."""

    type: str
    subject: tuple[Subject, ...]
    predicate_type: str
    predicate: dict[str, object]
