"""The files of a tenant that is erased: what its requests and uploads have left in the folders of the service.

Rules:
- A folder is one that bears the tenant's id and is named by nobody else; links in it are removed, not followed.
- What cannot be removed keeps the whole erasure back, so that no proof says more than is true.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from stella.identity.erasure import Gone
from stella.kernel.tenant import parse_tenant
from stella.runtime.files import writing


def remove(tops: Sequence[Path], tenant: str) -> list[Gone]:
    """Remove the folder of a tenant below each of these; raises Unwritable."""
    folders = [top / parse_tenant(tenant) for top in tops]
    return [Gone("files", sum(map(_removed, folders)))]


def _removed(folder: Path) -> int:
    with writing(folder):
        if folder.is_symlink() or not folder.is_dir():
            return 0
        count = sum(len(files) for _, _, files in os.walk(folder))
        shutil.rmtree(folder)
    return count
