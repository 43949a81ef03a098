"""USTAR (POSIX.1-1988) as bundles use it: regular files, fixed owner, mode and time.

Rules:
- The folders of the OCI layout are the only other members: without them, tools that unpack for an ordinary account try
  to give the folders they make to root.
- A header has exactly one spelling. The reader takes name and size from it, builds the header again and compares all
  512 bytes, so nothing in a header is trusted and nothing in it can be changed unnoticed.
- Member data is padded with zeros to 512 bytes; two zero blocks end the file, and nothing follows them.
"""

from __future__ import annotations

import os
from typing import BinaryIO, NamedTuple

from stella.bundle.errors import BadHeader, DuplicateMember, ForbiddenMember, NotABundle, OverLimit, Truncated
from stella.bundle.limits import MAX_MEMBER, MAX_MEMBERS

BLOCK = 512
END = bytes(2 * BLOCK)
FIRST_MEMBER = "oci-layout"
FOLDERS = ("blobs/", "blobs/sha256/")

_KINDS = {
    ord("1"): "hard link",
    ord("2"): "symbolic link",
    ord("3"): "character device",
    ord("4"): "block device",
    ord("5"): "directory",
    ord("6"): "pipe",
    ord("7"): "contiguous file",
    ord("g"): "PAX global header",
    ord("x"): "PAX header",
    ord("K"): "GNU long link",
    ord("L"): "GNU long name",
    ord("S"): "sparse file",
    ord("V"): "volume header",
    ord("M"): "continuation of another volume",
}


class Member(NamedTuple):
    """A file inside a tar: name, offset of its data, size in bytes."""

    name: str
    offset: int
    size: int


def padding(size: int) -> int:
    """Zero bytes that follow `size` bytes of data."""
    return -size % BLOCK


def header(name: str, size: int) -> bytes:
    """The 512-byte header of a file or of one of FOLDERS, whose size is 0.

    Names are ASCII of at most 100 bytes: a bundle has no other ones.
    """
    raw, folder = name.encode("ascii"), name in FOLDERS
    if len(raw) > 100 or not 0 <= size <= (0 if folder else MAX_MEMBER):  # noqa: PLR2004  # width of the name field
        raise OverLimit(what=f"tar member `{name}`", found=size, limit=MAX_MEMBER)
    fields = b"".join(
        (
            raw.ljust(100, b"\0"),
            b"0000755\0" if folder else b"0000644\0",
            b"0000000\0" * 2,
            b"%011o\0" % size,
            b"00000000000\0",
            b" " * 8,
            b"5" if folder else b"0",
            bytes(100),
            b"ustar\x0000",
            bytes(64),
            b"0000000\0" * 2,
            bytes(167),
        )
    )
    return b"%b%06o\0 %b" % (fields[:148], sum(fields), fields[156:])


def _refuse(block: bytes, offset: int) -> None:
    kind = _KINDS.get(block[156])
    name = block[:100].rstrip(b"\0").decode("ascii", "replace")
    if kind:
        raise ForbiddenMember(name=ascii(name)[1:-1], offset=offset, kind=kind)
    raise BadHeader(offset=offset, problem="its bytes differ from the only spelling")


def scan(file: BinaryIO, path: object) -> list[Member]:
    """Every member of a bundle file, data unread, padding and end checked.

    Raises NotABundle when the first header is not that of a bundle, else Truncated, BadHeader, ForbiddenMember,
    DuplicateMember or OverLimit.
    """
    total = file.seek(0, os.SEEK_END)
    file.seek(0)
    members: list[Member] = []
    seen: set[str] = set()
    offset = 0
    while True:
        block = file.read(BLOCK)
        if not members and block[: len(FIRST_MEMBER) + 1] != FIRST_MEMBER.encode() + b"\0":
            raise NotABundle(path=path, problem="it does not begin with `oci-layout`")
        if len(block) < BLOCK:
            raise Truncated(offset=total, missing=BLOCK - len(block))
        if not block[0]:
            break
        member = _member(block, offset)
        if member.name in seen:
            raise DuplicateMember(name=member.name)
        if len(members) >= MAX_MEMBERS:
            raise OverLimit(what="number of tar members", found=f"more than {MAX_MEMBERS}", limit=MAX_MEMBERS)
        seen.add(member.name)
        members.append(member)
        end = member.offset + member.size
        offset = end + padding(member.size)
        if offset > total:
            raise Truncated(offset=total, missing=offset - total)
        file.seek(end)
        if any(file.read(offset - end)):
            raise BadHeader(offset=end, problem="padding is not zero")
    _check_end(file, block, offset, total)
    return members


def _member(block: bytes, offset: int) -> Member:
    name = block[:100].rstrip(b"\0")
    try:
        size = int(block[124:135], 8)
        rebuilt = header(name.decode("ascii"), size)
    except (ValueError, OverLimit):
        _refuse(block, offset)
        raise AssertionError from None
    if rebuilt != block or b"\0" in name:
        _refuse(block, offset)
    return Member(name.decode("ascii"), offset + BLOCK, size)


def _check_end(file: BinaryIO, block: bytes, offset: int, total: int) -> None:
    tail = block + file.read(BLOCK)
    if len(tail) < len(END):
        raise Truncated(offset=total, missing=len(END) - len(tail))
    if tail != END:
        raise BadHeader(offset=offset, problem="it should be the end of the archive")
    if offset + len(END) != total:
        raise BadHeader(offset=offset + len(END), problem="data after the end of the archive")
