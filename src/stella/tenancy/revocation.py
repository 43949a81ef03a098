"""What was revoked: single tokens, and all tokens of a subject, a client or a tenant that were issued before a time.

Rules:
- What is revoked here counts at once; what a list says counts when it is loaded. Both move the epoch on, so that no
  result that was kept from before is used again.
- A list is a DSSE envelope: it travels as a file, and nobody needs a database to check it. It names its issuer and
  speaks for that issuer's tokens alone; its number only goes up.
- An entry is dropped when every token that it could hit has expired.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from stella.kernel import dsse
from stella.kernel.canonical import dump, load
from stella.kernel.instant import Instant
from stella.tenancy.errors import BadRevocations, RevocationsOlder
from stella.tenancy.model import SKEW, Verified

PAYLOAD_TYPE = "application/vnd.stella.revocations+json"
ANY_ISSUER = ""  # for what is revoked here whoever issued it, such as all tokens of a suspended tenant
MAX_ENTRIES = 100_000
MAX_LIST = 32 * 1024 * 1024  # bytes of an envelope

Kind = Literal["token", "subject", "client", "tenant"]


class Revocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry: hits what was issued at `before` or earlier; of no use after `until`, when all of that has expired."""

    kind: Kind
    id: str
    before: Instant
    until: Instant


class RevocationList(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that an issuer has revoked, at one time."""

    schema: Literal["stella.revocations@1"] = "stella.revocations@1"
    issuer: str
    number: int
    issued: Instant
    entries: tuple[Revocation, ...]


def sign_list(found: RevocationList, signers: Sequence[dsse.Signer]) -> bytes:
    """The envelope of a list, as it is carried to a sealed site."""
    _check(found)
    return dsse.sign(PAYLOAD_TYPE, dump(found), signers)


def open_list(envelope: bytes, keys: Iterable[dsse.Verifier], threshold: int) -> RevocationList:
    """The list in an envelope, signatures checked; raises what `dsse.verify` raises, NotCanonical or BadRevocations."""
    what = "revocation list"
    if len(envelope) > MAX_LIST:
        raise BadRevocations(problem=f"it is larger than {MAX_LIST} bytes")
    found = load(dsse.verify(envelope, PAYLOAD_TYPE, keys, threshold, what).payload, RevocationList, what)
    _check(found)
    return found


def _check(found: RevocationList) -> None:
    if not found.issuer or found.number < 1:
        raise BadRevocations(problem="it names no issuer, or its number is not positive")
    if len(found.entries) > MAX_ENTRIES:
        raise BadRevocations(problem=f"it has more than {MAX_ENTRIES} entries")
    if len({(entry.kind, entry.id) for entry in found.entries}) != len(found.entries):
        raise BadRevocations(problem="it has one entry twice")
    if any(not entry.id for entry in found.entries):
        raise BadRevocations(problem="it has an entry without an id")


_Key = tuple[str, Kind, str]  # issuer, kind, id


class _State(NamedTuple):
    """Replaced as a whole, so that readers need no lock."""

    live: Mapping[_Key, Revocation]
    listed: Mapping[_Key, Revocation]
    numbers: Mapping[str, int]
    epoch: int


class Revocations:
    """The set that a verifier asks. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state = _State({}, {}, {}, 0)

    @property
    def epoch(self) -> int:
        return self._state.epoch

    def number(self, issuer: str) -> int:
        """Number of the list that is in force for an issuer; 0 for none."""
        return self._state.numbers.get(issuer, 0)

    def revoke(self, issuer: str, *entries: Revocation) -> None:
        """Revoke from this moment on, all in one step; of two entries for one thing the one that hits more counts."""
        if not entries:
            return
        with self._lock:
            old = self._state
            live = dict(old.live)
            for entry in entries:
                key = (issuer, entry.kind, entry.id)
                live[key] = _wider(live.get(key), entry)
            self._state = old._replace(live=live, epoch=old.epoch + 1)

    def take_over(self, found: RevocationList) -> bool:
        """Put a list in force in place of the issuer's last one; False when it is that one. Raises RevocationsOlder."""
        with self._lock:
            old = self._state
            known = old.numbers.get(found.issuer, 0)
            if found.number < known:
                raise RevocationsOlder(found=found.number, issuer=found.issuer, known=known)
            if found.number == known:
                return False
            others = {key: entry for key, entry in old.listed.items() if key[0] != found.issuer}
            mine = {(found.issuer, entry.kind, entry.id): entry for entry in found.entries}
            numbers = {**old.numbers, found.issuer: found.number}
            self._state = _State(old.live, others | mine, numbers, old.epoch + 1)
            return True

    def covers(self, token: Verified) -> bool:
        """Whether a token is revoked."""
        state = self._state
        if not state.live and not state.listed:
            return False
        ids: tuple[tuple[Kind, str], ...] = (
            ("token", token.id),
            ("subject", token.subject),
            ("client", token.client),
            ("tenant", token.tenant),
        )
        entries = (
            found
            for kind, name in ids
            for found in (
                state.live.get((token.issuer, kind, name)),
                state.live.get((ANY_ISSUER, kind, name)),
                state.listed.get((token.issuer, kind, name)),
            )
        )
        return any(entry is not None and token.issued <= entry.before for entry in entries)

    def forget(self, now: Instant) -> int:
        """Drop the live entries that can hit nothing any more; how many. The epoch stays: no result changes."""
        with self._lock:
            old = self._state
            live = {key: entry for key, entry in old.live.items() if now < entry.until + SKEW}
            self._state = old._replace(live=live)
            return len(old.live) - len(live)


def _wider(one: Revocation | None, other: Revocation) -> Revocation:
    if one is None:
        return other
    return Revocation(other.kind, other.id, max(one.before, other.before), max(one.until, other.until))
