"""Attestations as bytes: an in-toto Statement v1 in a DSSE envelope.

Rules:
- Reading takes the keys; what no given key signed is not looked at. Without keys nothing is read.
- The kind is one that is known here, or the one that was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from stella.attest.errors import NoStatement, NotSigned, PredicateDiffers
from stella.attest.model import PREDICATES, Core, Verdict
from stella.kernel import dsse
from stella.kernel.canonical import dump, load, parse
from stella.kernel.nearest import did_you_mean
from stella.kernel.statement import PAYLOAD_TYPE, STATEMENT_TYPE, Statement, Subject
from stella.signing.errors import SubjectDiffers

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
MAX_SIZE = 4 << 20  # bytes; the largest predicate lists findings, not data


class Attested(NamedTuple):
    """What an attestation says, and the ids of the given keys that signed it."""

    statement: Statement
    core: Core
    keyids: tuple[str, ...]


def write(kind: str, subjects: Mapping[str, str], predicate: msgspec.Struct, signers: Sequence[dsse.Signer]) -> bytes:
    """Envelope bytes; `subjects` are SHA-256 digests by name. Without signers nobody vouches for the statement."""
    statement = Statement(
        type=STATEMENT_TYPE,
        subject=tuple(Subject(name=name, digest={"sha256": digest}) for name, digest in subjects.items()),
        predicate_type=kind,
        predicate=msgspec.to_builtins(predicate),
    )
    return dsse.sign(PAYLOAD_TYPE, dump(statement), signers)


def read(data: bytes, keys: Sequence[dsse.Verifier], file: str, wanted: str | None = None) -> Attested:
    """What was signed by one of the keys.

    Raises NotSigned, NoStatement, PredicateDiffers, or what `dsse.verify` and `canonical.load` raise.
    """
    envelope = parse(data, dsse.Envelope, file)
    if not envelope.signatures:
        raise NotSigned(file=file)
    found = dsse.verify(data, PAYLOAD_TYPE, keys, 1, file)
    statement = load(found.payload, Statement, file)
    if statement.type != STATEMENT_TYPE or not statement.subject:
        raise NoStatement(file=file, problem="it is no in-toto Statement v1 about something")
    if any(not _SHA256.match(subject.digest.get("sha256", "")) for subject in statement.subject):
        raise NoStatement(file=file, problem="a subject has no SHA-256")
    if len({subject.name for subject in statement.subject}) < len(statement.subject):
        raise NoStatement(file=file, problem="two subjects have one name")
    _check_kind(file, statement.predicate_type, wanted)
    try:
        core = msgspec.convert(statement.predicate, Core)
    except msgspec.ValidationError as error:
        raise NoStatement(file=file, problem=f"its predicate is incomplete: {error}") from None
    return Attested(statement, core, found.keyids)


def core_of(found: Statement, file: str, wanted: str | None, made: str) -> Core:
    """What a predicate of a signed bundle says of release and verdict; a kind that has none has passed by being signed.

    Raises PredicateDiffers, or NoStatement for a predicate that has a verdict of another form.
    """
    _check_kind(file, found.predicate_type, wanted)
    if "verdict" not in found.predicate:
        return Core(release="", made=made, verdict="passed")
    try:
        core = msgspec.convert(found.predicate, _Verdict)
    except msgspec.ValidationError as error:
        raise NoStatement(file=file, problem=f"its verdict cannot be read: {error}") from None
    return Core(release=core.release, made=core.made or made, verdict=core.verdict)


def check_subject(found: Statement, digest: str, file: str) -> None:
    """Raise SubjectDiffers unless the statement is about these bytes."""
    if digest not in {subject.digest.get("sha256") for subject in found.subject}:
        raise SubjectDiffers(what=file, wanted=digest)


class _Verdict(msgspec.Struct, frozen=True):
    """The part of a predicate that has a verdict."""

    verdict: Verdict
    release: str = ""
    made: str = ""


def _check_kind(file: str, found: str, wanted: str | None) -> None:
    kind = PREDICATES.get(wanted or "", wanted)
    if kind is None and found not in PREDICATES.values():
        known = ", ".join(PREDICATES.values())
        advice = f"say which kind you expect with `--predicate`; known are {', '.join(PREDICATES)}"
        raise PredicateDiffers(file=file, found=found, wanted=known, advice=advice)
    if kind is not None and found != kind:
        advice = did_you_mean(wanted or "", PREDICATES, "take the attestation of the kind that was asked for")
        raise PredicateDiffers(file=file, found=found, wanted=kind, advice=advice)
