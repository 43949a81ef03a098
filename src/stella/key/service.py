"""Making, rotating and revoking the keys that sign statements.

Rules:
- Each change is one replacement of one file, under the lock of the folder; a kill leaves the old list or the new one.
  A revocation is in the list for verifiers before that, and counts from there on.
- A new key is published one overlap before it signs, so that verifiers have it by then. The first one signs at once.
- The key that is replaced signs the statement that says so.
"""

from __future__ import annotations

from pathlib import Path

from stella.attest.model import ROTATION
from stella.kernel.instant import Instant, format_time, parse_duration, parse_time
from stella.key.errors import BadOverlap, BadPurpose, BadSince, KeyThere, ListFull, NextKeyWaits
from stella.key.folder import KeyFolder, listed_with, named, row, trust_of
from stella.key.model import (
    CreateKey,
    KeyCreated,
    KeyRevoked,
    KeyRotated,
    KeyShown,
    KeysListed,
    ListKeys,
    RevokeKey,
    RotateKey,
    ShowKey,
)
from stella.key.store import Store
from stella.operations import Context
from stella.runtime.files import read_file
from stella.runtime.places import below
from stella.signing import attestation, key_list, verification
from stella.signing.custody import Kept
from stella.signing.key_list import MAX_KEYS, ListedKey
from stella.signing.keys import MAX_KEY_FILE
from stella.signing.verification import Demand

MAX_OVERLAP = 365 * 86_400  # seconds; a key that waits for longer was forgotten


def create(ctx: Context, want: CreateKey) -> KeyCreated:
    """Make the first key for a purpose, and the folder when it is not there; it signs at once."""
    _check_purpose(want.purpose)
    keys = KeyFolder(ctx, want.dir, make=True)
    now = ctx.clock.read().wall
    private = None if want.private is None else read_file(Path(want.private), MAX_KEY_FILE)
    with keys.folder.lock():
        store = keys.opened() or keys.laid()
        for held in (key_list.active, key_list.following):
            if found := held(store.listed.keys, want.purpose, now):
                raise KeyThere(path=want.dir, purpose=want.purpose, keyid=found.keyid[:12])
        _check_room(store, want.dir)
        kept = keys.make(want.algorithm, want.purpose, private, want.private or "")
        _check_new(store, kept, want)
        new = key_list.listed(kept.public, want.purpose, now)
        store = listed_with(store, (*store.listed.keys, new), kept)
        keys.flip(store)
    return KeyCreated(key=row(new, store, now), pem=kept.public.to_pem().decode(), trust=keys.trust_place)


def list_(ctx: Context, want: ListKeys) -> KeysListed:
    """Every key, newest first."""
    keys = KeyFolder(ctx, want.dir)
    store, now = keys.read(), ctx.clock.read().wall
    chosen = [key for key in store.listed.keys if want.purpose in {None, key.purpose}]
    rows = tuple(row(key, store, now) for key in reversed(chosen))
    return KeysListed(keys=rows, serial=store.listed.serial, trust=keys.trust_place)


def show(ctx: Context, want: ShowKey) -> KeyShown:
    """One key with its public half."""
    keys = KeyFolder(ctx, want.dir)
    store = keys.read()
    found = named(store.listed.keys, want.keyid, want.dir)
    public = found.key
    return KeyShown(
        key=row(found, store, ctx.clock.read().wall),
        pem=public.to_pem().decode(),
        hint=public.hint,
        reason=found.revocation_reason,
    )


def rotate(ctx: Context, want: RotateKey) -> KeyRotated:
    """Publish the next key for a purpose; it takes over when the overlap is over."""
    _check_purpose(want.purpose)
    overlap = parse_duration(want.overlap)
    if overlap > MAX_OVERLAP:
        raise BadOverlap(overlap=want.overlap, limit="365d")
    keys = KeyFolder(ctx, want.dir)
    keys.read()  # a folder that is not there cannot be locked
    with keys.folder.lock():
        store, now = keys.changing(), ctx.clock.read().wall
        if waiting := key_list.following(store.listed.keys, want.purpose, now):
            raise NextKeyWaits(keyid=waiting.keyid[:12], purpose=want.purpose, begins=waiting.not_before)
        _check_room(store, want.dir)
        old = key_list.active(store.listed.keys, want.purpose, now)
        kept = keys.make(want.algorithm, want.purpose)
        new = key_list.listed(kept.public, want.purpose, now if old is None else now + overlap)
        said = _statement(keys, store, old, new, want) if old else None
        store = listed_with(store, key_list.rotated(store.listed.keys, new, now), kept, said or "")
        keys.flip(store)
    shown = {key.keyid: row(key, store, now) for key in store.listed.keys}
    return KeyRotated(
        old=shown[old.keyid] if old else None,
        new=shown[new.keyid],
        statement=below(want.dir, f"rotations/{said}.json") if said else None,
        trust=keys.trust_place,
    )


def revoke(ctx: Context, want: RevokeKey) -> KeyRevoked:
    """Let nothing of a key count from a time on, and destroy its private half."""
    keys = KeyFolder(ctx, want.dir)
    keys.read()  # a folder that is not there cannot be locked
    with keys.folder.lock():
        store, now = keys.changing(), ctx.clock.read().wall
        found = named(store.listed.keys, want.keyid, want.dir)
        since = _since(want.since, now)
        changed = key_list.revoked(store.listed.keys, found.keyid, since, want.reason)
        store = listed_with(store, changed)
        keys.revoke(store)
    key = named(store.listed.keys, found.keyid, want.dir)
    signs = key_list.active(store.listed.keys, found.purpose, now)
    return KeyRevoked(key=row(key, store, now), signs=signs.keyid if signs else None, trust=keys.trust_place)


def _since(text: str | None, now: Instant) -> Instant:
    since = now if text is None else parse_time(text)
    if since > now:
        raise BadSince(since=format_time(since), now=format_time(now))
    return since


def _statement(keys: KeyFolder, store: Store, old: ListedKey, new: ListedKey, want: RotateKey) -> str:
    """Write what the old key says of the new one, whose digest is its id; the digest of the statement."""
    predicate: dict[str, object] = {
        "purpose": want.purpose,
        "oldKey": old.keyid,
        "newKey": new.keyid,
        "algorithm": new.algorithm,
        "publicKey": new.public,
        "notBefore": new.not_before,
        "reason": want.reason,
        "ticket": want.ticket,
    }
    payload = attestation.statement(ROTATION, {f"key:{new.keyid}": new.keyid}, predicate)
    handle = store.handles[old.keyid]
    custody = keys.custody(handle)
    data = attestation.by_key(
        payload, old.key, lambda data: custody.sign(handle, data), lambda data: keys.stamp(store, data)
    )
    demand = Demand(keys.ctx.clock.read().wall, frozenset({ROTATION}), new.keyid, purpose=want.purpose, dated=True)
    verification.verify(data, trust_of(store), demand, "the statement of the rotation")
    return keys.write_rotation(data)


def _check_purpose(purpose: str) -> None:
    if not key_list.is_purpose(purpose):
        raise BadPurpose(purpose=ascii(purpose)[1:-1][:80])


def _check_room(store: Store, place: str) -> None:
    if len(store.listed.keys) >= MAX_KEYS:
        raise ListFull(path=place, count=len(store.listed.keys), limit=MAX_KEYS)


def _check_new(store: Store, kept: Kept, want: CreateKey) -> None:
    """A key has one purpose and one life: one that was there before is never taken again."""
    if any(key.keyid == kept.public.keyid for key in store.listed.keys):
        raise KeyThere(path=want.dir, purpose=want.purpose, keyid=kept.public.keyid[:12])
