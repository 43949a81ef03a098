"""A channel folder: immutable objects, generation records, keys, and the one pointer that publishes.

Rules:
- Documents are objects in the store by digest; `head.json` and the records name them. Flipping `head.json` publishes.
- `tuf/` and `trust/` are made from the head after the flip, and again by the next command if a kill came in between.
- Private keys are encrypted before they are written, and are read only by the steps that need them. One that the head
  does not name any more, or that a killed run has left before it was named, is deleted together with that rendering.
- Nothing is deleted under the head that was found: it is flipped first. A writer that lost its lease and still means to
  name what is deleted then finds another head than the one it read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from stella.bundle.contents import Contents, sizes_of
from stella.bundle.errors import GenerationMissing, KeyFileMissing, NoChannel
from stella.bundle.kept import KeptFolder
from stella.bundle.limits import MAX_DOCUMENT
from stella.bundle.model import Channel, GenerationRecord, Head, TrustFolder
from stella.kernel.canonical import dump, parse
from stella.runtime.errors import ObjectMissing
from stella.runtime.ports import Folder
from stella.signing import signers, tuf_repository
from stella.signing.authority import Authority
from stella.signing.keys import PrivateKey, TimestampKey

ROOT_KEYS = 3  # of which two sign: one can be lost, and one alone can do nothing
ID = 12  # characters of a key id that name its file


def key_path(role: str, keyid: str) -> str:
    """Key of a private key file; named by key, so that a new key never takes the place of one that still counts."""
    return f"keys/{role}-{keyid[:ID]}.pem"


def record_key(generation: int) -> str:
    """Key of a generation record."""
    return f"generations/{generation:08d}.json"


class ChannelFolder(KeptFolder):
    """Reads and writes what a channel keeps."""

    def channel(self) -> Channel:
        """Raises NoChannel."""
        try:
            return parse(self.folder.read("channel.json", MAX_DOCUMENT), Channel, "channel.json")
        except ObjectMissing:
            raise NoChannel(path=self.shown) from None

    def head(self) -> Head:
        """Raises NoChannel."""
        try:
            return parse(self.folder.read("head.json", MAX_DOCUMENT), Head, "head.json")
        except ObjectMissing:
            raise NoChannel(path=self.shown) from None

    def documents(self, named: Mapping[str, str]) -> dict[str, bytes]:
        """Documents by title."""
        return {title: self.document(digest) for title, digest in named.items()}

    def records(self) -> list[GenerationRecord]:
        """Records up to the head, oldest first; what a kill left above the head does not count."""
        head = self.head().generation
        top = head.generation if head else 0
        found = [
            parse(self.folder.read(key, MAX_DOCUMENT), GenerationRecord, key)
            for key in self.folder.keys("generations/")
        ]
        return [record for record in found if record.generation <= top]

    def record(self, generation: int) -> GenerationRecord:
        """Raises GenerationMissing."""
        records = self.records()
        for record in records:
            if record.generation == generation:
                return record
        held = f"1 to {records[-1].generation}" if records else "none yet"
        raise GenerationMissing(channel=self.channel().channel, generation=generation, held=held, path=self.shown)

    def contents(self, record: GenerationRecord) -> Contents:
        """Content of a generation."""
        return Contents(self.folder, self.blobs(record), sizes_of(self.entries(record)))

    def flip(self, head: Head) -> None:
        """Publish: the one atomic step of every change."""
        self.folder.write("head.json", dump(head))

    def publish(self, channel: Channel | None = None, *, flipped: bool = False) -> None:
        """Make `tuf/`, `trust/` and `keys/` say what the head says; does nothing when they do.

        A channel that is being laid hands itself over, since its file is the last one to be written. `flipped` says
        that the caller has flipped the head under this lock.
        """
        head = self.head()
        channel = channel or self.channel()
        titles = {title: digest for title, digest in head.documents.items() if title.startswith("tuf/")}
        renderings = {f"tuf/metadata/{title.removeprefix('tuf/')}": digest for title, digest in titles.items()}
        roots = [title for title in titles if title.endswith(".root.json")]
        newest = max(roots, key=lambda title: int(title.removeprefix("tuf/").partition(".")[0]))
        renderings["trust/root.json"] = titles[newest]
        policy = head.documents["signers.json"]
        renderings[f"tuf/targets/{policy}.signers.json"] = policy
        for record in self.records()[-1:]:
            statement = record.documents["statement.json"]
            renderings[f"tuf/targets/generations/{statement}.{record.generation:08d}.json"] = statement
        for key, digest in sorted(renderings.items(), key=lambda row: row[0].endswith("timestamp.json")):
            self._render(key, self.document(digest))
        trust = TrustFolder(channel=channel.channel, channel_id=channel.channel_id)
        self._render("trust/channel.json", dump(trust))
        self._drop_keys(head, titles[newest], flipped=flipped)

    def _drop_keys(self, head: Head, root: str, *, flipped: bool) -> None:
        """Delete private keys that no longer count; files whose names are not of that form are let alone."""
        policy = signers.parse(self.document(head.documents["signers.json"]))
        trusted = tuf_repository.root_of({"1.root.json": self.document(root)})
        named = {role: set(keys.keyids) for role, keys in trusted.roles.items()}
        named["release"] = {key.keyid for key in policy.release.keys}
        named["packer"] = {key.keyid for key in policy.packer.keys}
        named["anchor"] = {policy.anchors[-1].name}
        counted = {key_path(role, keyid) for role, keyids in named.items() for keyid in keyids}
        gone = []
        for key in self.folder.keys("keys/"):
            role, _, rest = key.removeprefix("keys/").partition("-")
            if role in named and len(rest) == ID + len(".pem") and key not in counted:
                gone.append(key)
        if gone and not flipped:
            self.flip(msgspec.structs.replace(head, cleared=head.cleared + 1))
        for key in gone:
            self.folder.remove(key)

    def _render(self, key: str, data: bytes) -> None:
        if not self.folder.exists(key) or self.folder.read(key, MAX_DOCUMENT) != data:
            self.folder.write(key, data)

    def write_keys(
        self, keys: Iterable[tuple[str, str, PrivateKey | TimestampKey]], passphrase: bytes, vault: Folder | None = None
    ) -> None:
        """Encrypt and write private keys (role, id, key); `vault` is another medium whose files have no folder."""
        for role, keyid, key in keys:
            path = key_path(role, keyid)
            (vault or self.folder).write(
                path.removeprefix("keys/") if vault else path, key.to_pem(passphrase), private=True
            )

    def _pem(self, role: str, keyid: str, vault: Folder | None) -> bytes:
        path = key_path(role, keyid)
        try:
            return (vault or self.folder).read(path.removeprefix("keys/") if vault else path, MAX_DOCUMENT)
        except ObjectMissing as missing:
            raise KeyFileMissing(path=missing.facts["path"]) from None

    def key(self, role: str, keyid: str, passphrase: bytes, vault: Folder | None = None) -> PrivateKey:
        """A private key; raises KeyFileMissing or WrongPassphrase."""
        return PrivateKey.from_pem(self._pem(role, keyid, vault), passphrase, key_path(role, keyid))

    def has_key(self, role: str, keyid: str, vault: Folder | None = None) -> bool:
        """Whether the private key is in the channel folder, or on the other medium."""
        path = key_path(role, keyid)
        return vault.exists(path.removeprefix("keys/")) if vault else self.folder.exists(path)

    def online_keys(self, metadata: Mapping[str, bytes], passphrase: bytes) -> dict[str, list[PrivateKey]]:
        """Private keys of the online TUF roles that the newest root names."""
        named = tuf_repository.root_of(metadata).roles
        return {
            role: [self.key(role, keyid, passphrase) for keyid in named[role].keyids] for role in tuf_repository.ONLINE
        }

    def write_authority(self, name: str, authority: Authority, passphrase: bytes) -> None:
        """Keep the key and the certificate of a time-stamp authority."""
        self.write_keys([("anchor", name, authority.key)], passphrase)
        self.folder.write(f"authority/{name}.der", authority.certificate)

    def authority(self, name: str, passphrase: bytes) -> tuple[TimestampKey, bytes]:
        """Key and certificate of the channel's own time-stamp authority."""
        key = TimestampKey.from_pem(self._pem("anchor", name, None), passphrase, key_path("anchor", name))
        return key, self.folder.read(f"authority/{name}.der", MAX_DOCUMENT)
