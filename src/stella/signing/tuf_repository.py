"""The connected side of TUF: makes the metadata of a channel with python-tuf's Metadata API (TUF specification 1.0).

Rules:
- Bytes in, bytes out: nothing here knows where metadata is kept. Equal input gives equal bytes.
- Root needs 2 of 3 keys; targets, snapshot and timestamp have one key each; consistent snapshots are on.
- Targets are the signer policy and the statements of generations, never blobs, so that the list stays short.
- A new root is signed by the threshold of the old root and by its own; every earlier root is kept.
- One key serves one role, so that rotating or losing one touches nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from securesystemslib.signer import Key, Signature, Signer, SSlibKey
from tuf.api.metadata import Metadata, MetaFile, Role, Root, Signed, Snapshot, TargetFile, Targets, Timestamp

from stella.kernel.instant import Instant, Seconds
from stella.signing.errors import BadRotation
from stella.signing.keys import PrivateKey, PublicKey

ROOT_THRESHOLD = 2
KEEP_GENERATIONS = 256  # statements listed in targets; parsing grows with them, and sites need the newest ones
GENERATIONS = "generations/"
ONLINE = ("targets", "snapshot", "timestamp")
LATEST = 253_402_300_799  # 9999-12-31T23:59:59Z, the last instant that metadata can spell


class Expiries(NamedTuple):
    """Life of each role's metadata in seconds."""

    root: Seconds
    targets: Seconds
    snapshot: Seconds
    timestamp: Seconds


class _Signer(Signer):
    """securesystemslib's view of one of our keys."""

    def __init__(self, key: PrivateKey) -> None:
        self._key = key

    @property
    def public_key(self) -> Key:
        return _key(self._key.public)

    def sign(self, payload: bytes) -> Signature:
        return Signature(self._key.keyid, self._key.sign(payload).hex())

    @classmethod
    def from_priv_key_uri(cls, priv_key_uri: str, public_key: Key, secrets_handler: Any = None) -> Signer:  # noqa: ANN401
        raise NotImplementedError(priv_key_uri, public_key, secrets_handler)


def _key(public: PublicKey) -> SSlibKey:
    return SSlibKey(public.keyid, "ed25519", "ed25519", {"public": public.raw.hex()})


def _when(now: Instant, life: Seconds) -> datetime:
    return datetime.fromtimestamp(min(now + life, LATEST), UTC)


def _sign(signed: Signed, keys: Iterable[PrivateKey]) -> bytes:
    metadata: Metadata[Any] = Metadata(signed)
    for key in sorted(keys, key=lambda key: key.keyid):
        metadata.sign(_Signer(key), append=True)
    return metadata.to_bytes()


def newest_root_name(names: Iterable[str]) -> str:
    """File name of the newest root among metadata files."""
    return max((name for name in names if name.endswith(".root.json")), key=lambda name: int(name.partition(".")[0]))


def newest_root(metadata: Mapping[str, bytes]) -> bytes:
    """The newest root among metadata files."""
    return metadata[newest_root_name(metadata)]


def root_of(metadata: Mapping[str, bytes]) -> Root:
    """The newest root, parsed."""
    found: Metadata[Root] = Metadata.from_bytes(newest_root(metadata))
    return found.signed


def initial(
    root_keys: Sequence[PrivateKey],
    online: Mapping[str, PrivateKey],
    targets: Mapping[str, bytes],
    now: Instant,
    expiries: Expiries,
) -> dict[str, bytes]:
    """First metadata of a channel: file name to bytes; raises BadRotation when the keys do not suffice."""
    roles = {"root": Role([], ROOT_THRESHOLD), **{role: Role([], 1) for role in ONLINE}}
    root = Root(version=1, expires=_when(now, expiries.root), roles=roles, consistent_snapshot=True)
    _give(root, "root", [key.public for key in root_keys])
    for role in ONLINE:
        _give(root, role, [online[role].public])
    state = {"1.root.json": _sign(root, root_keys)}
    return publish(state, targets, {role: [key] for role, key in online.items()}, now, expiries)


def _give(root: Root, role: str, keys: Sequence[PublicKey]) -> None:
    """Make `keys` the keys of a role; raises BadRotation."""
    threshold = root.roles[role].threshold
    distinct = {key.keyid: key for key in keys}
    if len(distinct) < threshold:
        raise BadRotation(role=role, problem=f"{len(distinct)} keys cannot meet the threshold of {threshold}")
    for other, holder in root.roles.items():
        if other != role and distinct.keys() & set(holder.keyids):
            raise BadRotation(role=role, problem=f"one of the keys is a key of the role {other}")
    for keyid in list(root.roles[role].keyids):
        root.revoke_key(keyid, role)
    for key in distinct.values():
        root.add_key(_key(key), role)


def _versions(state: Mapping[str, bytes]) -> tuple[int, int, int]:
    """Versions of targets, snapshot and timestamp in a state; zeros before the first publication."""
    if "timestamp.json" not in state:
        return 0, 0, 0
    timestamp: Metadata[Timestamp] = Metadata.from_bytes(state["timestamp.json"])
    snapshot_version = timestamp.signed.snapshot_meta.version
    snapshot: Metadata[Snapshot] = Metadata.from_bytes(state[f"{snapshot_version}.snapshot.json"])
    return snapshot.signed.meta["targets.json"].version, snapshot_version, timestamp.signed.version


def publish(
    state: Mapping[str, bytes],
    targets: Mapping[str, bytes],
    keys: Mapping[str, Sequence[PrivateKey]],
    now: Instant,
    expiries: Expiries,
) -> dict[str, bytes]:
    """The state after adding `targets` (path to bytes): every root, and new targets, snapshot and timestamp."""
    targets_version, snapshot_version, timestamp_version = _versions(state)
    listed: dict[str, TargetFile] = {}
    if targets_version:
        before: Metadata[Targets] = Metadata.from_bytes(state[f"{targets_version}.targets.json"])
        listed = dict(before.signed.targets)
    listed |= {path: TargetFile.from_data(path, data, ["sha256"]) for path, data in targets.items()}
    old = sorted(path for path in listed if path.startswith(GENERATIONS))[:-KEEP_GENERATIONS]
    kept = {path: listed[path] for path in sorted(listed) if path not in old}
    targets_version += 1
    snapshot_version += 1
    timestamp_version += 1
    targets_data = _sign(
        Targets(version=targets_version, expires=_when(now, expiries.targets), targets=kept), keys["targets"]
    )
    snapshot_data = _sign(
        Snapshot(
            version=snapshot_version,
            expires=_when(now, expiries.snapshot),
            meta={"targets.json": MetaFile.from_data(targets_version, targets_data, ["sha256"])},
        ),
        keys["snapshot"],
    )
    timestamp_data = _sign(
        Timestamp(
            version=timestamp_version,
            expires=_when(now, expiries.timestamp),
            snapshot_meta=MetaFile.from_data(snapshot_version, snapshot_data, ["sha256"]),
        ),
        keys["timestamp"],
    )
    roots = {name: data for name, data in state.items() if name.endswith(".root.json")}
    return roots | {
        f"{targets_version}.targets.json": targets_data,
        f"{snapshot_version}.snapshot.json": snapshot_data,
        "timestamp.json": timestamp_data,
    }


def rotate(
    state: Mapping[str, bytes],
    role: str,
    new_keys: Sequence[PublicKey],
    old_root_keys: Sequence[PrivateKey],
    new_root_keys: Sequence[PrivateKey],
    now: Instant,
    expiries: Expiries,
) -> dict[str, bytes]:
    """The state with root N+1, in which `role` has `new_keys`; signed by old and new root keys.

    For a role other than root `new_root_keys` equals `old_root_keys`. The caller publishes afterwards with the new
    keys. Raises BadRotation when the root keys at hand do not meet the thresholds of the old and of the new root.
    """
    before: Metadata[Root] = Metadata.from_bytes(newest_root(state))
    after: Metadata[Root] = Metadata.from_bytes(newest_root(state))
    root = after.signed
    _give(root, role, new_keys)
    root.version += 1
    root.expires = _when(now, expiries.root)
    signers = {key.keyid: key for key in (*old_root_keys, *new_root_keys)}
    data = _sign(root, signers.values())
    made: Metadata[Root] = Metadata.from_bytes(data)
    result = root.get_root_verification_result(before.signed, made.signed_bytes, made.signatures)
    for word, side in (("old", result.first), ("new", result.second)):
        if not side.verified:
            problem = f"{len(side.signed)} of the {side.threshold} required keys of the {word} root signed"
            raise BadRotation(role=role, problem=problem)
    return dict(state) | {f"{root.version}.root.json": data}


class RoleFacts(NamedTuple):
    """A role as status shows it; version and expiry are of its newest metadata."""

    keyids: tuple[str, ...]
    threshold: int
    version: int
    expires: Instant


def roles(state: Mapping[str, bytes]) -> dict[str, RoleFacts]:
    """Keys, threshold, version and expiry of each TUF role."""
    root = root_of(state)
    targets_version, snapshot_version, timestamp_version = _versions(state)
    files = {
        "root": (newest_root_name(state), root.version),
        "targets": (f"{targets_version}.targets.json", targets_version),
        "snapshot": (f"{snapshot_version}.snapshot.json", snapshot_version),
        "timestamp": ("timestamp.json", timestamp_version),
    }
    found: dict[str, RoleFacts] = {}
    for role, (name, version) in files.items():
        metadata: Metadata[Any] = Metadata.from_bytes(state[name])
        expires = int(metadata.signed.expires.timestamp())
        keys = root.roles[role]
        found[role] = RoleFacts(tuple(keys.keyids), keys.threshold, version, expires)
    return found
