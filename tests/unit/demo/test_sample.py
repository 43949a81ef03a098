"""The made program is the same everywhere and changes as a linked program does."""

from __future__ import annotations

import hashlib
from pathlib import Path

import hdiffpatch
import zstandard

from stella.demo import sample

MEGABYTE = 1_000_000
DIGESTS = ["4d9255c0d22c25f1", "9f2abce6d6d05431"]


def test_the_bytes_are_fixed() -> None:
    digests = [hashlib.sha256(sample.program(version)).hexdigest()[:16] for version in sample.VERSIONS]
    assert digests == DIGESTS


def test_nearly_everything_moves_but_a_delta_finds_it() -> None:
    old, new = map(sample.program, sample.VERSIONS)
    assert 8 * MEGABYTE < len(old) < len(new) < 9 * MEGABYTE
    pairs = list(zip(old[MEGABYTE::16], new[MEGABYTE::16], strict=False))
    assert sum(a == b for a, b in pairs) < len(pairs) // 2
    plain = len(zstandard.ZstdCompressor(3).compress(new))
    assert plain < 0.8 * len(new)
    assert len(hdiffpatch.diff(old, new, compression=hdiffpatch.COMPRESSION_ZSTD)) < plain / 20


def test_a_release_is_the_program_and_its_notes(tmp_path: Path) -> None:
    assert sample.make_release("1.1.0", tmp_path / "out") == tmp_path / "out"
    assert (tmp_path / "out/bin/sample-server").read_bytes() == sample.program("1.1.0")
    assert (tmp_path / "out/NOTES.txt").read_text().startswith("sample-server 1.1.0\n")
