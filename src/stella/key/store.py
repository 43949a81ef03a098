"""What a folder of keys keeps.

Rules:
- A folder of keys is one small file, `store.json`, that says which keys there are; whoever replaces it has made,
  rotated or revoked one. Private keys and statements are files beside it that it names.
- Everything under `trust/` is a rendering of it for verifiers and can be made again at any time.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from stella.signing.key_list import KeyList


class AuthorityRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An authority of certificates or of time: base64 of its chain in DER, leaf first, its life, and its key."""

    chain: tuple[str, ...]
    begin: str
    end: str
    handle: str


class Store(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`store.json`: the list of keys, where their private halves are, and the authorities; the last one is used."""

    schema: Literal["stella.key-store@1"] = "stella.key-store@1"
    listed: KeyList
    handles: dict[str, str]
    certifiers: tuple[AuthorityRecord, ...]
    timers: tuple[AuthorityRecord, ...]
