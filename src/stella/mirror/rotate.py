"""Replaces the keys of a role; the next generation carries the change to the sites.

Rules:
- TUF roles are replaced by a new root, signed by the threshold of the old root keys and of the new ones.
- Release, packer and anchor keys are replaced in the signer policy, which the targets key signs.
- New keys are written under new names before the head is flipped; the flip decides which ones count.
- Private keys that no longer count are deleted after the flip, by this run or the next command; root keys on another
  medium are left to their owner.
"""

from __future__ import annotations

import msgspec

from stella.bundle.channel import ROOT_KEYS, ChannelFolder
from stella.bundle.cutting import open_channel
from stella.bundle.model import Head
from stella.bundle.publish import expiries
from stella.bundle.verify import SIGNERS_TARGET
from stella.kernel.canonical import dump
from stella.kernel.instant import format_time
from stella.mirror.errors import SameKey
from stella.mirror.lay import anchor_root, metadata_of, passphrase_of, release_role
from stella.mirror.model import KeyRotated, RotateKey
from stella.operations import Context
from stella.runtime.ports import Folder
from stella.signing import signers, tuf_repository
from stella.signing.authority import make_authority
from stella.signing.keys import PrivateKey
from stella.signing.signers import PolicyRole, SignerPolicy, policy_key

KEEP_ANCHORS = 4  # earlier authorities whose tokens still count for what they dated; bounds the policy
TUF_ROLES = ("targets", "snapshot", "timestamp")


def rotate(ctx: Context, want: RotateKey) -> KeyRotated:
    """Replace the keys of one role."""
    store = open_channel(ctx, want.dir)
    passphrase = passphrase_of(ctx)
    vault: Folder = ctx.folder(want.root_keys) if want.root_keys else store.folder
    with store.folder.lock():
        store.publish()
        head = store.head()
        turn = _Turn(ctx, store, head, passphrase)
        if want.role == "root":
            old, new = turn.root(vault, in_channel=want.root_keys is None)
        elif want.role in TUF_ROLES:
            old, new = turn.tuf_role(want.role, vault, in_channel=want.root_keys is None)
        else:
            old, new = turn.policy_role(want.role)
        documents = {f"tuf/{name}": data for name, data in turn.metadata.items()} | {"signers.json": dump(turn.policy)}
        kept = {title: store.keep(data) for title, data in documents.items()}
        store.flip(msgspec.structs.replace(head, documents=kept))
        store.publish(flipped=True)
    notes = ["Sites learn of it from the next generation: stella mirror create --dir M --source ... --out B.stella"]
    if want.role == "root":
        notes.append("Each site will ask for a second approver: stella site import B.stella --dir D --approver NAME")
    return KeyRotated(
        role=want.role,
        old_keyids=tuple(old),
        new_keyids=tuple(new),
        root_version=tuf_repository.root_of(turn.metadata).version,
        notes=tuple(notes),
    )


class _Turn:
    """One rotation: the metadata and the policy as they become."""

    def __init__(self, ctx: Context, store: ChannelFolder, head: Head, passphrase: bytes) -> None:
        self.ctx = ctx
        self.store = store
        self.passphrase = passphrase
        self.now = ctx.clock.read().wall
        self.metadata = metadata_of(store, head)
        self.policy: SignerPolicy = signers.parse(store.document(head.documents["signers.json"]))

    def _root_keys(self, vault: Folder, *, in_channel: bool) -> list[PrivateKey]:
        """As many of the current root keys as the threshold asks for; any that is at hand will do."""
        role = tuf_repository.root_of(self.metadata).roles["root"]
        folder = None if in_channel else vault
        here = [keyid for keyid in sorted(role.keyids) if self.store.has_key("root", keyid, folder)]
        chosen = here if len(here) >= role.threshold else sorted(role.keyids)  # the latter names a missing file
        return [self.store.key("root", keyid, self.passphrase, folder) for keyid in chosen[: role.threshold]]

    def _new_root(
        self, role: str, made: list[PrivateKey], old_roots: list[PrivateKey], new_roots: list[PrivateKey]
    ) -> None:
        public = [key.public for key in made]
        self.metadata = tuf_repository.rotate(
            self.metadata, role, public, old_roots, new_roots, self.now, expiries(self.ctx)
        )

    def _keyids(self, role: str) -> list[str]:
        return list(tuf_repository.root_of(self.metadata).roles[role].keyids)

    def root(self, vault: Folder, *, in_channel: bool) -> tuple[list[str], list[str]]:
        """New root keys, written where the old ones are."""
        old, old_keys = self._keyids("root"), self._root_keys(vault, in_channel=in_channel)
        made = [PrivateKey.generate(self.ctx.entropy) for _ in range(ROOT_KEYS)]
        self.store.write_keys(
            [("root", key.keyid, key) for key in made], self.passphrase, None if in_channel else vault
        )
        self._new_root("root", made, old_keys, made)
        return old, [key.keyid for key in made]

    def tuf_role(self, role: str, vault: Folder, *, in_channel: bool) -> tuple[list[str], list[str]]:
        """A new key for an online role, and everything signed again."""
        old, roots = self._keyids(role), self._root_keys(vault, in_channel=in_channel)
        made = PrivateKey.generate(self.ctx.entropy)
        self.store.write_keys([(role, made.keyid, made)], self.passphrase)
        self._new_root(role, [made], roots, roots)
        self._publish({})
        return old, [made.keyid]

    def _publish(self, targets: dict[str, bytes]) -> None:
        keys = self.store.online_keys(self.metadata, self.passphrase)
        self.metadata = tuf_repository.publish(self.metadata, targets, keys, self.now, expiries(self.ctx))

    def policy_role(self, role: str) -> tuple[list[str], list[str]]:
        """New release, packer or anchor keys in the signer policy."""
        policy = self.policy
        if role == "release":
            old = [key.keyid for key in policy.release.keys]
            release, made = release_role(self.ctx, len(policy.release.keys), policy.release.threshold)
            if not made and [key.keyid for key in release.keys] == old:
                raise SameKey(keyid=old[0][:12])
            self.store.write_keys([("release", keyid, key) for keyid, key in made.items()], self.passphrase)
            self.policy = msgspec.structs.replace(policy, release=release)
            new = [key.keyid for key in release.keys]
        elif role == "packer":
            old = [key.keyid for key in policy.packer.keys]
            key = PrivateKey.generate(self.ctx.entropy)
            self.store.write_keys([("packer", key.keyid, key)], self.passphrase)
            self.policy = msgspec.structs.replace(
                policy, packer=PolicyRole((policy_key(key.public, development=False),), 1)
            )
            new = [key.keyid]
        else:
            old = [policy.anchors[-1].name]
            authority = make_authority(self.ctx.entropy, self.now, policy.channel)
            added = anchor_root(authority, self.now)
            self.store.write_authority(added.name, authority, self.passphrase)
            ended = msgspec.structs.replace(policy.anchors[-1], valid_to=format_time(self.now + 1))
            anchors = (*policy.anchors[:-1], ended, added)[-KEEP_ANCHORS:]
            self.policy = msgspec.structs.replace(policy, anchors=anchors)
            new = [added.name]
        self._publish({SIGNERS_TARGET: dump(self.policy)})
        return [keyid for keyid in old if keyid not in new], new
