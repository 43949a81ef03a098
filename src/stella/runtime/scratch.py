"""Folders for work in progress, outside of every channel and site.

Rules:
- They go away with the block; what cannot be removed then is left to whoever cleans the folder of temporary files.
- A full or missing folder of temporary files is an error of this machine like every other one.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stella.runtime.files import writing


@contextlib.contextmanager
def scratch(name: str) -> Iterator[Path]:
    """An empty folder in TMPDIR for the length of the block; raises DiskFull or Unwritable."""
    with writing(Path(os.environ.get("TMPDIR") or "/tmp")):  # noqa: S108  # only named in the message
        folder = tempfile.TemporaryDirectory(prefix=f"stella-{name}-", ignore_cleanup_errors=True)
    with folder as place:
        yield Path(place)
