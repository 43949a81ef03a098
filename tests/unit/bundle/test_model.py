"""Entries, stored forms and the root: one spelling, one order, nothing a path could be misread as."""

from __future__ import annotations

import random
import unicodedata

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from stella.bundle import model
from stella.bundle.errors import BadPath, DuplicatePath, LayoutMismatch, OverLimit
from stella.bundle.limits import MAX_MEMBER, MAX_PATH
from stella.bundle.model import (
    CATEGORIES,
    Blob,
    Entry,
    blob_order,
    check_entries,
    check_path,
    check_paths,
    dump_lines,
    members_of,
    parse_blobs,
    parse_entries,
    root_of_lines,
    tally,
)
from stella.kernel.digest import sha256
from stella.kernel.errors import NotJson, StellaError

DIGEST = sha256(b"content")


def entry(path: str, **changes: object) -> Entry:
    row = Entry(category="artifacts", digest=DIGEST, media_type="text/plain", path=path, size=7)
    return msgspec.structs.replace(row, **changes)


def sorted_entries(paths: list[str]) -> list[Entry]:
    return [entry(path) for path in sorted(paths, key=str.encode)]


digests = st.binary(min_size=1, max_size=4).map(sha256)
names = st.text(
    st.characters(blacklist_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"), blacklist_characters="/"),
    min_size=1,
    max_size=12,
)
paths = (
    st.lists(names, min_size=1, max_size=4)
    .map("/".join)
    .map(lambda path: unicodedata.normalize("NFC", path))
    .filter(lambda path: {"", ".", ".."}.isdisjoint(path.split("/")) and path.isprintable())
)
entries = st.builds(
    Entry,
    category=st.sampled_from(CATEGORIES),
    digest=digests,
    media_type=st.text(max_size=20),
    path=st.text(max_size=20),
    size=st.integers(0, MAX_MEMBER),
    tenant=st.none() | st.text(max_size=8),
)
blobs = st.builds(
    Blob,
    blob=digests,
    enc=st.sampled_from(["raw", "zstd", "hdiff"]),
    holds=st.lists(digests, max_size=3).map(tuple),
    size=st.integers(0, MAX_MEMBER),
    base=st.none() | digests,
)


@given(st.lists(entries | blobs, max_size=5))
def test_lines_are_rfc_8785(rows: list[Entry | Blob]) -> None:
    plain = [{name: value for name, value in msgspec.to_builtins(row).items() if value is not None} for row in rows]
    assert dump_lines(rows) == b"".join(rfc8785.dumps(row) + b"\n" for row in plain)


@given(st.lists(blobs, max_size=5))
def test_stored_forms_come_back(rows: list[Blob]) -> None:
    assert parse_blobs(dump_lines(rows)) == rows


@given(st.sets(paths, max_size=12))
def test_good_paths_come_back(found: set[str]) -> None:
    folders = {"/".join(path.split("/")[:count]) for path in found for count in range(1, path.count("/") + 1)}
    rows = sorted_entries([path for path in found if path not in folders])
    assert parse_entries(dump_lines(rows)) == rows


@given(st.lists(paths, min_size=1, max_size=10, unique=True), st.randoms(use_true_random=False))
def test_the_root_depends_on_what_is_there_and_not_on_the_order_of_finding(
    found: list[str], draw: random.Random
) -> None:
    shuffled = draw.sample(found, len(found))
    assert root_of_lines(dump_lines(sorted_entries(found))) == root_of_lines(dump_lines(sorted_entries(shuffled)))
    changed = [
        msgspec.structs.replace(row, size=8) if not place else row for place, row in enumerate(sorted_entries(found))
    ]
    assert root_of_lines(dump_lines(changed)) != root_of_lines(dump_lines(sorted_entries(found)))


def test_the_root_of_known_entries() -> None:
    """By hand, after RFC 6962: two leaves are hashed with 0x00, their node with 0x01."""
    rows = [entry("a"), entry("b")]
    first, second = (bytes.fromhex(sha256(b"\0" + dump_lines([row])[:-1])) for row in rows)
    assert root_of_lines(dump_lines(rows)) == sha256(b"\1" + first + second)
    assert root_of_lines(b"") == sha256(b"")


def test_a_stored_form_is_no_part_of_an_entry() -> None:
    assert set(Entry.__struct_fields__) == {"category", "digest", "media_type", "path", "size", "tenant"}
    with pytest.raises(NotJson):
        parse_entries(dump_lines([entry("a")]).replace(b'"size":7', b'"size":7,"stored":{"enc":"raw"}'))


BAD = {
    "absolute": "/etc/passwd",
    "parent": "artifacts/../etc/passwd",
    "parent first": "../x",
    "parent alone": "..",
    "dot": "artifacts/./x",
    "empty": "",
    "empty part": "artifacts//x",
    "trailing slash": "artifacts/",
    "decomposed": "artifacts/e\u0301",
    "newline": "artifacts/a\nb",
    "nul": "artifacts/a\0b",
    "escape": "artifacts/\x1b[31m",
    "bidirectional": "artifacts/\u202etxt.exe",
    "zero width": "artifacts/a\u200bb",
    "no-break space": "artifacts/a\u00a0b",
    "line separator": "artifacts/a\u2028b",
    "byte order mark": "artifacts/\ufeffa",
    "unassigned": "artifacts/\U000e0001",
    "lone surrogate": "artifacts/\ud800",
    "too long": "a" * (MAX_PATH + 1),
    "too long in bytes": "\u00e9" * (MAX_PATH // 2 + 1),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_paths(name: str) -> None:
    with pytest.raises(BadPath) as caught:
        check_path(BAD[name])
    assert caught.value.reason == "path"
    assert ("absolute" in caught.value.facts["problem"]) == (name == "absolute")
    str(caught.value).encode("ascii")  # the message never repeats what could harm a terminal


@pytest.mark.parametrize(
    "path", ["a", "a b", "...", "a/..b", ".hidden", "\u00e9", "\u65e5\u672c/\U0001f512", "a" * MAX_PATH, "a\\b"]
)
def test_good_paths(path: str) -> None:
    assert accepted([path])


@given(st.text(max_size=30))
def test_no_path_makes_the_check_fail_in_another_way(path: str) -> None:
    try:
        check_path(path)
    except BadPath:
        return
    assert not path.startswith("/")
    assert {"", ".", ".."}.isdisjoint(path.split("/"))
    assert "\0" not in path


def accepted(paths: list[str]) -> bool:
    try:
        check_paths(paths)
    except BadPath:
        return False
    return True


@pytest.mark.parametrize("name", BAD)
def test_a_bad_path_among_good_ones(name: str) -> None:
    with pytest.raises(BadPath):
        check_paths(["a/b", BAD[name], "c"])


@given(st.lists(st.text(alphabet="a./\n\u00e9\u0301", max_size=6), max_size=4))
def test_a_list_is_judged_as_its_paths_are(paths: list[str]) -> None:
    assert accepted(paths) == all(accepted([path, "b"]) and accepted([path]) for path in paths)
    for path in paths:
        try:
            check_path(path)
        except BadPath:
            assert not accepted([path])
        else:
            assert accepted([path])


LISTS = {
    "twice": (["a", "a"], DuplicatePath),
    "out of order": (["b", "a"], LayoutMismatch),
    "order of UTF-16 instead of bytes": (["\U0001f512", "\uff5e"], LayoutMismatch),
    "file and folder": (["a", "a/b"], BadPath),
    "file and folder with a name between": (["a", "a-b", "a/b"], BadPath),
    "file and folder far above": (["a", "a/b/c/d"], BadPath),
    "one bad path": (["a", "b/../c"], BadPath),
}


@pytest.mark.parametrize("name", LISTS)
def test_bad_lists(name: str) -> None:
    found, error = LISTS[name]
    with pytest.raises(error):
        check_entries([entry(path) for path in found])


@pytest.mark.parametrize(
    "changes", [{"digest": "0" * 63}, {"digest": "A" * 64}, {"size": -1}, {"size": MAX_MEMBER + 1}]
)
def test_digest_and_size_are_bounded(changes: dict[str, object]) -> None:
    with pytest.raises(LayoutMismatch):
        check_entries([entry("a", **changes)])


def test_the_number_of_entries_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MAX_ENTRIES", 2)
    check_entries([entry("a"), entry("b")])
    with pytest.raises(OverLimit) as caught:
        check_entries([entry("a"), entry("b"), entry("c")])
    assert (caught.value.facts["found"], caught.value.facts["limit"]) == (3, 2)


SPELLINGS = {
    "space": lambda line: line.replace(b'":', b'": ', 1),
    "order of keys": lambda line: msgspec.json.encode(dict(reversed(msgspec.json.decode(line).items()))) + b"\n",
    "escape": lambda line: line.replace(b'"a"', b'"\\u0061"'),
    "number": lambda line: line.replace(b'"size":7', b'"size":7.0'),
    "null for absent": lambda line: line.replace(b"}", b',"tenant":null}'),
    "no last newline": lambda line: line[:-1],
    "empty line": lambda line: line + b"\n",
    "carriage return": lambda line: line.replace(b"\n", b"\r\n"),
    "key twice": lambda line: line.replace(b'"size":7', b'"size":7,"size":7'),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_an_entry_has_one_spelling(name: str) -> None:
    good = dump_lines([entry("a")])
    assert parse_entries(good) == [entry("a")]
    changed = SPELLINGS[name](good)
    assert changed != good
    with pytest.raises(StellaError) as caught:
        parse_entries(changed)
    assert caught.value.reason == "structure"


@given(st.binary(max_size=200))
def test_no_bytes_make_parsing_fail_in_another_way(data: bytes) -> None:
    for parse in (parse_entries, parse_blobs):
        try:
            rows = parse(data)
        except StellaError:
            continue
        assert dump_lines(rows) == data


def test_two_forms_may_share_a_blob() -> None:
    one = Blob(blob="b" * 64, enc="raw", holds=("1" * 64, "2" * 64), size=2)
    both = Blob(blob="b" * 64, enc="raw", holds=("3" * 64,), size=2)
    other = Blob(blob="a" * 64, enc="raw", holds=("4" * 64,), size=1)
    rows = sorted([both, other, one], key=blob_order)
    assert rows == [other, one, both]
    assert list(members_of(rows).items()) == [("a" * 64, 1), ("b" * 64, 2)]


def test_the_tally_counts_by_category_in_a_fixed_order() -> None:
    rows = [
        entry("z", category="other", size=1),
        entry("b", category="vex", size=2),
        entry("a", category="vex", size=3),
    ]
    found = tally(rows)
    assert list(found) == ["vex", "other"]
    assert (found["vex"].files, found["vex"].bytes) == (2, 5)
