"""`keys.json`: the public keys that count, for what and when; pure.

Rules:
- The state of a key is not written down. It follows from its times, so it changes by itself and in no second step.
- A key is `next` before it begins, `active` until it ends, `retired` afterwards, and `revoked` from a moment that may
  lie in the past.
- At any time at most one key of a purpose is active.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal

import msgspec

from stella.kernel.canonical import dump, load
from stella.kernel.errors import BadTime
from stella.kernel.instant import Instant, format_time, parse_time
from stella.signing.errors import BadTrust, UnusableKey
from stella.signing.verifying_key import VerifyingKey
from stella.signing.vocabulary import Algorithm, State

FILE = "keys.json"
MAX_SIZE = 1 << 20  # bytes
MAX_KEYS = 256  # of a list; those that nobody needs to verify any more can be dropped
MAX_PURPOSE = 40  # characters
ANY = "*"  # the purpose of a key that somebody vouches for by itself; no list may say so

_PURPOSE = re.compile(r"[a-z][a-z0-9-]*\Z")


class ListedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key of the list. `public` is the base64 of its SubjectPublicKeyInfo; `not_after` is excluded."""

    keyid: str
    algorithm: Algorithm
    purpose: str
    public: str
    not_before: str
    not_after: str | None = None
    revoked: str | None = None
    revocation_reason: str = ""

    @property
    def key(self) -> VerifyingKey:
        return _key(self.public, self.keyid)

    @property
    def begins(self) -> Instant:
        return _time(self.not_before)

    @property
    def ends(self) -> Instant | None:
        return None if self.not_after is None else _time(self.not_after)

    @property
    def revoked_at(self) -> Instant | None:
        return None if self.revoked is None else _time(self.revoked)

    def state(self, now: Instant) -> State:
        """What the key is at a time."""
        if self.revoked_at is not None:
            return "revoked"
        if self.ends is not None and (self.ends <= now or self.ends <= self.begins):
            return "retired"
        return "next" if now < self.begins else "active"


@lru_cache(MAX_KEYS)
def _key(public: str, keyid: str) -> VerifyingKey:
    """A parsed key; a verifier asks for the same ones again and again."""
    return VerifyingKey(base64.b64decode(public), keyid)


_time = lru_cache(MAX_KEYS)(parse_time)


class KeyList(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`keys.json`. `serial` counts its changes; `rotations` are the SHA-256 of the statements that tell of them."""

    schema: Literal["stella.keys@1"] = "stella.keys@1"
    serial: int
    keys: tuple[ListedKey, ...]
    rotations: tuple[str, ...] = ()


def listed(key: VerifyingKey, purpose: str, begins: Instant) -> ListedKey:
    """A key that signs from a time on."""
    return ListedKey(
        keyid=key.keyid,
        algorithm=key.algorithm,
        purpose=purpose,
        public=base64.b64encode(key.spki).decode(),
        not_before=format_time(begins),
    )


def read(data: bytes, what: str = FILE) -> KeyList:
    """Parse a list that is believed already; raises NotJson, NotCanonical or BadTrust naming `what`."""
    if len(data) > MAX_SIZE:
        raise BadTrust(what=what, problem=f"{len(data)} bytes, the limit is {MAX_SIZE}")
    found = load(data, KeyList, what)
    check(found, what)
    return found


def write(keys: KeyList) -> bytes:
    """Canonical JSON of a list."""
    return dump(keys)


def is_purpose(text: str) -> bool:
    """Whether it is a word such as policy or sdk-npm."""
    return len(text) <= MAX_PURPOSE and _PURPOSE.match(text) is not None


def check(found: KeyList, what: str) -> None:
    """Raise BadTrust unless each key is listed once under its own id, with times in order."""
    if len(found.keys) > MAX_KEYS:
        raise BadTrust(what=what, problem=f"{len(found.keys)} keys, the limit is {MAX_KEYS}")
    if len({key.keyid for key in found.keys}) != len(found.keys):
        raise BadTrust(what=what, problem="it names a key twice")
    for key in found.keys:
        if problem := _problem(key):
            raise BadTrust(what=what, problem=f"key {key.keyid[:12]}: {problem}")


def _problem(key: ListedKey) -> str:
    try:
        public = VerifyingKey(base64.b64decode(key.public, validate=True), key.keyid)
        times = (key.begins, key.ends, key.revoked_at)
    except UnusableKey as error:
        return str(error.facts["problem"])
    except (BadTime, binascii.Error, ValueError):
        return "a time or its base64 is malformed"
    if (public.keyid, public.algorithm) != (key.keyid, key.algorithm):
        return "it is listed under the id or algorithm of another key"
    if times[1] is not None and times[1] < times[0]:
        return "it ends before it begins"
    return "" if is_purpose(key.purpose) else "its purpose is no word"


def active(keys: Iterable[ListedKey], purpose: str, now: Instant) -> ListedKey | None:
    """The key that signs now; None when there is none."""
    return next((key for key in keys if key.purpose == purpose and key.state(now) == "active"), None)


def following(keys: Iterable[ListedKey], purpose: str, now: Instant) -> ListedKey | None:
    """A key that is published and signs later."""
    return next((key for key in keys if key.purpose == purpose and key.state(now) == "next"), None)


def rotated(keys: Sequence[ListedKey], new: ListedKey, now: Instant) -> tuple[ListedKey, ...]:
    """The list with a new key: those of its purpose that have not ended do so when it begins."""
    ends = new.begins

    def until(key: ListedKey) -> ListedKey:
        if key.purpose != new.purpose or key.state(now) in {"retired", "revoked"}:
            return key
        if key.begins >= ends:  # it was to follow, and is taken over before it has begun
            return msgspec.structs.replace(key, not_after=key.not_before)
        return msgspec.structs.replace(key, not_after=format_time(ends if key.ends is None else min(key.ends, ends)))

    return (*map(until, keys), new)


def revoked(keys: Sequence[ListedKey], keyid: str, since: Instant, reason: str) -> tuple[ListedKey, ...]:
    """The list with a key revoked as of a time; an earlier revocation is never moved to a later time."""

    def struck(key: ListedKey) -> ListedKey:
        if key.keyid != keyid:
            return key
        at = since if key.revoked_at is None else min(since, key.revoked_at)
        return msgspec.structs.replace(key, revoked=format_time(at), revocation_reason=reason)

    return tuple(map(struck, keys))


def believing(own: KeyList, published: KeyList) -> KeyList:
    """The own list with what a newer one for verifiers revokes; nothing else of that one is taken."""
    if published.serial <= own.serial:
        return own
    keys: tuple[ListedKey, ...] = own.keys
    for key in published.keys:
        if key.revoked_at is not None:
            keys = revoked(keys, key.keyid, key.revoked_at, key.revocation_reason)
    return own if keys == own.keys else msgspec.structs.replace(own, serial=published.serial, keys=keys)
