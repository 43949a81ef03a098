"""A folder of keys on disk, with a clock that a test moves and randomness that is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from stella.key import attesting, service
from stella.key.model import (
    AttestFile,
    CreateKey,
    FileAttested,
    KeyCreated,
    KeyRevoked,
    KeyRotated,
    KeysListed,
    ListKeys,
    RevokeKey,
    RotateKey,
)
from stella.operations import Context
from stella.runtime.config import read_secret
from stella.runtime.files import DiskFolder
from stella.runtime.settings import KeySettings, Settings
from stella.signing import trust_folder
from stella.signing.verification import Demand, Proved, Trust, verify
from stella.testing import ManualClock, SilentProgress, counted_entropy

KIND = "https://example.com/attestation/scan/v1"
DAY = 86_400


class Keeper:
    """What a person does with keys, and what a verifier then says."""

    def __init__(self, folder: Path, seed: str = "keeper", **env: str) -> None:
        self.folder = folder
        self.place = str(folder / "K")
        self.clock = ManualClock()
        self.env = {"PASS": "correct horse", **env}
        self.settings = Settings(keys=KeySettings(passphrase="env:PASS"))
        self.entropy = counted_entropy(seed)

    @property
    def ctx(self) -> Context:
        return Context(self.clock, self.entropy, SilentProgress(), self.settings, self.secret, "operator")

    def secret(self, reference: str) -> bytes:
        return read_secret(reference, self.env, self.settings.bao)

    @property
    def now(self) -> int:
        return self.clock.reading.wall

    def set(self, section: str, **values: Any) -> None:
        changed = msgspec.structs.replace(getattr(self.settings, section), **values)
        self.settings = msgspec.structs.replace(self.settings, **{section: changed})

    def create(self, **want: Any) -> KeyCreated:
        return service.create(self.ctx, CreateKey(dir=self.place, **want))

    def list(self) -> KeysListed:
        return service.list_(self.ctx, ListKeys(dir=self.place))

    def states(self) -> dict[str, str]:
        return {row.keyid: row.state for row in self.list().keys}

    def rotate(self, overlap: str = "7d", **want: Any) -> KeyRotated:
        return service.rotate(
            self.ctx, RotateKey(dir=self.place, reason="yearly", ticket="OPS-7", overlap=overlap, **want)
        )

    def revoke(self, keyid: str, **want: Any) -> KeyRevoked:
        return service.revoke(self.ctx, RevokeKey(keyid=keyid, dir=self.place, reason="stolen", ticket="S-1", **want))

    def attest(self, file: str = "app.tar", predicate_type: str = KIND, **want: Any) -> FileAttested:
        path = self.folder / file
        if not path.exists():
            path.write_bytes(b"content of " + file.encode())
        return attesting.attest(
            self.ctx,
            AttestFile(file=str(path), dir=self.place, out=f"{path}.sigstore", predicate_type=predicate_type, **want),
        )

    def trust(self) -> Trust:
        place = f"{self.place}/trust"
        return trust_folder.read(DiskFolder(Path(place)), place)

    def verify(self, path: str, believed: Trust | None = None, **asked: Any) -> Proved:
        demand = Demand(self.now, None, None)._replace(**asked)
        return verify(Path(path).read_bytes(), believed or self.trust(), demand)

    def private(self) -> set[str]:
        return {path.name for path in Path(self.place, "private").glob("*.key")}
