"""What is wrong with the file itself: cut short, longer, or a tar that other unpackers would read differently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stella.bundle.ustar import BLOCK, END, header, padding, scan
from tests.e2e.refusal import refused, stands
from tests.world import World, second_release


def with_checksum(block: bytes) -> bytes:
    """The header with the checksum that its other bytes ask for."""
    blank = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(blank) + block[156:]


def patched(block: bytes, offset: int, data: bytes) -> bytes:
    return with_checksum(block[:offset] + data + block[offset + len(data) :])


def member(name: str, data: bytes = b"evil") -> bytes:
    return header(name, len(data)) + data + bytes(padding(len(data)))


def second_member(path: Path) -> int:
    """Offset of the header of the second member."""
    with path.open("rb") as file:
        return scan(file, path)[1].offset - BLOCK


def as_type(kind: bytes) -> Callable[[bytes, int], bytes]:
    def forge(data: bytes, at: int) -> bytes:
        return data[:at] + patched(data[at : at + BLOCK], 156, kind) + data[at + BLOCK :]

    return forge


def field(offset: int, value: bytes) -> Callable[[bytes, int], bytes]:
    def forge(data: bytes, at: int) -> bytes:
        return data[:at] + patched(data[at : at + BLOCK], offset, value) + data[at + BLOCK :]

    return forge


def added(name: str) -> Callable[[bytes, int], bytes]:
    return lambda data, _: data.removesuffix(END) + member(name) + END


def link_to_passwd(data: bytes, at: int) -> bytes:
    link = patched(patched(header("blobs/link", 0), 156, b"2"), 157, b"/etc/passwd")
    return data[:at] + link + data[at:]


def pax_path(data: bytes, at: int) -> bytes:
    record = b"30 path=../../../etc/passwd\n  "
    pax = patched(header("PaxHeader", len(record)), 156, b"x") + record + bytes(padding(len(record)))
    return data[:at] + pax + data[at:]


FRAMES: dict[str, tuple[Callable[[bytes, int], bytes], str]] = {
    "hard link": (as_type(b"1"), "forbidden_member"),
    "symbolic link": (as_type(b"2"), "forbidden_member"),
    "character device": (as_type(b"3"), "forbidden_member"),
    "block device": (as_type(b"4"), "forbidden_member"),
    "directory": (as_type(b"5"), "forbidden_member"),
    "pipe": (as_type(b"6"), "forbidden_member"),
    "PAX": (as_type(b"x"), "forbidden_member"),
    "PAX global": (as_type(b"g"), "forbidden_member"),
    "GNU long name": (as_type(b"L"), "forbidden_member"),
    "GNU sparse": (as_type(b"S"), "forbidden_member"),
    "old regular": (as_type(b"\0"), "structure"),
    "link to a file of the machine": (link_to_passwd, "forbidden_member"),
    "PAX record with a path": (pax_path, "forbidden_member"),
    "traversal": (added("../../../etc/passwd"), "structure"),
    "absolute": (added("/etc/passwd"), "structure"),
    "unknown member": (added("blobs/sha256/evil"), "structure"),
    "duplicate": (added("index.json"), "duplicate"),
    "setuid": (field(100, b"0004755"), "structure"),
    "owner": (field(108, b"0001750"), "structure"),
    "time": (field(136, b"14000000000"), "structure"),
    "owner name": (field(265, b"root"), "structure"),
    "prefix": (field(345, b"../.."), "structure"),
    "size in base 256": (field(124, b"\x80" + bytes(10) + b"\x1e"), "structure"),
    "size with a sign": (field(124, b"-0000000001"), "structure"),
    "size that leaves the file": (field(124, b"77777777777"), "truncated"),
    "data after the end": (lambda data, _: data + b"x", "structure"),
    "blocks after the end": (lambda data, _: data + END, "structure"),
    "a second archive": (lambda data, _: data + data, "structure"),
    "one end block": (lambda data, _: data[:-BLOCK], "truncated"),
    "no end block": (lambda data, _: data.removesuffix(END), "truncated"),
    "members after an end block": (lambda data, _: data[: -len(END)] + bytes(BLOCK) + member("x") + END, "structure"),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames(name: str, world: World) -> None:
    forge, reason = FRAMES[name]
    good = world.top / "2.stella"
    data = good.read_bytes()
    evil = world.top / "evil.stella"
    evil.write_bytes(forge(data, second_member(good)))
    assert evil.read_bytes() != data
    stands(world, evil, reason)


def test_members_in_another_order(world: World) -> None:
    good = world.top / "2.stella"
    data = good.read_bytes()
    with good.open("rb") as file:
        last, end = (row.offset - BLOCK for row in scan(file, good)[-2:])
    swapped = data[:last] + data[end:].removesuffix(END) + data[last:end] + END
    (world.top / "evil.stella").write_bytes(swapped)
    stands(world, world.top / "evil.stella", "structure")


def test_a_file_that_was_cut_short_anywhere(world: World) -> None:
    data = (world.top / "2.stella").read_bytes()
    evil, before = world.top / "evil.stella", world.running()
    for size in [*range(512, len(data), len(data) // 60), *range(BLOCK, len(data), BLOCK * 7), len(data) - 1]:
        evil.write_bytes(data[:size])
        refused(world, evil, "truncated")
    assert world.running() == before
    assert world.import_("2.stella").generation == 2
    assert world.files() == second_release()


@pytest.mark.parametrize("data", [b"", b"oci-layou", b"\x1f\x8b" + bytes(600), b"PK\x03\x04", bytes(2048)], ids=repr)
def test_what_is_no_bundle_at_all_is_a_mistake_and_no_attack(data: bytes, world: World) -> None:
    (world.top / "other").write_bytes(data[:2048])
    error = refused(world, "other", "not_a_bundle", quarantined=False)
    assert int(error.exit) == 2
