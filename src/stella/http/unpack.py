"""A folder out of a ustar that somebody sent: hostile input.

Rules:
- Regular files and folders with safe relative names, each once; links, devices and every extension of the format (PAX,
  GNU) are refused before anything of them is read.
- Files are made new, never opened; nothing is made outside the empty folder that was given.
- Owner, mode and time of a member are ignored.
"""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import BinaryIO

from stella.http.errors import UploadNotUstar
from stella.http.places import problem_of
from stella.runtime.files import PUBLIC_MODE, open_file, step, writing

BLOCK = tarfile.BLOCKSIZE
CHUNK = 1 << 20
MAX_MEMBERS = 200_000  # bounds the files that one upload can make
MAGIC = b"ustar\x0000"


def unpack(archive: Path, folder: Path) -> int:
    """Unpack into an empty folder; the number of files. Raises UploadNotUstar, DiskFull or Unwritable.

    Nothing is synced: the caller makes the tree durable as a whole.
    """
    total = archive.stat().st_size
    seen: set[str] = set()
    files = 0
    with open_file(archive) as file:
        while True:
            offset = file.tell()
            block = file.read(BLOCK)
            if not any(block) and len(block) == BLOCK:
                return files
            member = _member(block, offset)
            name = member.name.removesuffix("/")
            if name in seen:
                raise UploadNotUstar(offset=offset, problem=f"`{ascii(name)[1:-1]}` is there twice")
            if len(seen) >= MAX_MEMBERS:
                raise UploadNotUstar(offset=offset, problem=f"it has more than {MAX_MEMBERS} members")
            if offset + BLOCK + member.size > total:
                raise UploadNotUstar(offset=offset, problem="it ends in the middle of a member")
            seen.add(name)
            _make(file, member, folder / name, offset)
            files += member.isreg()


def _member(block: bytes, offset: int) -> tarfile.TarInfo:
    """A header whose every claim has been checked."""
    if len(block) < BLOCK:
        raise UploadNotUstar(offset=offset, problem="it has no end")
    if block[257:265] != MAGIC:
        raise UploadNotUstar(offset=offset, problem="a member is not in the ustar format")
    try:
        member = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, ValueError) as error:
        raise UploadNotUstar(offset=offset, problem=f"its header is damaged ({error})") from None
    if member.type not in {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE}:
        raise UploadNotUstar(offset=offset, problem="a member is neither a file nor a folder")
    problem = problem_of(member.name)
    if problem:
        raise UploadNotUstar(offset=offset, problem=f"the name `{ascii(member.name)[1:-1]}` is refused: {problem}")
    if member.size < 0 or (member.isdir() and member.size):
        raise UploadNotUstar(offset=offset, problem="a size is impossible")
    return member


def _make(file: BinaryIO, member: tarfile.TarInfo, path: Path, offset: int) -> None:
    parent = path if member.isdir() else path.parent
    with writing(path):
        try:
            parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise UploadNotUstar(offset=offset, problem="a file is used as a folder") from None
        if member.isdir():
            return
        step("create", path)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PUBLIC_MODE)
        except (FileExistsError, NotADirectoryError):
            raise UploadNotUstar(offset=offset, problem="a member takes the place of another") from None
        with os.fdopen(handle, "wb", buffering=0) as out:
            left = member.size
            while left:
                chunk = file.read(min(CHUNK, left))
                if not chunk:
                    raise UploadNotUstar(offset=offset, problem="it ends in the middle of a member")
                out.write(chunk)
                left -= len(chunk)
    file.seek(-member.size % BLOCK, os.SEEK_CUR)
