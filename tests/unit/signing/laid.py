"""A channel's TUF metadata with all of its keys at hand, and the ways a test bends it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stella.signing import tuf_repository
from stella.signing.keys import PrivateKey
from stella.signing.tuf_client import Trusted, Update
from stella.signing.tuf_repository import Expiries
from stella.testing import counted_entropy

NOW = 1_767_225_600  # 2026-01-01T00:00:00Z
DAY = 86_400
EXPIRIES = Expiries(root=365 * DAY, targets=90 * DAY, snapshot=14 * DAY, timestamp=3 * DAY)
POLICY = {"signers.json": b'{"a":1}'}


class Laid:
    """A channel as its vendor holds it: metadata, and every key."""

    def __init__(self, seed: str = "laid", expiries: Expiries = EXPIRIES) -> None:
        self._entropy = counted_entropy(seed)
        self.expiries = expiries
        self.roots = self.keys(3)
        self.online = {role: self.keys(1)[0] for role in tuf_repository.ONLINE}
        self.state = tuf_repository.initial(self.roots, self.online, POLICY, NOW, expiries)

    def keys(self, count: int) -> list[PrivateKey]:
        return [PrivateKey.generate(self._entropy) for _ in range(count)]

    def publish(self, targets: Mapping[str, bytes] | None = None, now: int = NOW) -> Laid:
        keys = {role: [key] for role, key in self.online.items()}
        self.state = tuf_repository.publish(self.state, targets or {}, keys, now, self.expiries)
        return self

    def rotate(self, role: str, *, publish: bool = True) -> Laid:
        """New keys for a role, everything signed again."""
        made = self.keys(3 if role == "root" else 1)
        old, new = self.roots[:2], made if role == "root" else self.roots[:2]
        public = [key.public for key in made]
        self.state = tuf_repository.rotate(self.state, role, public, old, new, NOW, self.expiries)
        if role == "root":
            self.roots = made
        else:
            self.online[role] = made[0]
        return self.publish() if publish else self

    def name(self, role: str) -> str:
        """File name of the current metadata of a role."""
        if role == "root":
            return tuf_repository.newest_root_name(self.state)
        return next(name for name in self.state if name.endswith(f"{role}.json"))

    def resign(self, role: str, keys: Iterable[PrivateKey], change: Callable[[dict[str, Any]], None]) -> None:
        """Change the signed part of a file and sign it again with `keys`."""
        document = json.loads(self.state[self.name(role)])
        change(document["signed"])
        self.state[self.name(role)] = signed_by(document["signed"], keys)

    def bind(self) -> None:
        """Make the snapshot and the timestamp name the files as they are now, signed by their own keys."""
        for parent, child in (("snapshot", "targets"), ("timestamp", "snapshot")):
            data = self.state[self.name(child)]
            self.resign(parent, [self.online[parent]], lambda signed, c=child, d=data: _name(signed, c, d))


def _name(signed: dict[str, Any], role: str, data: bytes) -> None:
    meta = signed["meta"][f"{role}.json"]
    meta |= {"length": len(data), "hashes": {"sha256": _sha256(data)}}


def _sha256(data: bytes) -> str:
    from hashlib import sha256

    return sha256(data).hexdigest()


def signed_by(signed: dict[str, Any], keys: Iterable[PrivateKey]) -> bytes:
    """A metadata file over any content, signed by any keys."""
    from securesystemslib.formats import encode_canonical

    payload = str(encode_canonical(signed)).encode()
    signatures = [{"keyid": key.keyid, "sig": key.sign(payload).hex()} for key in keys]
    return json.dumps({"signatures": signatures, "signed": signed}, sort_keys=True, separators=(",", ":")).encode()


def trusted_after(update: Update, root: bytes) -> Trusted:
    """What a site trusts after an update; `root` is what it trusted before."""
    files = update.trusted_files()
    newest = files.get(f"{update.root_version}.root.json", root)
    return Trusted(newest, files["timestamp.json"], files["snapshot.json"], files["targets.json"])
