"""A trust folder: what a verifier was given once, by another way than what it verifies.

Rules:
- `keys.json` lists keys with their times, `trusted_root.json` authorities; one of them is enough.
- Keys can be given by themselves as well. Such a key counts for every purpose and at every time, or at those times that
  the list of the folder beside it says.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

from stella.kernel.instant import format_time
from stella.runtime.errors import ObjectMissing
from stella.runtime.ports import Folder
from stella.signing import key_list, trusted_root
from stella.signing.errors import BadTrust
from stella.signing.key_list import ListedKey
from stella.signing.trusted_root import TrustedRoot
from stella.signing.verification import Trust
from stella.signing.verifying_key import VerifyingKey

FILES = (key_list.FILE, trusted_root.FILE)


def read(folder: Folder, place: str) -> Trust:
    """The trust of a folder; raises BadTrust, NotJson, NotCanonical, or as the folder does."""
    keys, root = (
        _find(folder, key_list.FILE, key_list.MAX_SIZE),
        _find(folder, trusted_root.FILE, trusted_root.MAX_SIZE),
    )
    if keys is None and root is None:
        raise BadTrust(what=place, problem=f"it has neither {key_list.FILE} nor {trusted_root.FILE}")
    return Trust(
        key_list.read(keys).keys if keys is not None else (),
        trusted_root.read(root) if root is not None else TrustedRoot(),
    )


def given(keys: Iterable[VerifyingKey]) -> tuple[ListedKey, ...]:
    """Keys that were given by themselves."""
    return tuple(
        ListedKey(
            keyid=key.keyid,
            algorithm=key.algorithm,
            purpose=key_list.ANY,
            public=base64.b64encode(key.spki).decode(),
            not_before=format_time(0),
        )
        for key in keys
    )


def _find(folder: Folder, key: str, limit: int) -> bytes | None:
    try:
        return folder.read(key, limit)
    except ObjectMissing:
        return None
