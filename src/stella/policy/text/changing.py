"""A file of a person gets new bytes."""

from __future__ import annotations

import stat
from pathlib import Path

from stella.runtime.files import reading, replacing


def replace(path: Path, data: bytes) -> None:
    """Put new bytes where a file is, as a whole, with its rights; where a link leads, not in place of the link.

    Raises Unreadable, DiskFull or Unwritable.
    """
    with reading(path):
        real = path.resolve(strict=True)
        mode = stat.S_IMODE(real.stat().st_mode)
    with replacing(real, mode) as file:
        file.write(data)
