"""The one verifier of signed statements: bytes, trust and a demand in, what was proved or a refusal out. Pure.

Rules:
- Everything that may be believed is an argument: keys, authorities, identities, the time. Nothing of a bundle chooses
  how it is checked.
- The order is form, proofs of time, signer, signature, then what was signed: nothing of a statement is looked at before
  its signature was.
- Every check fails closed and has a code of its own. A proof that is there and does not count refuses the bundle.
- Who signed without a key is believed only when the demand names identity and issuer.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import NamedTuple

from stella.kernel import dsse
from stella.kernel.canonical import parse_once
from stella.kernel.digest import is_digest
from stella.kernel.errors import WrongPayloadType
from stella.kernel.instant import Instant, Seconds, format_duration, format_time
from stella.kernel.statement import PAYLOAD_TYPE, STATEMENT_TYPE, Statement
from stella.signing import anchor, certificate, sigstore_bundle
from stella.signing.certifier import Identity
from stella.signing.errors import (
    AnchorInvalid,
    BadSigstoreBundle,
    IdentityNotAllowed,
    IssuerNotAllowed,
    KeyNotBegun,
    LogMissing,
    NotFresh,
    PredicateNotAllowed,
    RetiredKey,
    RevokedKey,
    SignatureWrong,
    SignedInFuture,
    SignerUnknown,
    SubjectDiffers,
    TimestampWrong,
    Undated,
)
from stella.signing.key_list import ANY, ListedKey
from stella.signing.sigstore_bundle import SigstoreBundle
from stella.signing.trusted_root import TrustedRoot
from stella.signing.verifying_key import VerifyingKey
from stella.signing.vocabulary import Transparency

TOLERANCE: Seconds = 60  # that clocks of signer and verifier may differ by


class Trust(NamedTuple):
    """Whom a verifier believes: keys with their times, and authorities of certificates and of time."""

    keys: tuple[ListedKey, ...] = ()
    root: TrustedRoot = TrustedRoot()


class Demand(NamedTuple):
    """What a bundle has to prove.

    `now` judges what is future, fresh or retired. `subject` is the SHA-256 that the statement must be about. A subject
    or kinds of None are for callers that look at them themselves. `keyids` limits the keys, `purpose` what they are
    for. `dated` asks for a proof of time; a limit on freshness does as well.
    """

    now: Instant
    predicate_types: frozenset[str] | None
    subject: str | None
    purpose: str | None = None
    keyids: frozenset[str] | None = None
    identities: frozenset[Identity] = frozenset()
    freshness: Seconds | None = None
    transparency: Transparency = "allow"
    dated: bool = False


class Proved(NamedTuple):
    """What was proved: the statement, by which key or by whom, and when a proof of time says; None is no proof."""

    statement: Statement
    keyid: str
    identity: Identity | None
    signed_at: Instant | None


def verify(data: bytes, trust: Trust, demand: Demand, what: str = "attestation") -> Proved:
    """Verify a bundle; raises one of the classes SIGSTORE-001 to 023, SIGN-001, NotJson, each naming `what`."""
    bundle = sigstore_bundle.read(data, what)
    _check_log(bundle, demand.transparency, what)
    signed_at = _signed_at(bundle, trust.root, demand.now, what)
    if bundle.certificate is None:
        key, identity = _managed(bundle, trust.keys, demand, signed_at, what), None
    else:
        key, identity = _keyless(bundle, bundle.certificate, trust.root, demand, signed_at, what)
    _check_age(signed_at, demand, what)
    return Proved(_statement(bundle, demand, what), key.keyid, identity, signed_at)


def _check_log(bundle: SigstoreBundle, transparency: Transparency, what: str) -> None:
    if transparency == "require":
        raise LogMissing(what=what, problem="no log is trusted here, and an entry is asked for")
    if transparency == "allow" and bundle.log_entries:
        raise LogMissing(what=what, problem="it has an entry, and no log is trusted here to check it with")


def _signed_at(bundle: SigstoreBundle, root: TrustedRoot, now: Instant, what: str) -> Instant | None:
    """The earliest time that is proved: the signature existed by then."""
    anchors = root.anchors() if bundle.timestamps else []
    times = []
    for token in bundle.timestamps:
        try:
            times.append(anchor.verify(token, bundle.signature, anchors))
        except AnchorInvalid as error:
            raise TimestampWrong(what=what, problem=error.facts["problem"]) from None
    if times and max(times) > now + TOLERANCE:
        raise SignedInFuture(what=what, signed=format_time(max(times)), now=format_time(now))
    return min(times, default=None)


def _managed(
    bundle: SigstoreBundle, keys: Sequence[ListedKey], demand: Demand, signed_at: Instant | None, what: str
) -> VerifyingKey:
    allowed = (
        key
        for key in keys
        if (demand.keyids is None or key.keyid in demand.keyids)
        and (demand.purpose is None or key.purpose in {demand.purpose, ANY})
    )
    wanted = _keyid(bundle.hint or "")
    found = next((key for key in allowed if key.keyid == wanted), None)
    if found is None:
        raise SignerUnknown(what=what, keyid=ascii(bundle.hint or "")[1:-1][:64])
    key = found.key
    _check_signature(bundle, key, what)
    _check_times(found, signed_at, demand.now, what)
    return key


def _keyid(hint: str) -> str:
    """The id of the key that a hint names; empty for what is no hint of ours."""
    try:
        digest = base64.b64decode(hint, validate=True)
    except (binascii.Error, ValueError):
        return ""
    return digest.hex() if base64.b64encode(digest).decode() == hint else ""


def _check_times(key: ListedKey, signed_at: Instant | None, now: Instant, what: str) -> None:
    """Raise unless the key counted when the signature was made, or counts now where nothing proves when it was."""
    short, at = key.keyid[:12], now if signed_at is None else signed_at
    problem = "nothing proves that it is older" if signed_at is None else f"it is dated {format_time(signed_at)}"
    if key.revoked_at is not None and (signed_at is None or signed_at >= key.revoked_at):
        raise RevokedKey(what=what, keyid=short, ended=key.revoked, problem=problem)
    if key.ends is not None and at >= key.ends:
        raise RetiredKey(what=what, keyid=short, ended=key.not_after, problem=problem)
    if at < key.begins - TOLERANCE:
        raise KeyNotBegun(what=what, keyid=short, begins=key.not_before)


def _keyless(
    bundle: SigstoreBundle, der: bytes, root: TrustedRoot, demand: Demand, signed_at: Instant | None, what: str
) -> tuple[VerifyingKey, Identity]:
    leaf, (key, identity) = certificate.read(der, what)
    at = demand.now if signed_at is None else signed_at
    certificate.judge(leaf, root.certifiers, at, what, dated=signed_at is not None)
    _check_signature(bundle, key, what)
    if identity not in demand.identities:
        shown, issuer = (ascii(text)[1:-1][:200] for text in identity)
        if identity.uri in {allowed.uri for allowed in demand.identities}:
            raise IssuerNotAllowed(what=what, identity=shown, issuer=issuer)
        raise IdentityNotAllowed(what=what, identity=shown)
    return key, identity


def _check_signature(bundle: SigstoreBundle, key: VerifyingKey, what: str) -> None:
    if not key.verify(bundle.signature, dsse.pae(bundle.payload_type, bundle.payload)):
        raise SignatureWrong(what=what)


def _check_age(signed_at: Instant | None, demand: Demand, what: str) -> None:
    if signed_at is None:
        if demand.dated or demand.freshness is not None:
            raise Undated(what=what)
    elif demand.freshness is not None and demand.now - signed_at > demand.freshness:
        age, limit = format_duration(demand.now - signed_at), format_duration(demand.freshness)
        raise NotFresh(what=what, signed=format_time(signed_at), age=age, limit=limit)


def _statement(bundle: SigstoreBundle, demand: Demand, what: str) -> Statement:
    """What was signed, when it is of the kind and about the thing that was asked for."""
    if bundle.payload_type != PAYLOAD_TYPE:
        raise WrongPayloadType(found=bundle.payload_type, expected=PAYLOAD_TYPE)
    statement = parse_once(bundle.payload, Statement, what)
    if statement.type != STATEMENT_TYPE or not statement.subject:
        raise BadSigstoreBundle(what=what, problem="it holds no in-toto Statement v1 about something")
    digests = [subject.digest.get("sha256", "") for subject in statement.subject]
    if not all(map(is_digest, digests)):
        raise BadSigstoreBundle(what=what, problem="a subject has no SHA-256")
    if demand.predicate_types is not None and statement.predicate_type not in demand.predicate_types:
        found = ascii(statement.predicate_type)[1:-1][:200]
        wanted = " or ".join(f"`{kind}`" for kind in sorted(demand.predicate_types)) or "none at all"
        raise PredicateNotAllowed(what=what, found=found, wanted=wanted)
    if demand.subject is not None and demand.subject not in digests:
        raise SubjectDiffers(what=what, wanted=demand.subject)
    return statement
