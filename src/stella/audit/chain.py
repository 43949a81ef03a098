"""The chain of a tenant's events and the checkpoints over it; pure.

Rules:
- The hash of an event is SHA-256 over its canonical JSON (RFC 8785) with sequence and `previousEventHash`, without
  `eventHash`.
- A checkpoint holds the RFC 6962 root over the raw event hashes in order. It is signed as DSSE under a payload type of
  its own.
- Personal texts are hashed as they are stored, encrypted: a key that is erased breaks nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

from stella.audit.model import GENESIS, Chained, Checkpoint, Linked, Record, fields_of
from stella.kernel import dsse
from stella.kernel.canonical import dump, dump_whole, load
from stella.kernel.digest import sha256
from stella.kernel.errors import NotCanonical
from stella.kernel.instant import Instant, format_time
from stella.kernel.merkle import Frontier

PAYLOAD_TYPE = "application/vnd.stella.audit.checkpoint+json"


def hash_of(event: Linked) -> str:
    """The event hash, of a link too: its own hash is left out."""
    linked = Linked(**fields_of(event), sequence=event.sequence, previous_event_hash=event.previous_event_hash)
    return sha256(dump_whole(linked))


class Chain:
    """How far a chain is: size, hash of the last event, and the edge of the tree over all of them."""

    def __init__(self, head: str = GENESIS, frontier: Frontier | None = None) -> None:
        self.head = head
        self.frontier = frontier or Frontier()

    @property
    def size(self) -> int:
        return self.frontier.size

    @property
    def root(self) -> str:
        """Root over all event hashes, hex."""
        return self.frontier.root().hex()

    def link(self, record: Record) -> Chained:
        """Append a record; its link."""
        place = self.size + 1, self.head
        linked = Linked(**fields_of(record), sequence=place[0], previous_event_hash=place[1])
        own = sha256(dump_whole(linked))
        made = Chained(**fields_of(record), sequence=place[0], previous_event_hash=place[1], event_hash=own)
        self.take(made)
        return made

    def take(self, event: Chained) -> None:
        """Append a link that was checked."""
        self.head = event.event_hash
        self.frontier.push(bytes.fromhex(event.event_hash))

    def checkpoint(self, tenant: str, after: int, now: Instant) -> Checkpoint:
        """The statement about the chain as it is now; `after` is the size of the one before."""
        return Checkpoint(
            tenant=tenant, size=self.size, after=after, root=self.root, head=self.head, time=format_time(now)
        )


def sign(checkpoint: Checkpoint, signer: dsse.Signer) -> bytes:
    """The checkpoint as a signed envelope."""
    return dsse.sign(PAYLOAD_TYPE, dump_whole(checkpoint), [signer])


def opened(envelope: dsse.Envelope, keys: Iterable[dsse.Verifier], what: str) -> tuple[Checkpoint, str]:
    """The checkpoint of an envelope that one of the keys signed, and the id of that key.

    What a signature does not cover has one form too: one signature, under the id of its key, in plain base64. Raises as
    `dsse.verify`, or NotCanonical.
    """
    found = dsse.verify(dump(envelope), PAYLOAD_TYPE, keys, 1, what)
    (first, *more), (keyid, *_) = envelope.signatures, found.keyids
    if more or first.keyid != keyid or not (_plain(first.sig) and _plain(envelope.payload)):
        raise NotCanonical(what=what)
    return load(found.payload, Checkpoint, what), keyid


def _plain(text: str) -> bool:
    """Whether base64 is in its one spelling: bits that are not used are zero (RFC 4648 section 3.5)."""
    try:
        return base64.b64encode(base64.b64decode(text, validate=True)).decode() == text
    except ValueError:
        return False
