"""A folder of keys: what `store.json` says, its renderings for verifiers, and the way to private keys.

Rules:
- Replacing `store.json` is the one step of every change. Files that it is to name are written before it, renderings and
  what it names no more are dealt with after it, by this run or by the next that changes something.
- A revocation is in the list for verifiers before it is in `store.json`, and counts from there on: one that was cut off
  in between is shown by every command and finished by the next that changes something.
- Keys of authorities are files. Keys that sign statements are files or in OpenBao, each where its handle says.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from stella.kernel.canonical import dump, load
from stella.kernel.digest import sha256
from stella.kernel.errors import NotCanonical, NotJson
from stella.kernel.instant import Instant, format_time, parse_time
from stella.key.errors import BadCustody, BadStore, KeyNotListed, NoKeys, PassphraseTooShort
from stella.key.model import KeyRow
from stella.key.store import AuthorityRecord, Store
from stella.operations import Context
from stella.runtime.errors import ObjectMissing, TooLarge
from stella.runtime.places import below
from stella.signing import authority, key_list, trusted_root
from stella.signing.authority import make_authority
from stella.signing.certifier import Certifier, make_certifier
from stella.signing.custody import FILE, ID, PREFIX, Custody, FileCustody, Kept
from stella.signing.errors import BadTrust
from stella.signing.key_list import KeyList, ListedKey
from stella.signing.keys import TimestampKey
from stella.signing.signing_key import SigningKey
from stella.signing.trusted_root import Trusted, TrustedRoot
from stella.signing.verification import Trust
from stella.signing.vocabulary import Algorithm

STORE = "store.json"
TRUST = "trust"
PUBLISHED = f"{TRUST}/{key_list.FILE}"  # the list of keys for verifiers
ROTATIONS = "rotations/"
MAX_STORE = 2 << 20  # bytes
SHORTEST = 8  # characters of an id that name a key
LEAST = 8  # characters of a passphrase; the key derivation cannot make up for less
_KEY_FILE = re.compile(rf"{PREFIX}[0-9a-f]{{{ID}}}\.key\Z")
NAME = "stella"  # in the certificates of the authorities


class KeyFolder:
    """Reads and changes a folder of keys. Raises as `Context.folder` when it is not there and not to be made."""

    def __init__(self, ctx: Context, place: str, *, make: bool = False) -> None:
        self.ctx = ctx
        self.place = place
        self.trust_place = below(place, TRUST)
        self.folder = ctx.folder(place, make=make)
        self.files = FileCustody(self.folder, lambda: passphrase(ctx), ctx.entropy)

    def read(self) -> Store:
        """What is there; raises NoKeys or BadStore."""
        return self._there(self.find())

    def changing(self) -> Store:
        """As `read`, for who holds the lock and means to change it."""
        return self._there(self.opened())

    def _there(self, store: Store | None) -> Store:
        if store is None:
            raise NoKeys(path=self.place)
        return store

    def find(self) -> Store | None:
        """What is there; None when nothing was made yet. Raises BadStore."""
        store = self._written()
        if store is None or (published := self._published()) is None:
            return store
        return msgspec.structs.replace(store, listed=key_list.believing(store.listed, published))

    def _written(self) -> Store | None:
        try:
            store = load(self.folder.read(STORE, MAX_STORE), Store, STORE)
            key_list.check(store.listed, STORE)
        except ObjectMissing:
            return None
        except (NotJson, NotCanonical, BadTrust) as error:
            raise BadStore(path=self.place, problem=error.message) from None
        return store

    def _published(self) -> KeyList | None:
        """What verifiers are told; None for what they would refuse, which is made again."""
        try:
            return key_list.read(self.folder.read(PUBLISHED, key_list.MAX_SIZE))
        except (ObjectMissing, NotJson, NotCanonical, BadTrust, TooLarge):
            return None

    def opened(self) -> Store | None:
        """As `find`, for who holds the lock: what a run that was killed has left undone is done first."""
        store = self.find()
        if store is not None:
            if store != self._written():
                self.folder.write(STORE, dump(store))
            self.render(store)
        return store

    def revoke(self, store: Store) -> None:
        """As `flip`, for a store that revokes: verifiers are told before anybody is shown it."""
        self.folder.write(PUBLISHED, key_list.write(store.listed))
        self.flip(store)

    def flip(self, store: Store) -> None:
        """Make it so, then render and tidy: the one atomic step of every change."""
        self.folder.write(STORE, dump(store))
        self.render(store)

    def render(self, store: Store) -> None:
        """Make `trust/` say what the store says, then tidy."""
        wanted = {
            PUBLISHED: key_list.write(store.listed),
            f"{TRUST}/{trusted_root.FILE}": trusted_root.write(root_of(store)),
        }
        wanted |= {f"{TRUST}/{key.keyid[:ID]}.pub": key.key.to_pem() for key in store.listed.keys}
        for path, data in wanted.items():
            if not self.folder.exists(path) or self.folder.read(path, MAX_STORE) != data:
                self.folder.write(path, data)
        self._tidy(store)

    def _tidy(self, store: Store) -> None:
        """Destroy private keys that never sign again, and those that a killed run has made and nothing names."""
        now = self.ctx.clock.read().wall
        signing = {key.keyid for key in store.listed.keys if key.state(now) not in {"retired", "revoked"}}
        counted = {record.handle for record in (*store.certifiers, *store.timers)}
        counted |= {handle for keyid, handle in store.handles.items() if keyid in signing}
        for keyid, handle in store.handles.items():
            if keyid not in signing and not handle.startswith(FILE):
                self.custody(handle).forget(handle)
        for path in list(self.folder.keys(PREFIX)):
            if _KEY_FILE.match(path) and f"{FILE}{path}" not in counted:
                self.files.forget(f"{FILE}{path}")

    def laid(self) -> Store:
        """A store without keys, whose authorities have just been made; their keys are written."""
        ctx, now = self.ctx, self.ctx.clock.read().wall
        certifier, timer = make_certifier(ctx.entropy, now, NAME), make_authority(ctx.entropy, now, NAME)
        kept = self.files.take(certifier.key), self.files.take(SigningKey(timer.key.key))
        return Store(
            listed=KeyList(serial=0, keys=()),
            handles={},
            certifiers=(_record(certifier.chain, kept[0], now),),
            timers=(_record((timer.certificate, timer.root), kept[1], now),),
        )

    def custody(self, handle: str = "") -> Custody:
        """Where a key is, or where new ones are to be made; raises BadCustody."""
        chosen = handle.partition(":")[0] or self.ctx.settings.keys.custody
        if chosen == "bao":
            from stella.runtime.openbao import OpenBao  # noqa: PLC0415  # most keys are files
            from stella.signing.bao_custody import BaoCustody  # noqa: PLC0415  # as above

            bao = self.ctx.settings.bao
            return BaoCustody(OpenBao(bao.address, self.ctx.secret(bao.token)), bao.transit, self.ctx.entropy)
        if chosen != "file":
            raise BadCustody(custody=chosen)
        return self.files

    def make(self, algorithm: Algorithm, purpose: str, private: bytes | None = None, what: str = "") -> Kept:
        """A new key, or one that was made elsewhere, in the custody of the settings."""
        if private is None:
            return self.custody().make(algorithm, purpose)
        return self.files.take(SigningKey.from_pem(private, passphrase(self.ctx), what))

    def stamp(self, store: Store, data: bytes) -> bytes:
        """A proof of time over `data`, by the store's own authority."""
        timer = store.timers[-1]
        key = self.files.key(timer.handle).native
        return authority.issue(data, self.ctx.clock.read().wall, TimestampKey(key), base64.b64decode(timer.chain[0]))  # type: ignore[arg-type]  # made on P-256

    def certifier(self, store: Store) -> Certifier:
        """The authority of certificates, with its key."""
        record = store.certifiers[-1]
        issuing, root = (base64.b64decode(text) for text in record.chain)
        return Certifier((issuing, root), self.files.key(record.handle))

    def write_rotation(self, data: bytes) -> str:
        """Keep a statement; its digest."""
        digest = sha256(data)
        self.folder.write(f"{ROTATIONS}{digest}.json", data)
        return digest


def passphrase(ctx: Context) -> bytes:
    """What private keys are encrypted with; raises PassphraseTooShort, or as a secret that cannot be read."""
    found = ctx.secret(ctx.settings.keys.passphrase)
    if len(found) < LEAST:
        raise PassphraseTooShort(length=len(found), least=LEAST)
    return found


def root_of(store: Store) -> TrustedRoot:
    """The authorities of a store as verifiers take them."""
    return TrustedRoot(tuple(map(_trusted, store.certifiers)), tuple(map(_trusted, store.timers)))


def trust_of(store: Store) -> Trust:
    """What the owner of a store believes: all of its keys and authorities."""
    return Trust(store.listed.keys, root_of(store))


def named(keys: Sequence[ListedKey], keyid: str, place: str) -> ListedKey:
    """The key of an id or of how it begins; raises KeyNotListed."""
    found = [key for key in keys if len(keyid) >= SHORTEST and key.keyid.startswith(keyid)]
    if len(found) != 1:
        raise KeyNotListed(path=place, keyid=ascii(keyid)[1:-1][:64])
    return found[0]


def row(key: ListedKey, store: Store, now: Instant) -> KeyRow:
    """A key as it is shown."""
    state = key.state(now)
    custody: Literal["file", "bao", "gone"] = "bao" if store.handles[key.keyid].startswith("bao:") else "file"
    return KeyRow(
        keyid=key.keyid,
        purpose=key.purpose,
        algorithm=key.algorithm,
        state=state,
        not_before=key.not_before,
        not_after=key.not_after,
        revoked=key.revoked,
        custody="gone" if state in {"retired", "revoked"} else custody,
    )


def _record(chain: tuple[bytes, bytes], kept: Kept, now: Instant) -> AuthorityRecord:
    """An authority that counts from a day before now, as its certificates do."""
    begin = now - int(authority.BACKDATE.total_seconds())
    return AuthorityRecord(
        chain=tuple(base64.b64encode(der).decode() for der in chain),
        begin=format_time(begin),
        end=format_time(begin + authority.YEARS * 365 * 86_400),
        handle=kept.handle,
    )


def _trusted(record: AuthorityRecord) -> Trusted:
    chain = tuple(base64.b64decode(text) for text in record.chain)
    return Trusted(chain, parse_time(record.begin), parse_time(record.end))


def listed_with(store: Store, keys: Sequence[ListedKey], kept: Kept | None = None, rotation: str = "") -> Store:
    """The store with another list of keys, one of which may be new."""
    listed = KeyList(
        serial=store.listed.serial + 1,
        keys=tuple(keys),
        rotations=(*store.listed.rotations, rotation) if rotation else store.listed.rotations,
    )
    handles = {**store.handles, kept.public.keyid: kept.handle} if kept else store.handles
    return msgspec.structs.replace(store, listed=listed, handles=handles)
