"""The sealed side of TUF: the client workflow of specification 1.0, section 5, over files that are all at hand.

Rules:
- metadata loads root -> timestamp -> snapshot -> targets; each is verified by the keys the newest root gives its role;
- root N+1 is signed by the threshold of root N and by its own, versions go up by exactly one, and the steps are capped;
- keys are Ed25519, each under its own id, so that no key counts twice;
- each file below the timestamp is bound by version, length and SHA-256 in the file above it;
- versions of timestamp, snapshot and targets never go down, no listed file disappears, equal versions say the same;
- a root that changed the timestamp or snapshot keys makes the versions of both irrelevant (recovery from a
  fast-forward), and one that changed the targets keys does so for targets;
- only top-level targets count: delegations are not followed;
- signatures and versions are judged without a clock: expiry is the caller's last step, at trusted time, because the
  proof of time is itself trusted through one of these targets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stella.kernel.digest import is_digest, sha256
from stella.kernel.instant import Instant
from stella.signing.errors import (
    BadMetadata,
    MalformedPublicKey,
    MetadataBelowThreshold,
    MetadataMixed,
    MetadataRollback,
    RootGap,
    TrustDamaged,
    UntrustedMetadata,
)
from stella.signing.keys import PublicKey

if TYPE_CHECKING:
    from tuf.api.metadata import Metadata, Root

MAX_ROOT_STEPS = 256  # python-tuf's own limit on one update
LIMITS = {  # bytes; python-tuf's own limits on each kind of file
    "root": 512_000,
    "timestamp": 16_384,
    "snapshot": 2_000_000,
    "targets": 5_000_000,
}
MAX_SHOWN = 80  # characters of a hostile name or message that an error repeats

_ROOT_NAME = re.compile(r"([1-9][0-9]{0,8})\.root\.json\Z")


@dataclass(frozen=True)
class Trusted:
    """What this side trusts already, as bytes: a root, and the last metadata seen, None before the first update."""

    root: bytes
    timestamp: bytes | None = None
    snapshot: bytes | None = None
    targets: bytes | None = None


@dataclass(frozen=True)
class Update:
    """A verified update; its expiry is not judged yet.

    `new_roots` are the root versions above the trusted one: a site asks for a second approver for them. `targets` maps
    path to (length, sha256); `expiry` names the role that expires first, and when; `files` is what to keep.
    """

    root_version: int
    new_roots: tuple[int, ...]
    timestamp_version: int
    snapshot_version: int
    targets_version: int
    targets: dict[str, tuple[int, str]]
    expiry: tuple[str, Instant]
    files: dict[str, bytes] = field(repr=False)

    def trusted_files(self) -> dict[str, bytes]:
        """What to keep for the next update: each new root, and the last metadata under unversioned names."""
        return self.files


@dataclass(frozen=True)
class _File:
    """A parsed metadata file; nothing about it is verified yet."""

    name: str
    data: bytes
    metadata: Metadata[Any]

    @property
    def signed(self) -> Any:  # noqa: ANN401  # Root, Timestamp, Snapshot or Targets; the reader asked for one of them
        return self.metadata.signed

    @property
    def version(self) -> int:
        return int(self.metadata.signed.version)


@cache
def _api() -> ModuleType:
    """python-tuf, loaded at first use: it costs more to import than everything else that verification needs."""
    from tuf.api import metadata

    return metadata


def _read(name: str, data: bytes | None, role: str) -> _File:
    if data is None:
        raise BadMetadata(name=name, problem="it is missing")
    if len(data) > LIMITS[role]:
        raise BadMetadata(name=name, problem=f"{len(data)} bytes, the limit is {LIMITS[role]}")
    try:
        metadata: Metadata[Any] = _api().Metadata.from_bytes(data)
    except Exception as error:  # noqa: BLE001  # a parser fed with hostile bytes; whatever it raises means the same
        raise BadMetadata(name=name, problem=f"it cannot be parsed: {_shown(error.__cause__ or error)}") from None
    if metadata.signed.type != role:
        raise BadMetadata(name=name, problem=f"it is metadata of another role, {metadata.signed.type}")
    if role == "root":
        _check_keys(name, metadata.signed)
    return _File(name, data, metadata)


def _shown(text: object) -> str:
    return ascii(str(text))[1:-1][:MAX_SHOWN]


def _check_keys(name: str, root: Root) -> None:
    """Each key under its own id, so that counting ids is counting keys."""
    for keyid, key in root.keys.items():
        try:
            public = key.keyval["public"]
            sound = (key.keytype, key.scheme, bytes.fromhex(public).hex()) == ("ed25519", "ed25519", public)
            sound = sound and PublicKey(bytes.fromhex(public)).keyid == keyid
        except (KeyError, TypeError, ValueError, MalformedPublicKey):
            sound = False
        if not sound:
            raise BadMetadata(name=name, problem="a key in it is not an Ed25519 key under its own id")


def _read_trusted(role: str, data: bytes) -> _File:
    try:
        return _read(f"{role}.json", data, role)
    except BadMetadata as error:
        raise TrustDamaged(name=f"{role}.json", problem=error.facts["problem"]) from None


def _verify(root: Root, file: _File, by: str) -> None:
    """Check the signatures of a file by the keys that `root` gives the role of that file."""
    try:
        result = root.get_verification_result(file.signed.type, file.metadata.signed_bytes, file.metadata.signatures)
    except Exception:  # noqa: BLE001  # what cannot be put in canonical form cannot have been signed
        raise UntrustedMetadata(name=file.name, by=by) from None
    if not result.signed:
        raise UntrustedMetadata(name=file.name, by=by)
    if not result.verified:
        raise MetadataBelowThreshold(name=file.name, valid=len(result.signed), threshold=result.threshold, by=by)


def check_root(data: bytes) -> int:
    """Version of a root that vouches for itself; used when trust is laid.

    Raises BadMetadata, UntrustedMetadata or MetadataBelowThreshold.
    """
    file = _read("root.json", data, "root")
    _verify(file.signed, file, "the root itself")
    return file.version


def _follow_roots(trusted: _File, offered: Mapping[str, bytes]) -> list[_File]:
    """Roots from the trusted to the newest, step by step (specification 5.3)."""
    roots = [trusted]
    while (name := f"{roots[-1].version + 1}.root.json") in offered:
        if len(roots) > MAX_ROOT_STEPS:
            raise BadMetadata(name=name, problem=f"more than {MAX_ROOT_STEPS} new roots")
        step = _read(name, offered[name], "root")
        _verify(roots[-1].signed, step, f"root {roots[-1].version}")
        _verify(step.signed, step, f"root {roots[-1].version + 1} itself")
        if step.version != roots[-1].version + 1:
            raise BadMetadata(name=name, problem=f"it says version {step.version}")
        roots.append(step)
    return roots


def _check_offered_roots(roots: Sequence[_File], offered: Mapping[str, bytes]) -> None:
    """No gap above, nothing older than what is trusted, and no second history of the trusted root."""
    trusted, newest = roots[0].version, roots[-1].version
    top = max((int(match[1]) for name in offered if (match := _ROOT_NAME.match(name))), default=0)
    if top > newest:
        raise RootGap(missing=f"{newest + 1}.root.json", trusted=trusted, offered=top)
    if not top:
        raise BadMetadata(name=f"{trusted}.root.json", problem="it is missing")
    if top < trusted:
        raise MetadataRollback(name="root.json", found=top, seen=trusted)
    name = f"{trusted}.root.json"
    if name in offered and not _same(_read(name, offered[name], "root"), roots[0]):
        raise MetadataMixed(name=name, problem="it differs from the trusted root of that version")


def _same(one: _File, other: _File) -> bool:
    """Whether two files of a role say the same, whoever else signed them."""
    try:
        return one.metadata.signed_bytes == other.metadata.signed_bytes
    except Exception:  # noqa: BLE001  # a hostile file without canonical form equals nothing
        return False


def _rotated(roots: Sequence[_File], roles: Sequence[str]) -> bool:
    """Whether any step changed the keys of one of the roles."""
    return any(
        set(before.signed.roles[role].keyids) != set(after.signed.roles[role].keyids)
        for before, after in pairwise(roots)
        for role in roles
    )


def _seen(trusted: Trusted, roots: Sequence[_File]) -> dict[str, _File | None]:
    """Metadata seen before, by role; None where there is none, or where rotated keys made it irrelevant (5.3.11)."""
    together = (("timestamp", "snapshot"), ("targets",))
    forgotten = {role for roles in together if _rotated(roots, roles) for role in roles}
    kept = {"timestamp": trusted.timestamp, "snapshot": trusted.snapshot, "targets": trusted.targets}
    return {
        role: _read_trusted(role, data) if data is not None and role not in forgotten else None
        for role, data in kept.items()
    }


def _not_older(file: _File, seen: _File | None) -> None:
    if seen is None:
        return
    if file.version < seen.version:
        raise MetadataRollback(name=file.name, found=file.version, seen=seen.version)
    if file.version == seen.version and not _same(file, seen):
        raise MetadataMixed(name=file.name, problem=f"it differs from the version {file.version} that was seen before")


def _bound(root: Root, role: str, meta: Any, parent: str, offered: Mapping[str, bytes]) -> _File:  # noqa: ANN401  # MetaFile
    """The file that its parent binds by version, length and SHA-256, verified (specification 5.5 and 5.6)."""
    name = f"{meta.version}.{role}.json"
    data = offered.get(name)
    if data is None:
        raise BadMetadata(name=name, problem="it is missing")
    if meta.length is None or not meta.hashes or not is_digest(meta.hashes.get("sha256", "")):
        raise BadMetadata(name=parent, problem=f"it does not bind {name} by length and SHA-256")
    if len(data) != meta.length or sha256(data) != meta.hashes["sha256"]:
        raise MetadataMixed(name=name, problem=f"it is not the file that {parent} names")
    file = _read(name, data, role)
    _verify(root, file, "the root")
    if file.version != meta.version:
        raise MetadataMixed(name=name, problem=f"it says version {file.version}, {parent} says {meta.version}")
    return file


def _check_listing(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """No listed file may disappear or go back (specification 5.5.5)."""
    for name, meta in before.items():
        if name not in after:
            raise MetadataRollback(name=_shown(name), found="none", seen=meta.version)
        if after[name].version < meta.version:
            raise MetadataRollback(name=_shown(name), found=after[name].version, seen=meta.version)


def verify_update(trusted: Trusted, offered: Mapping[str, bytes]) -> Update:
    """Run the client workflow over `offered` (file name to bytes), with no reference to time.

    Raises BadMetadata, UntrustedMetadata, MetadataBelowThreshold, MetadataRollback, MetadataMixed, RootGap, and
    TrustDamaged when what this side kept cannot be read. The caller judges expiry afterwards.
    """
    roots = _follow_roots(_read_trusted("root", trusted.root), offered)
    _check_offered_roots(roots, offered)
    root = roots[-1].signed
    seen = _seen(trusted, roots)
    timestamp = _read("timestamp.json", offered.get("timestamp.json"), "timestamp")
    _verify(root, timestamp, "the root")
    _not_older(timestamp, seen["timestamp"])
    meta, last = timestamp.signed.snapshot_meta, seen["timestamp"]
    if last is not None:
        _check_listing({"snapshot.json": last.signed.snapshot_meta}, {"snapshot.json": meta})
    snapshot = _bound(root, "snapshot", meta, timestamp.name, offered)
    _not_older(snapshot, seen["snapshot"])
    if (last := seen["snapshot"]) is not None:
        _check_listing(last.signed.meta, snapshot.signed.meta)
    if "targets.json" not in snapshot.signed.meta:
        raise BadMetadata(name=snapshot.name, problem="it names no targets")
    targets = _bound(root, "targets", snapshot.signed.meta["targets.json"], snapshot.name, offered)
    _not_older(targets, seen["targets"])
    _no_strays(offered, {timestamp.name, snapshot.name, targets.name})
    return _update(roots, timestamp, snapshot, targets)


def _no_strays(offered: Mapping[str, bytes], named: set[str]) -> None:
    stray = min((name for name in offered if name not in named and not _ROOT_NAME.match(name)), default=None)
    if stray is not None:
        raise BadMetadata(name=_shown(stray), problem="no other file names it")


def _update(roots: Sequence[_File], timestamp: _File, snapshot: _File, targets: _File) -> Update:
    roles = {"root": roots[-1], "timestamp": timestamp, "snapshot": snapshot, "targets": targets}
    ends = {role: int(file.signed.expires.timestamp()) for role, file in roles.items()}
    first = min(ends, key=lambda role: ends[role])
    listed = targets.signed.targets
    return Update(
        root_version=roots[-1].version,
        new_roots=tuple(root.version for root in roots[1:]),
        timestamp_version=timestamp.version,
        snapshot_version=snapshot.version,
        targets_version=targets.version,
        targets={path: (target.length, target.hashes.get("sha256", "")) for path, target in listed.items()},
        expiry=(first, ends[first]),
        files={root.name: root.data for root in roots[1:]}
        | {f"{role}.json": roles[role].data for role in ("timestamp", "snapshot", "targets")},
    )


def check_target(update: Update, path: str, data: bytes) -> None:
    """Raise MetadataMixed unless `data` is the target of that path."""
    if update.targets.get(path) != (len(data), sha256(data)):
        raise MetadataMixed(name=path, problem="it is not the file that the targets metadata names")
