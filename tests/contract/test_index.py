"""The index of channels on a real PostgreSQL: what it answers is what the folders say, however it was made."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Sequence

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stella.bundle.contents import blob_key
from stella.bundle.model import Blob, Entry, Mark, dump_lines, root_of_lines
from stella.kernel.canonical import dump
from stella.kernel.digest import sha256
from stella.mirror.channel import ChannelFolder, record_key
from stella.mirror.index import ChannelIndex, Entered, keep_current
from stella.mirror.model import Channel, GenerationRecord, Head
from stella.operations import Context
from stella.runtime.errors import DatabaseUnavailable
from stella.runtime.postgres import Connection
from stella.runtime.settings import Settings
from stella.testing import ManualClock, MemoryFolder, SilentProgress, counted_entropy

NOW = 1_790_000_000
START, NOBODY = ("", "", ""), ("", "")
Files = dict[str, bytes]


def category(path: str) -> str:
    return path.partition("/")[0]


def laid(history: Sequence[Files], name: str = "stable") -> ChannelFolder:
    """A channel whose generations hold these files; what the index does not look at is left out."""
    store = ChannelFolder(MemoryFolder(), f"/srv/{name}")
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
    from importlib.resources import files

    found.execute("CREATE SCHEMA mirror")
    found.execute("SET search_path TO mirror, pg_catalog")
    for file in sorted(files("stella.mirror").joinpath("migrations").iterdir(), key=lambda file: file.name):
        found.execute(file.read_text())
    found.execute("RESET search_path")


def enter(connection: Connection, store: ChannelFolder, *, anew: bool = False) -> Entered:
    return ChannelIndex(connection).enter(store, NOW, SilentProgress(), anew=anew)


def rows(connection: Connection) -> list[tuple[object, ...]]:
    return connection.execute("SELECT * FROM mirror.entries ORDER BY channel_id, path, since").fetchall()


ONE: Files = {"artifacts/a": b"a", "artifacts/b": b"b", "other/gone": b"gone"}
TWO: Files = {"artifacts/a": b"a", "artifacts/b": b"changed", "other/new": b"b"}


def test_a_content_is_found_where_it_was_first(connection: Connection) -> None:
    enter(connection, laid([ONE, TWO, ONE]))
    index = ChannelIndex(connection)

    def first(data: bytes) -> list[tuple[int, int | None, str, int]]:
        return [(row.since, row.until, row.path, row.places) for row in index.contents(sha256(data), "", START, 9)]

    assert first(b"a") == [(1, None, "artifacts/a", 1)]
    assert first(b"b") == [(1, None, "artifacts/b", 3)]
    assert first(b"changed") == [(2, 2, "artifacts/b", 1)]
    assert first(b"gone") == [(1, None, "other/gone", 2)]
    assert first(b"never") == []


def test_the_beginning_of_a_digest_is_enough(connection: Connection) -> None:
    enter(connection, laid([ONE]))
    (row,) = ChannelIndex(connection).contents(sha256(b"a")[:8], "", START, 9)
    assert (row.label, row.kind, row.channel) == (sha256(b"a"), "content", "stable")


def test_an_unchanged_file_costs_no_row(connection: Connection) -> None:
    enter(connection, laid([ONE] * 5))
    assert len(rows(connection)) == len(ONE)


def test_entering_twice_changes_nothing(connection: Connection) -> None:
    store = laid([ONE, TWO])
    assert enter(connection, store) == Entered(2, 2, rebuilt=False)
    before = rows(connection)
    assert enter(connection, store) == Entered(2, 0, rebuilt=False)
    assert rows(connection) == before


def test_a_channel_laid_anew_under_its_id_is_entered_from_the_beginning(connection: Connection) -> None:
    enter(connection, laid([ONE, TWO]))
    assert enter(connection, laid([TWO, ONE])) == Entered(2, 2, rebuilt=True)
    assert rows(connection)[0][2] == 1


def test_a_folder_behind_the_index_is_the_truth(connection: Connection) -> None:
    enter(connection, laid([ONE, TWO]))
    assert enter(connection, laid([ONE])) == Entered(1, 1, rebuilt=True)
    assert ChannelIndex(connection).contents(sha256(b"changed"), "", START, 9) == []


contents = st.sampled_from([b"1", b"2", b"3"])
trees = st.dictionaries(st.sampled_from(["artifacts/a", "artifacts/b", "other/c", "other/d"]), contents)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(trees, max_size=6), st.integers(0, 6))
def test_the_answers_are_those_of_the_folders(connection: Connection, history: list[Files], stop: int) -> None:
    connection.execute("DELETE FROM mirror.channels")
    enter(connection, laid(history[:stop]))
    enter(connection, laid(history))
    stepwise = rows(connection)
    enter(connection, laid(history), anew=True)
    assert rows(connection) == stepwise
    index = ChannelIndex(connection)
    for data in (b"1", b"2", b"3"):
        carried = [number for number, files in enumerate(history, 1) if data in files.values()]
        found = index.contents(sha256(data), "", START, 9)
        assert [row.since for row in found] == carried[:1]
        if found:
            assert found[0].until == (None if carried[-1] == len(history) else carried[-1])
            assert found[0].path == min(path for path, held in history[carried[0] - 1].items() if held == data)


OSV = {"id": "GHSA-1", "aliases": ["CVE-2024-1", "PYSEC-1"], "modified": "2026-01-01T00:00:00Z"}
SBOM = {
    "bomFormat": "CycloneDX",
    "components": [
        {"name": "requests", "version": "2.1", "purl": "pkg:pypi/requests@2.1"},
        {"name": "@types/node", "version": "20.0.0", "purl": "pkg:npm/%40types/node@20.0.0?x=y"},
        {"name": "bare"},
    ],
}
SPDX = {
    "packages": [
        {
            "name": "zlib",
            "versionInfo": "1.3",
            "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:generic/zlib@1.3"}],
        }
    ]
}
NAMING: Files = {
    "advisories/1.json": json.dumps(OSV).encode(),
    "advisories/2.yaml": b"id: 'GHSA-2'\nsummary: x\n",
    "advisories/noise": b"\xff\x00",
    "sbom/app.cdx.json": json.dumps(SBOM).encode(),
    "sbom/lib.spdx.json": json.dumps(SPDX).encode(),
    "artifacts/app.cdx.json": json.dumps({"components": [{"name": "not an SBOM"}]}).encode(),
}


@pytest.mark.parametrize(
    ("term", "kind", "label"),
    [
        ("GHSA-1", "advisory", "GHSA-1"),
        ("CVE-2024-1", "advisory", "GHSA-1"),
        ("GHSA-2", "advisory", "GHSA-2"),
        ("requests", "package", "requests 2.1"),
        ("requests 2.1", "package", "requests 2.1"),
        ("pkg:pypi/requests", "package", "requests 2.1"),
        ("pkg:pypi/requests@2.1", "package", "requests 2.1"),
        ("pkg:npm/%40types/node", "package", "@types/node 20.0.0"),
        ("pkg:npm/%40types/node@20.0.0", "package", "@types/node 20.0.0"),
        ("bare", "package", "bare"),
        ("pkg:generic/zlib", "package", "zlib 1.3"),
    ],
)
def test_names_are_found_as_people_write_them(connection: Connection, term: str, kind: str, label: str) -> None:
    enter(connection, laid([ONE, NAMING, ONE]))
    (row,) = ChannelIndex(connection).named(term, ["advisory", "package"], "", START, 9)
    assert (row.kind, row.label, row.since, row.until) == (kind, label, 2, 2)
    other = "package" if kind == "advisory" else "advisory"
    assert ChannelIndex(connection).named(term, [other], "", START, 9) == []  # type: ignore[list-item]


def test_what_is_no_sbom_names_nothing(connection: Connection) -> None:
    enter(connection, laid([NAMING]))
    assert ChannelIndex(connection).named("not an SBOM", ["package"], "", START, 9) == []


def test_a_document_of_two_channels_is_read_once(connection: Connection) -> None:
    enter(connection, laid([NAMING]))
    enter(connection, laid([NAMING], "edge"))
    found = ChannelIndex(connection).named("requests", ["package"], "", START, 9)
    assert [row.channel for row in found] == ["edge", "stable"]
    assert connection.execute("SELECT count(*) FROM mirror.documents").fetchone() == (5,)
    assert [row.channel for row in ChannelIndex(connection).named("requests", ["package"], "edge", START, 9)] == [
        "edge"
    ]


def test_pages_follow_each_other_without_gap_or_repetition(connection: Connection) -> None:
    for name in "abcde":
        enter(connection, laid([ONE, TWO], name))
    index = ChannelIndex(connection)
    whole = index.channels(NOBODY, 99)
    assert [row.channel for row in whole] == list("abcde")
    paged, after = [], NOBODY
    while page := index.channels(after, 2):
        paged += page
        after = (page[-1].channel, page[-1].channel_id)
    assert paged == whole
    assert [row.generation for row in index.generations("c", (99, ""), 99)] == [2, 1]
    found = index.contents(sha256(b"a"), "", START, 99)
    assert index.contents(sha256(b"a"), "", (found[1].channel, found[1].channel_id, found[1].label), 99) == found[2:]


def test_a_channel_without_a_generation_is_listed(connection: Connection) -> None:
    enter(connection, laid([]))
    (row,) = ChannelIndex(connection).channels(NOBODY, 9)
    assert (row.channel, row.generation, row.root) == ("stable", None, None)


def test_writers_of_one_channel_wait_for_each_other(connection: Connection, database: str) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with psycopg.connect(database, autocommit=True) as own:
                enter(own, laid([ONE, TWO, ONE]))
        except BaseException as error:  # noqa: BLE001  # shown by the assertion
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    expected = rows(connection)
    enter(connection, laid([ONE, TWO, ONE]), anew=True)
    assert rows(connection) == expected


def test_a_failure_leaves_what_was_there(connection: Connection) -> None:
    enter(connection, laid([ONE]))
    before = rows(connection)
    broken = laid([ONE, NAMING])
    broken.folder.remove(blob_key(sha256(NAMING["sbom/app.cdx.json"])))
    with pytest.raises(Exception, match="does not exist"):
        enter(connection, broken)
    assert rows(connection) == before


def odd(*components: dict[str, str]) -> ChannelFolder:
    """A channel whose SBOM names these, and then something plain."""
    document = {"bomFormat": "CycloneDX", "components": [*components, {"name": "plain", "version": "1"}]}
    return laid([{"sbom/odd.cdx.json": json.dumps(document).encode()}])


@pytest.mark.parametrize(
    ("component", "found"),
    [
        ({"name": "a\x00b"}, ""),
        ({"name": "noise", "version": "\x00"}, ""),
        ({"name": "kept", "purl": "pkg:pypi/a\x00"}, ""),
        ({"name": "".join(f"{n:04x}" for n in range(3000))}, ""),
        ({"name": "kept", "purl": "pkg:pypi/kept?" + "".join(f"{n:04x}" for n in range(3000))}, ""),
        ({"name": "é" * 500}, "é" * 500),
    ],
)
def test_a_name_that_no_index_can_hold_is_left_out(
    component: dict[str, str], found: str, connection: Connection
) -> None:
    """Documents come from elsewhere: what one of them says must not keep a whole channel out."""
    enter(connection, odd(component))
    index = ChannelIndex(connection)
    assert [row.label for row in index.named("plain", ["package"], "", START, 9)] == ["plain 1"]
    assert [row.label for row in index.named(found, ["package"], "", START, 9)] == ([found] if found else [])


@pytest.mark.parametrize("broken", ["staged", "names", "lost"])
def test_whatever_happens_to_the_index_is_a_note(broken: str, connection: Connection) -> None:
    """The generation is published when the index is written."""
    if broken == "lost":
        connection.close()
    else:
        connection.execute(f"DROP TABLE mirror.{broken}")
    ctx = Context(
        clock=ManualClock(),
        entropy=counted_entropy("x"),
        progress=SilentProgress(),
        settings=Settings(),
        secret=lambda _: b"",
        actor="me",
        database=lambda: contextlib.nullcontext(connection),
    )
    (note,) = keep_current(ctx, laid([NAMING]))
    assert "not in the index yet" in note
    assert "stella mirror index /srv/stable" in note


def test_a_folder_may_have_any_name(connection: Connection) -> None:
    store = laid([ONE])
    store.shown = "/srv/\udcff"
    enter(connection, store)
    assert ChannelIndex(connection).channels(NOBODY, 9)[0].location == "/srv/\\xff"


def test_a_writer_that_hangs_is_not_waited_for_without_end(
    connection: Connection, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stella.mirror.index.PATIENCE_MS", 50)
    with psycopg.connect(database) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [sha256(b"stable")])
        with pytest.raises(DatabaseUnavailable, match="lock timeout"):
            enter(connection, laid([ONE]))
    assert enter(connection, laid([ONE])).entered == 1


def test_two_channels_with_the_same_documents_do_not_block_each_other(connection: Connection, database: str) -> None:
    """Both take the rows that they share in one order, whatever order a plan of the server gives them."""
    documents = {f"sbom/{n}.cdx.json": json.dumps({"components": [{"name": f"p{n}"}]}).encode() for n in range(40)}
    digests = sorted(sha256(data) for data in documents.values())
    put = "INSERT INTO mirror.documents VALUES (%s)"
    connection.execute("SET enable_sort = off")
    with psycopg.connect(database) as other:
        other.execute(put, [digests[0]])
        failures: list[BaseException] = []

        def work() -> None:
            try:
                enter(connection, laid([documents]))
            except BaseException as error:  # noqa: BLE001  # shown by the assertion
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
        while other.execute(waits).fetchone() == (0,):
            assert thread.is_alive()
        for digest in digests[1:]:
            other.execute(put, [digest])
        other.commit()
        thread.join()
    assert failures == []
