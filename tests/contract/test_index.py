"""The index of channels on a real PostgreSQL: what it answers is what the folders say, however it was made."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stella.bundle.channel import ChannelFolder
from stella.bundle.contents import Contents, blob_key
from stella.bundle.model import Entry, GenerationRecord
from stella.kernel.digest import sha256
from stella.mirror.catalogue import list_, search
from stella.mirror.index import KINDS, ChannelIndex, Entered, keep_current
from stella.mirror.model import ListChannels, SearchIndex
from stella.runtime import connections, roles
from stella.runtime.connections import Connections
from stella.runtime.errors import DatabaseUnavailable
from stella.runtime.transaction import TenantDatabase
from stella.testing import MemoryFolder, SilentProgress
from tests.channels import BEGIN, NOBODY, NOW, ONE, TWO, Files, enter, indexed, laid, rows
from tests.database import postgres
from tests.tenants import SEAL, Guarded, guarded

__all__ = ["guarded", "indexed", "postgres"]  # fixtures
pytestmark = [pytest.mark.network]


def test_a_content_is_found_where_it_was_first(indexed: Guarded) -> None:
    enter(indexed, laid([ONE, TWO, ONE]))
    index = indexed.through(ChannelIndex)

    def first(data: bytes) -> list[tuple[int, int | None, str, int]]:
        return [(row.first, row.last, row.path, row.places) for row in index.contents(sha256(data), "", BEGIN, 9)]

    assert first(b"a") == [(1, None, "artifacts/a", 1)]
    assert first(b"b") == [(1, None, "artifacts/b", 3)]
    assert first(b"changed") == [(2, 2, "artifacts/b", 1)]
    assert first(b"gone") == [(1, None, "other/gone", 2)]
    assert first(b"never") == []


def test_the_beginning_of_a_digest_is_enough(indexed: Guarded) -> None:
    enter(indexed, laid([ONE]))
    (row,) = indexed.through(ChannelIndex).contents(sha256(b"a")[:8], "", BEGIN, 9)
    assert (row.name, row.kind, row.channel) == (sha256(b"a"), "content", "stable")


def test_an_unchanged_file_costs_no_row(indexed: Guarded) -> None:
    enter(indexed, laid([ONE] * 5))
    assert len(rows(indexed)) == len(ONE)


def test_entering_twice_changes_nothing(indexed: Guarded) -> None:
    store = laid([ONE, TWO])
    assert enter(indexed, store) == Entered(2, 2, rebuilt=False)
    before = rows(indexed)
    assert enter(indexed, store) == Entered(2, 0, rebuilt=False)
    assert rows(indexed) == before


def test_a_channel_laid_anew_under_its_id_is_entered_from_the_beginning(indexed: Guarded) -> None:
    enter(indexed, laid([ONE, TWO]))
    assert enter(indexed, laid([TWO, ONE])) == Entered(2, 2, rebuilt=True)
    assert rows(indexed)[0][3] == 1


def test_a_folder_behind_the_index_is_the_truth(indexed: Guarded) -> None:
    enter(indexed, laid([ONE, TWO]))
    assert enter(indexed, laid([ONE])) == Entered(1, 1, rebuilt=True)
    assert indexed.through(ChannelIndex).contents(sha256(b"changed"), "", BEGIN, 9) == []


contents = st.sampled_from([b"1", b"2", b"3"])
trees = st.dictionaries(st.sampled_from(["artifacts/a", "artifacts/b", "other/c", "other/d"]), contents)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(trees, max_size=6), st.integers(0, 6))
def test_the_answers_are_those_of_the_folders(indexed: Guarded, history: list[Files], stop: int) -> None:
    indexed.execute("DELETE FROM mirror.channels")
    enter(indexed, laid(history[:stop]))
    enter(indexed, laid(history))
    stepwise = rows(indexed)
    enter(indexed, laid(history), anew=True)
    assert rows(indexed) == stepwise
    index = indexed.through(ChannelIndex)
    for data in (b"1", b"2", b"3"):
        carried = [number for number, files in enumerate(history, 1) if data in files.values()]
        found = index.contents(sha256(data), "", BEGIN, 9)
        assert [row.first for row in found] == carried[:1]
        if found:
            assert found[0].last == (None if carried[-1] == len(history) else carried[-1])
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
def test_names_are_found_as_people_write_them(indexed: Guarded, term: str, kind: str, label: str) -> None:
    enter(indexed, laid([ONE, NAMING, ONE]))
    (row,) = indexed.through(ChannelIndex).named(term, ["advisory", "package"], "", BEGIN, 9)
    assert (row.kind, row.name, row.first, row.last) == (kind, label, 2, 2)
    other = "package" if kind == "advisory" else "advisory"
    assert indexed.through(ChannelIndex).named(term, [other], "", BEGIN, 9) == []  # type: ignore[list-item]


def test_what_is_no_sbom_names_nothing(indexed: Guarded) -> None:
    enter(indexed, laid([NAMING]))
    assert indexed.through(ChannelIndex).named("not an SBOM", ["package"], "", BEGIN, 9) == []


def test_a_document_of_two_channels_is_read_once(indexed: Guarded) -> None:
    enter(indexed, laid([NAMING]))
    enter(indexed, laid([NAMING], "edge"))
    found = indexed.through(ChannelIndex).named("requests", ["package"], "", BEGIN, 9)
    assert [row.channel for row in found] == ["edge", "stable"]
    assert indexed.execute("SELECT count(*) FROM mirror.documents").fetchone() == (5,)
    assert [row.channel for row in indexed.through(ChannelIndex).named("requests", ["package"], "edge", BEGIN, 9)] == [
        "edge"
    ]


def test_pages_follow_each_other_without_gap_or_repetition(indexed: Guarded) -> None:
    for name in "abcde":
        enter(indexed, laid([ONE, TWO], name))
    index = indexed.through(ChannelIndex)
    whole = index.channels(NOBODY, 99)
    assert [row.channel for row in whole] == list("abcde")
    paged, after = [], NOBODY
    while page := index.channels(after, 2):
        paged += page
        after = (page[-1].channel, page[-1].channel_id)
    assert paged == whole
    assert [row.generation for row in index.generations("c", (99, ""), 99)] == [2, 1]
    found = index.contents(sha256(b"a"), "", BEGIN, 99)
    assert (
        index.contents(sha256(b"a"), "", (found[1].channel, found[1].channel_id, found[1].name, found[1].kind), 99)
        == found[2:]
    )


def test_a_channel_without_a_generation_is_listed(indexed: Guarded) -> None:
    enter(indexed, laid([]))
    (row,) = indexed.through(ChannelIndex).channels(NOBODY, 9)
    assert (row.channel, row.generation, row.root) == ("stable", None, None)


def test_writers_of_one_channel_wait_for_each_other(indexed: Guarded) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            enter(indexed, laid([ONE, TWO, ONE]))
        except BaseException as error:  # noqa: BLE001  # shown by the assertion
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    expected = rows(indexed)
    enter(indexed, laid([ONE, TWO, ONE]), anew=True)
    assert rows(indexed) == expected


def test_a_failure_leaves_what_was_there(indexed: Guarded) -> None:
    enter(indexed, laid([ONE]))
    before = rows(indexed)
    broken = laid([ONE, NAMING])
    broken.folder.remove(blob_key(sha256(NAMING["sbom/app.cdx.json"])))
    with pytest.raises(Exception, match="does not exist"):
        enter(indexed, broken)
    assert rows(indexed) == before


# ---- two indexers, a database that goes away, documents that mean harm


def test_who_waited_enters_the_folder_as_it_is_by_then(indexed: Guarded) -> None:
    """An indexer that looked before it waited would throw away what was entered in the meantime."""
    folder = MemoryFolder()
    laid([ONE, TWO], folder=folder)
    done: list[Entered] = []

    def work() -> None:
        done.append(enter(indexed, ChannelFolder(folder, "/srv/stable")))

    late = threading.Thread(target=work)
    with indexed.tenants.transaction("default") as transaction:
        transaction.all("stella.mirror", "hold_channel", channel_id=sha256(b"stable"))
        late.start()
        while indexed.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() == (0,):
            assert late.is_alive()
        store = laid([ONE, TWO, ONE], folder=folder)
        ChannelIndex(transaction).enter(store, NOW, SilentProgress())
    late.join()
    assert done == [Entered(3, 0, rebuilt=False)]
    assert [row.generation for row in indexed.through(ChannelIndex).generations("stable", (99, ""), 9)] == [3, 2, 1]


def test_channels_with_the_same_documents_do_not_lock_each_other_out(indexed: Guarded) -> None:
    """Each reads one of two documents first and the other one then."""
    first = {"sbom/a.json": json.dumps(SBOM).encode()}
    second = {"sbom/b.json": json.dumps(SPDX).encode()}
    meeting = threading.Barrier(2)

    class Meeting(SilentProgress):
        def advance(self, amount: int) -> None:
            del amount
            with contextlib.suppress(threading.BrokenBarrierError):
                meeting.wait(0.5)

    def work(name: str, history: list[Files]) -> Entered:
        return indexed.through(ChannelIndex).enter(laid(history, name), NOW, Meeting())

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(work, "ab", [[first, second], [second, first]]))
    assert done == [Entered(2, 2, rebuilt=False)] * 2
    assert asked(indexed, "zlib") == ["zlib 1.3", "zlib 1.3"]


class Severed(ChannelFolder):
    """A channel in the middle of whose reading the database goes away."""

    def __init__(self, store: ChannelFolder, sever: Callable[[], object], at: str) -> None:
        super().__init__(store.folder, store.shown)
        self.sever, self.at = sever, at

    def entries(self, record: GenerationRecord) -> list[Entry]:
        if self.at == "entries":
            self.sever()
        return super().entries(record)

    def contents(self, record: GenerationRecord) -> Contents:
        if self.at == "contents":
            self.sever()
        return super().contents(record)


@pytest.mark.parametrize("at", ["entries", "contents", "the end"])
def test_a_database_that_goes_away_is_a_note_and_no_failure(at: str, indexed: Guarded) -> None:
    def sever() -> None:
        indexed.execute("SELECT pg_terminate_backend(pid, 9000) FROM pg_stat_activity WHERE usename = 'stella_app'")

    class Severing(SilentProgress):
        def advance(self, amount: int) -> None:
            del amount
            if at == "the end":
                sever()

    store = Severed(laid([NAMING]), sever, at)
    (note,) = keep_current(replace(indexed.context(), progress=Severing()), store)
    assert "not in the index yet" in note
    assert "stella mirror index /srv/stable" in note
    assert rows(indexed) == []
    assert enter(indexed, store if at == "the end" else laid([NAMING])) == Entered(1, 1, rebuilt=False)


LONG = "".join(sha256(bytes([number])) for number in range(200))  # 12,800 characters that nothing compresses
HARMFUL: Files = {
    "advisories/long.json": json.dumps({"id": LONG, "aliases": ["CVE-1", "CVE-\0"]}).encode(),
    "advisories/alias.json": json.dumps({"id": "GHSA-7", "aliases": [LONG, "a\0b", "", "CVE-7"]}).encode(),
    "advisories/nul.yaml": b"id: x\0y\n",
    "sbom/app.json": json.dumps(
        {
            "components": [
                {"name": LONG},
                {"name": "nul\0", "version": "1"},
                {"name": "a", "version": LONG},
                {"name": "b", "version": "\0"},
                {"name": "c", "purl": f"pkg:generic/{LONG}"},
                {"name": "ä" * 500, "purl": "pkg:generic/" + "ö" * 500},
                {"name": "good", "version": "1"},
            ]
        }
    ).encode(),
    "sbom/surrogate.json": b'{"components": [{"name": "\\ud800"}]}',
    "sbom/deep.json": b"[" * 100_000,
}


def test_a_document_that_means_harm_costs_only_its_own_names(indexed: Guarded) -> None:
    enter(indexed, laid([HARMFUL]))
    index = indexed.through(ChannelIndex)
    for term in ("good", "GHSA-7", "CVE-7", "c"):
        assert len(index.named(term, KINDS, "", BEGIN, 9)) == 1, term


@pytest.mark.parametrize("odd", ["x\0", "\udcff", "\0"])
def test_a_question_that_no_database_can_hold_finds_nothing(odd: str, indexed: Guarded) -> None:
    enter(indexed, laid([NAMING]))
    assert asked(indexed, odd) == []
    assert asked(indexed, "requests", channel=odd) == []
    ctx = indexed.context()
    assert list_(ctx, ListChannels(channel=odd)).rows == ()


def test_a_channel_whose_path_is_no_unicode_is_entered(indexed: Guarded) -> None:
    enter(indexed, ChannelFolder(laid([ONE]).folder, "/srv/M\udcff"))
    (row,) = list_(indexed.context(), ListChannels()).rows
    assert row.dir == r"/srv/M\udcff"


def asked(indexed: Guarded, what: str, **more: Any) -> list[str]:
    """What a search finds, page by page."""
    ctx, cursor, found = indexed.context(), None, []
    while True:
        answer = search(ctx, SearchIndex(what=what, limit=1, cursor=cursor, **more))
        found += [row.name for row in answer.rows]
        cursor = answer.next
        if cursor is None:
            return found


@pytest.mark.parametrize(
    "what",
    [
        "pkg:npm/%40types/node@20.0.0?x=y",
        "pkg:npm/@types/node@20.0.0",
        "pkg:npm/%40types/node@20.0.0#lib/x",
        "PKG:NPM/%40types/node",
        "pkg:npm/%40types/node?other=z",
        " @types/node ",
        "@TYPES/node",
    ],
)
def test_a_package_is_found_however_its_url_is_written(what: str, indexed: Guarded) -> None:
    enter(indexed, laid([NAMING]))
    assert asked(indexed, what) == ["@types/node 20.0.0"]


@pytest.mark.parametrize("what", ["ghsa-1", "cve-2024-1", "Cve-2024-1 ", "PYSEC-1"])
def test_an_advisory_is_found_in_any_case(what: str, indexed: Guarded) -> None:
    enter(indexed, laid([NAMING]))
    assert asked(indexed, what) == ["GHSA-1"]


def test_a_digest_is_found_however_it_is_written(indexed: Guarded) -> None:
    enter(indexed, laid([ONE]))
    digest = sha256(b"a")
    for what in (digest, digest.upper(), f"sha256:{digest}", f"SHA256:{digest[:8].upper()}", f" {digest[:9]}\n"):
        assert asked(indexed, what) == [digest], what
    for what in (digest[:7], f"{digest}0", f"sha512:{digest}", "g" * 64):
        assert asked(indexed, what) == [], what


def test_a_page_ends_between_two_kinds_of_one_name(indexed: Guarded) -> None:
    both: Files = {
        "advisories/x.json": json.dumps({"id": "twice"}).encode(),
        "sbom/x.json": json.dumps({"components": [{"name": "twice"}]}).encode(),
    }
    enter(indexed, laid([both]))
    assert asked(indexed, "twice") == ["twice", "twice"]


def test_what_a_document_names_does_not_hang_on_where_it_was_first(indexed: Guarded) -> None:
    sbom = json.dumps({"components": [{"name": "inside"}]}).encode()
    enter(indexed, laid([{"advisories/x.json": sbom}, {"sbom/x.json": sbom}]))
    assert asked(indexed, "inside") == ["inside"]


def test_what_is_made_anew_is_read_anew(indexed: Guarded) -> None:
    """Another version may read more out of the same documents."""
    enter(indexed, laid([NAMING]))
    enter(indexed, laid([NAMING], "edge"))
    indexed.execute("DELETE FROM mirror.names")
    enter(indexed, laid([NAMING]), anew=True)
    assert asked(indexed, "requests") == ["requests 2.1", "requests 2.1"]


def test_a_writer_that_hangs_is_not_waited_for_without_end(indexed: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.LIMITS, "lock_timeout", "50")
    with indexed.tenants.transaction("default") as other:
        other.all("stella.mirror", "hold_channel", channel_id=sha256(b"stable"))
        impatient = TenantDatabase(Connections(indexed.login(roles.APP), keep=0), SEAL)
        with pytest.raises(DatabaseUnavailable, match="lock timeout"), impatient.transaction("default") as late:
            ChannelIndex(late).enter(laid([ONE]), NOW, SilentProgress())


def test_each_tenant_has_an_index_of_its_own(indexed: Guarded) -> None:
    enter(indexed, laid([NAMING]))
    other = indexed.through(ChannelIndex, "acme")
    assert other.channels(NOBODY, 9) == []
    assert other.named("requests", ["package"], "", BEGIN, 9) == []
    assert other.enter(laid([ONE]), NOW, SilentProgress()) == Entered(1, 1, rebuilt=False)
    assert [row.name for row in indexed.through(ChannelIndex).named("requests", ["package"], "", BEGIN, 9)] != []
    assert indexed.refusals == []
