"""Inputs of the benchmark, made from the packages of this checkout's own environment.

Rules:
- Real files: Python sources, compiled extensions, metadata. Each copy is salted, so that nothing is the same twice.
- Seeded: two runs on one environment measure the same bytes.
- Made in memory where the machine has it, so that the disk measures nobody.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

MIXED_BYTES = 1_000_000_000
COMPRESSIBLE_BYTES = 600_000_000  # enough that the start of a command is a small part of its cost
COMPRESSED_SHARE = 0.3  # of the mixed corpus: what layers, wheels and archives are in a real mirror
ARCHIVE = 60_000_000
SMALL_FILES = 100_000
SMALL_SIZES = (200, 8_000)


def place(name: str) -> Path:
    """An empty folder to work in."""
    memory = Path("/dev/shm")  # noqa: S108  # a folder of our own below it
    enough = memory.is_dir() and shutil.disk_usage(memory).free > 8 * MIXED_BYTES
    top = (memory if enough else Path(__file__).parent / "work") / f"stella-bench-{name}"
    shutil.rmtree(top, ignore_errors=True)
    top.mkdir(parents=True)
    return top


def _files(environment: Path) -> list[Path]:
    found = (path for path in environment.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return sorted(found, key=lambda path: path.as_posix())


def _copies(files: list[Path], size: int) -> Iterator[tuple[str, bytes]]:
    turn = 0
    while True:
        for path in files:
            data = path.read_bytes()
            salt = f"# copy {turn}\n".encode()
            yield f"{turn}/{path.parent.name}/{path.name}", salt + data
            size -= len(data) + len(salt)
            if size <= 0:
                return
        turn += 1


def mixed(top: Path, environment: Path) -> Path:
    """One gigabyte: files of an environment, and archives that cannot be compressed."""
    into = top / "mixed"
    random_bytes = random.Random(1)  # noqa: S311  # reproducible, not secret
    compressed = int(MIXED_BYTES * COMPRESSED_SHARE)
    (into / "archives").mkdir(parents=True)
    for number in range(compressed // ARCHIVE):
        (into / "archives" / f"{number}.tar.gz").write_bytes(b"\x1f\x8b" + random_bytes.randbytes(ARCHIVE))
    for name, data in _copies(_files(environment), MIXED_BYTES - compressed):
        target = into / "packages" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return into


def compressible(top: Path, environment: Path) -> Path:
    """The files of an environment alone, as they are."""
    into = top / "compressible"
    for name, data in _copies(_files(environment), COMPRESSIBLE_BYTES):
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return into


def small(top: Path, environment: Path) -> Path:
    """A hundred thousand small files, cut from the sources of an environment."""
    into = top / "small"
    text = b"".join(path.read_bytes() for path in _files(environment) if path.suffix == ".py")
    seeded = random.Random(2)  # noqa: S311  # reproducible, not secret
    for number in range(SMALL_FILES):
        folder = into / f"{number % 256:02x}"
        if number < 256:  # noqa: PLR2004  # the first round makes the folders
            folder.mkdir(parents=True)
        start = seeded.randrange(len(text) - SMALL_SIZES[1])
        data = text[start : start + seeded.randint(*SMALL_SIZES)]
        (folder / f"{number}.py").write_bytes(b"# %d\n" % number + data)
    return into


def size_of(top: Path) -> int:
    """Bytes below a folder."""
    return sum(path.stat().st_size for path in top.rglob("*") if path.is_file())
