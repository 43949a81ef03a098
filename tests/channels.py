"""Channels made of plain files, and the schema of their index, for tests of what is known about channels."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stella.bundle.channel import ChannelFolder, record_key
from stella.bundle.contents import blob_key
from stella.bundle.model import Blob, Channel, Entry, GenerationRecord, Head, Mark, dump_lines, root_of_lines
from stella.kernel.canonical import dump
from stella.kernel.digest import sha256
from stella.mirror.index import ChannelIndex, Entered
from stella.runtime.ports import Folder
from stella.testing import MemoryFolder, SilentProgress
from tests.tenants import Guarded

NOW = 1_790_000_000
NOBODY = ("", "")
BEGIN = ("", "", "", "")
Files = dict[str, bytes]


def category(path: str) -> str:
    return path.partition("/")[0]


def laid(history: Sequence[Files], name: str = "stable", folder: Folder | None = None) -> ChannelFolder:
    """A channel whose generations hold these files; what the index does not look at is left out."""
    store = ChannelFolder(folder or MemoryFolder(), f"/srv/{name}")
    channel = Channel(channel=name, channel_id=sha256(name.encode()), created="2026-01-01T00:00:00Z")
    store.folder.write("channel.json", dump(channel))
    mark = None
    for number, files in enumerate(history, 1):
        entries = [
            Entry(category(path), sha256(data), "text/plain", path, len(data)) for path, data in sorted(files.items())
        ]
        blobs = []
        for data in {sha256(data): data for data in files.values()}.values():
            store.folder.write(blob_key(sha256(data)), data)
            blobs.append(Blob(blob=sha256(data), enc="raw", holds=(sha256(data),), size=len(data)))
        lines = dump_lines(entries)
        record = GenerationRecord(
            generation=number,
            root=root_of_lines(lines),
            created=f"2026-01-01T00:00:{number:02d}Z",
            files=len(entries),
            content_bytes=sum(map(len, files.values())),
            documents={},
            entries=store.keep(lines),
            stored=store.keep(dump_lines(blobs)),
        )
        store.folder.write(record_key(number), dump(record))
        mark = Mark(number, record.root)
    store.folder.write("head.json", dump(Head(generation=mark, documents={})))
    return store


@pytest.fixture
def indexed(guarded: Guarded) -> Guarded:
    """A database with the index of channels."""
    guarded.migrate("mirror")
    return guarded


def enter(indexed: Guarded, store: ChannelFolder, *, anew: bool = False) -> Entered:
    return indexed.through(ChannelIndex).enter(store, NOW, SilentProgress(), anew=anew)


def rows(indexed: Guarded) -> list[tuple[object, ...]]:
    return indexed.execute("SELECT * FROM mirror.entries ORDER BY channel_id, path, since").fetchall()


ONE: Files = {"artifacts/a": b"a", "artifacts/b": b"b", "other/gone": b"gone"}
TWO: Files = {"artifacts/a": b"a", "artifacts/b": b"changed", "other/new": b"b"}
