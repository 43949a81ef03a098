"""Tar headers have one spelling, the one that Python's tarfile writes; anything else is refused by its own class."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.bundle import ustar
from stella.bundle.errors import BadHeader, DuplicateMember, ForbiddenMember, NotABundle, OverLimit, Truncated
from stella.bundle.limits import MAX_MEMBER
from stella.bundle.ustar import BLOCK, END, FOLDERS, Member, header, padding, scan
from stella.kernel.errors import StellaError

safe_names = st.text("abcdefghijklmnopqrstuvwxyz0123456789/-._", min_size=1, max_size=100).filter(
    lambda name: name[0] not in "/." and name[-1] != "/"
)


def by_tarfile(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o644, 0
    return info.tobuf(tarfile.USTAR_FORMAT)


@given(safe_names, st.integers(0, MAX_MEMBER))
def test_a_header_is_what_tarfile_writes(name: str, size: int) -> None:
    ours, theirs = header(name, size), bytearray(by_tarfile(name, size))
    # tarfile leaves the device fields of a regular file empty; POSIX asks for numbers, and GNU tar writes zeros
    theirs[329:345] = b"0000000\0" * 2
    assert ours == sealed(bytes(theirs))
    found = tarfile.TarInfo.frombuf(ours, "ascii", "strict")
    assert (found.name, found.size, found.mode, found.mtime, found.type) == (name, size, 0o644, 0, tarfile.REGTYPE)


@pytest.mark.parametrize("name", FOLDERS)
def test_the_two_folders_of_the_layout_are_the_only_ones(name: str) -> None:
    found = tarfile.TarInfo.frombuf(header(name, 0), "ascii", "strict")
    assert (found.name, found.mode, found.type) == (name.rstrip("/"), 0o755, tarfile.DIRTYPE)
    assert scanned(archive((name, b"")))[1] == Member(name, 2 * BLOCK + BLOCK, 0)
    with pytest.raises(OverLimit):
        header(name, 1)
    other = header(name, 0).replace(b"blobs/", b"blobz/", 1)
    with pytest.raises(ForbiddenMember) as caught:
        scanned(archive(("a", b"")).removesuffix(END) + sealed(other) + END)
    assert caught.value.facts["kind"] == "directory"


def archive(*members: tuple[str, bytes]) -> bytes:
    rows = [("oci-layout", b"first"), *members]
    return b"".join(header(name, len(data)) + data + bytes(padding(len(data))) for name, data in rows) + END


def scanned(data: bytes) -> list[Member]:
    return scan(io.BytesIO(data), "B.stella")


def sealed(block: bytes) -> bytes:
    """With the checksum that its other bytes ask for."""
    blank = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(blank) + block[156:]


def test_members_are_found_where_they_are() -> None:
    data = archive(("a", b"x" * 512), ("b", b""), ("c", b"y" * 513))
    found = scanned(data)
    assert [(row.name, row.size) for row in found] == [("oci-layout", 5), ("a", 512), ("b", 0), ("c", 513)]
    assert [data[row.offset : row.offset + row.size] for row in found] == [b"first", b"x" * 512, b"", b"y" * 513]
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as read:
        assert read.getnames() == [row.name for row in found]


@given(st.lists(st.binary(max_size=1200), max_size=5))
def test_any_members_come_back(contents: list[bytes]) -> None:
    data = archive(*((f"m{place}", content) for place, content in enumerate(contents)))
    assert [data[row.offset : row.offset + row.size] for row in scanned(data)[1:]] == contents


KINDS = "1234567gxKLSVM"


@pytest.mark.parametrize("kind", KINDS)
def test_forbidden_types(kind: str) -> None:
    data = bytearray(archive(("blobs/x", b"data")))
    at = 2 * BLOCK
    data[at : at + BLOCK] = sealed(bytes(data[at : at + 156]) + kind.encode() + bytes(data[at + 157 : at + BLOCK]))
    with pytest.raises(ForbiddenMember) as caught:
        scanned(bytes(data))
    assert caught.value.facts["kind"] == ustar._KINDS[ord(kind)]
    assert caught.value.facts["name"] == "blobs/x"
    assert caught.value.reason == "forbidden_member"


FIELDS = {
    "name": (0, b"blobs/\xc3\xa9"),
    "name without end": (0, b"n" * 100),
    "name with a second one behind it": (0, b"x\0y"),
    "mode": (100, b"0000755\0"),
    "mode with spaces": (100, b"   644 \0"),
    "uid": (108, b"0000001\0"),
    "gid": (116, b"0000001\0"),
    "size with spaces": (124, b"          4\0"),
    "size without end": (124, b"000000000004"),
    "size with an underscore": (124, b"0000000_004\0"),
    "size with a prefix": (124, b"0o000000004\0"),
    "size with a sign": (124, b"+0000000004\0"),
    "size in base 256": (124, b"\x80" + bytes(10) + b"\x04"),
    "no size": (124, b"\0" * 12),
    "mtime": (136, b"00000000001\0"),
    "old type": (156, b"\0"),
    "link name": (157, b"x"),
    "magic of GNU": (257, b"ustar  \0"),
    "magic of v7": (257, bytes(8)),
    "version": (263, b"01"),
    "uname": (265, b"root"),
    "gname": (297, b"root"),
    "devmajor": (329, b"0000001\0"),
    "devminor": (337, b"0000001\0"),
    "prefix": (345, b"../.."),
    "rest": (500, b"x"),
}


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("place", [1, 2])
def test_a_changed_field_with_a_right_checksum(name: str, place: int) -> None:
    offset, value = FIELDS[name]
    data = bytearray(archive(("blobs/x", b"data"), ("blobs/y", b"data")))
    at = place * 2 * BLOCK
    data[at : at + BLOCK] = sealed(
        bytes(data[at : at + offset]) + value + bytes(data[at + offset + len(value) : at + BLOCK])
    )
    if name == "name without end":  # a name of a hundred characters needs no end
        assert scanned(bytes(data))[place].name == "n" * 100
        return
    with pytest.raises(BadHeader) as caught:
        scanned(bytes(data))
    assert caught.value.facts["offset"] == at


@pytest.mark.parametrize("value", [b"000000\0 ", b"777777\0 ", b"        "])
def test_a_wrong_checksum(value: bytes) -> None:
    data = bytearray(archive(("a", b"x")))
    data[2 * BLOCK + 148 : 2 * BLOCK + 156] = value
    with pytest.raises(BadHeader):
        scanned(bytes(data))


def test_padding_must_be_zero() -> None:
    data = bytearray(archive(("a", b"x")))
    for offset in (BLOCK + 5, 2 * BLOCK - 1, 3 * BLOCK + 1, 4 * BLOCK - 1):
        data[offset] = 1
        with pytest.raises(BadHeader) as caught:
            scanned(bytes(data))
        assert caught.value.facts["problem"] == "padding is not zero"
        data[offset] = 0
    scanned(bytes(data))


@pytest.mark.parametrize("tail", [b"\0", bytes(BLOCK), b"x", header("late", 0)])
def test_nothing_follows_the_end(tail: bytes) -> None:
    with pytest.raises(BadHeader):
        scanned(archive() + tail)


@pytest.mark.parametrize("offset", [-1, -BLOCK, -BLOCK - 1, -2 * BLOCK + 1])
def test_end_blocks_must_be_zero(offset: int) -> None:
    data = bytearray(archive())
    data[offset] = 1
    with pytest.raises(BadHeader):
        scanned(bytes(data))


def test_cut_short_at_every_block_and_byte() -> None:
    data = archive(("a", b"x" * 700), ("b", b"y"))
    for size in {*range(11, len(data), BLOCK), *range(BLOCK, len(data), BLOCK), *range(len(data) - 40, len(data)), 100}:
        with pytest.raises(Truncated) as caught:
            scanned(data[:size])
        assert caught.value.reason == "truncated"
        assert caught.value.facts["missing"] > 0
    for size in range(11):
        with pytest.raises(NotABundle):
            scanned(data[:size])


def test_a_name_occurs_once() -> None:
    with pytest.raises(DuplicateMember):
        scanned(archive(("a", b"1"), ("a", b"1")))


def test_the_number_of_members_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ustar, "MAX_MEMBERS", 2)
    scanned(archive(("a", b"")))
    with pytest.raises(OverLimit):
        scanned(archive(("a", b""), ("b", b"")))


def test_a_writer_makes_no_header_that_it_could_not_read() -> None:
    with pytest.raises(OverLimit):
        header("x" * 101, 0)
    with pytest.raises(OverLimit):
        header("x", MAX_MEMBER + 1)
    with pytest.raises(UnicodeEncodeError):
        header("\u00e9", 0)


@pytest.mark.parametrize("data", [b"", b"x", b"oci-layout", b"PK\x03\x04", bytes(1024), header("index.json", 0) + END])
def test_another_kind_of_file(data: bytes) -> None:
    with pytest.raises(NotABundle):
        scanned(data)


@given(st.binary(max_size=64), st.integers(0, 3 * BLOCK))
def test_no_bytes_make_scanning_fail_in_another_way(noise: bytes, at: int) -> None:
    data = archive(("a", b"x" * 30))
    changed = data[:at] + noise + data[at + len(noise) :]
    try:
        found = scanned(changed)
    except StellaError:
        return
    assert b"".join(header(row.name, row.size) for row in found) == b"".join(
        changed[row.offset - BLOCK : row.offset] for row in found
    )
