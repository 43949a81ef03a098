"""Channels made of plain files, and the schema of their index, for tests of what is known about channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files as resources

import psycopg
import pytest

from stella.bundle.contents import blob_key
from stella.bundle.model import Blob, Entry, Mark, dump_lines, root_of_lines
from stella.kernel.canonical import dump
from stella.kernel.digest import sha256
from stella.mirror.channel import ChannelFolder, record_key
from stella.mirror.index import ChannelIndex, Entered
from stella.mirror.model import Channel, GenerationRecord, Head
from stella.runtime.ports import Folder
from stella.runtime.postgres import Connection
from stella.testing import MemoryFolder, SilentProgress

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
def connection(database: str) -> Iterator[Connection]:
    """A database with the schema of the mirror."""
    with psycopg.connect(database, autocommit=True) as found:
        migrated(found)
        yield found


def migrated(found: Connection) -> None:
    found.execute("CREATE SCHEMA mirror")
    found.execute("SET search_path TO mirror, pg_catalog")
    for file in sorted(resources("stella.mirror").joinpath("migrations").iterdir(), key=lambda file: file.name):
        found.execute(file.read_text())
    found.execute("RESET search_path")


def enter(connection: Connection, store: ChannelFolder, *, anew: bool = False) -> Entered:
    return ChannelIndex(connection).enter(store, NOW, SilentProgress(), anew=anew)


def rows(connection: Connection) -> list[tuple[object, ...]]:
    return connection.execute("SELECT * FROM mirror.entries ORDER BY channel_id, path, since").fetchall()


ONE: Files = {"artifacts/a": b"a", "artifacts/b": b"b", "other/gone": b"gone"}
TWO: Files = {"artifacts/a": b"a", "artifacts/b": b"changed", "other/new": b"b"}
