"""The index of channels: what each generation of each channel holds, in PostgreSQL, for questions over all of them.

Rules:
- The folder of a channel is the truth. The index is made from it, and can be thrown away and made again at any time.
- Generations are entered in their order, each as a whole; entering what is there changes nothing.
- A channel whose history is not the one that was indexed, such as one laid anew, is entered from its beginning.
- Two writers of one channel wait for each other, and look at the folder when it is their turn: nobody enters an older
  state of it. Writers of different channels wait for each other where both have documents to read.
- What a document names is what a stranger wrote: whatever cannot be kept, or be looked for, is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from stella.bundle.channel import ChannelFolder
from stella.bundle.contents import Contents
from stella.bundle.model import Entry, GenerationRecord
from stella.kernel.errors import StellaError
from stella.kernel.instant import Instant
from stella.mirror.model import FoundRow, IndexRow
from stella.mirror.named import READERS, Kind, Named, folded, named
from stella.operations import Context
from stella.runtime.ports import Progress
from stella.runtime.postgres import storable
from stella.runtime.transaction import Row, Transaction

MAX_DOCUMENT_READ = 64 * 1024 * 1024  # bytes; a feed or an SBOM above it names nothing here, rather than fill memory
MAX_TERM = 512  # bytes of UTF-8; a search asks for no more
MAX_LABEL = 1024  # bytes; with digest and term these fit into a row of a b-tree, which has 2704
KINDS: tuple[Kind, ...] = ("advisory", "package")
STAGE = 10_000  # entries in one statement: a few megabytes


class Entered(NamedTuple):
    """What an update of the index did: the newest generation, how many were entered, whether all was made anew."""

    generation: int
    entered: int
    rebuilt: bool


Place = tuple[str, str, str, str]  # of a row among what was found: channel, its id, label, kind


class ChannelIndex:
    """The index of a tenant's channels, in a transaction of that tenant."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def _run(self, name: str, **values: Any) -> list[Row]:  # noqa: ANN401  # parameters of any type
        return self._transaction.all("stella.mirror", name, **values)

    def enter(self, store: ChannelFolder, now: Instant, progress: Progress, *, anew: bool = False) -> Entered:
        """Enter every generation of a channel that is missing; `anew` forgets the channel first."""
        channel = store.channel()
        self._run("hold_channel", channel_id=channel.channel_id)
        records = store.records()
        newest = self._run("newest_generation", channel_id=channel.channel_id)
        done, root = newest[0] if newest else (0, "")
        same = done == 0 or any(record.generation == done and record.root == root for record in records)
        if anew or not same:
            self._run("hold_documents")
            self._run("forget_documents", channel_id=channel.channel_id)
            self._run("drop_channel", channel_id=channel.channel_id)
            done = 0
        identity = {"channel_id": channel.channel_id, "channel": channel.channel, "created": channel.created}
        self._run("put_channel", **identity, location=store.shown, now=now)
        missing = [record for record in records if record.generation > done]
        progress.start("index", sum(record.files for record in missing), "files")
        for record in missing:
            self._enter(store, channel.channel_id, record)
            progress.advance(record.files)
        return Entered(records[-1].generation if records else 0, len(missing), bool(newest) and (anew or not same))

    def _enter(self, store: ChannelFolder, channel_id: str, record: GenerationRecord) -> None:
        entries = store.entries(record)
        which = {"channel_id": channel_id, "generation": record.generation}
        about = {"root": record.root, "created": record.created, "files": record.files}
        self._run("put_generation", **which, **about, content_bytes=record.content_bytes)
        for first in range(0, len(entries), STAGE):
            self._stage(channel_id, entries[first : first + STAGE])
        self._run("end_entries", **which)
        self._run("begin_entries", **which)
        if self._unread(channel_id):
            self._run("hold_documents")
            self._read(store.contents(record), entries, self._unread(channel_id))
        self._run("empty_stage", channel_id=channel_id)

    def _stage(self, channel_id: str, entries: Sequence[Entry]) -> None:
        self._run(
            "stage",
            channel_id=channel_id,
            paths=[entry.path for entry in entries],
            categories=[entry.category for entry in entries],
            digests=[entry.digest for entry in entries],
            sizes=[entry.size for entry in entries],
            media_types=[entry.media_type for entry in entries],
        )

    def _unread(self, channel_id: str) -> list[str]:
        return [row[0] for row in self._run("unread_documents", channel_id=channel_id, categories=list(READERS))]

    def _read(self, contents: Contents, entries: Sequence[Entry], unread: Collection[str]) -> None:
        small = {entry.digest for entry in entries if entry.size <= MAX_DOCUMENT_READ}
        readable = contents.in_store_order(small.intersection(unread))
        rows = (row for digest in readable for row in _rows(contents, digest))
        self._transaction.many("stella.mirror", "put_document", [{"digest": digest} for digest in unread])
        self._transaction.many("stella.mirror", "put_name", rows)

    def channels(self, after: tuple[str, str], limit: int) -> list[IndexRow]:
        """Channels by name and id behind `after`, with their newest generation."""
        place = {"after_channel": after[0], "after_id": after[1]}
        return [IndexRow(*row) for row in self._run("list_channels", **place, limit=limit)]

    def generations(self, channel: str, before: tuple[int, str], limit: int) -> list[IndexRow]:
        """Generations of the channels of that name below `before`, newest first."""
        place = {"before": before[0], "before_id": before[1]}
        return [IndexRow(*row) for row in self._run("list_generations", channel=channel, **place, limit=limit)]

    def contents(self, prefix: str, channel: str, after: Place, limit: int) -> list[FoundRow]:
        """Contents whose digest begins with `prefix`, in the channels of a name or (empty) in all."""
        span = {"low": prefix, "high": prefix + "g"}  # every hex digit sorts below
        return [FoundRow(*row) for row in self._run("find_content", **span, **_behind(channel, after), limit=limit)]

    def named(self, term: str, kinds: Sequence[Kind], channel: str, after: Place, limit: int) -> list[FoundRow]:
        """Packages and advisories known by that name, name and version, package URL or alias."""
        what = {"term": folded(term), "kinds": list(kinds)}
        return [FoundRow(*row) for row in self._run("find_named", **what, **_behind(channel, after), limit=limit)]


def keep_current(ctx: Context, store: ChannelFolder) -> tuple[str, ...]:
    """Enter a channel; what goes wrong comes back as a note, since the folder is whole."""
    try:
        with ctx.tenant() as transaction:
            ChannelIndex(transaction).enter(store, ctx.clock.read().wall, ctx.progress)
    except StellaError as problem:
        return (f"not in the index yet ({problem}); when that is mended: stella mirror index {store.shown}",)
    return ()


def _behind(channel: str, after: Place) -> dict[str, str]:
    place = dict(zip(("after_channel", "after_id", "after_label", "after_kind"), after, strict=True))
    return {"channel": channel, **place}


def _rows(contents: Contents, digest: str) -> Iterator[dict[str, str]]:
    for found in named(contents.read(digest)):
        if found.label and _fits(found.label, MAX_LABEL):
            purl = found.purl if _fits(found.purl, MAX_LABEL) else ""
            about = {"digest": digest, "kind": found.kind, "label": found.label, "purl": purl}
            yield from ({**about, "term": term} for term in _terms(found))


def _terms(found: Named) -> set[str]:
    """What people may look for: name, name and version, package URL with and without version, other ids."""
    base = found.purl.partition("#")[0].partition("?")[0]
    head, at, version = base.rpartition("@")
    bare = head if at and "/" not in version else base
    terms = {folded(term) for term in (found.name, found.label, base, bare, *found.also)}
    return {term for term in terms if term and _fits(term, MAX_TERM)}


def _fits(text: str, limit: int) -> bool:
    return storable(text) and len(text.encode()) <= limit
