"""Disks that are full."""

from __future__ import annotations

import errno
import io


class FullDisk(io.BytesIO):
    """A buffered file on a disk that is full when the last bytes leave the buffer."""

    def seek(self, *_: int) -> int:
        raise OSError(errno.ENOSPC, "full")

    def close(self) -> None:
        raise OSError(errno.ENOSPC, "still full")
