"""A vendor and a site on this machine, in process, with a clock and entropy of their own; and the tools of a forger.

Rules:
- `World` does what the two command lines do. Nothing in it reads the real clock, the environment or a network.
- `Parts` is a bundle taken apart. Writing parts again always gives a file whose frame is right, so that an attack
  reaches the check it is meant for; what is signed has to be signed again, with the keys that the attacker has.
"""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from stella.bundle.channel import ChannelFolder
from stella.bundle.codec import compress
from stella.bundle.model import (
    PACKER_TYPE,
    Blob,
    Entry,
    Generation,
    ListForm,
    PackerStatement,
    dump_lines,
    parse_blobs,
    parse_entries,
    root_of_lines,
    tally,
)
from stella.bundle.reader import BundleFile
from stella.bundle.verify import Trust, generation_target, milestone_of
from stella.bundle.writer import write_bundle
from stella.kernel import dsse
from stella.kernel.canonical import convert, dump, parse
from stella.kernel.digest import sha256
from stella.kernel.statement import PAYLOAD_TYPE, Statement, Subject
from stella.mirror import lay, rotate, service
from stella.mirror.model import BundleCreated, BundleVerified, CreateBundle, InitChannel, RotateKey, VerifyBundle
from stella.operations import Context
from stella.runtime.errors import SecretMissing
from stella.runtime.files import DiskFolder
from stella.runtime.settings import ClockSettings, MirrorSettings, Settings, SiteSettings
from stella.signing import anchor, authority, signers, tuf_repository
from stella.signing.keys import PrivateKey
from stella.site import service as site_service
from stella.site import upkeep
from stella.site.folder import SiteFolder
from stella.site.model import (
    ImportBundle,
    Imported,
    InitSite,
    MakeReceipt,
    OfSite,
    QuarantineCase,
    RollBack,
    ShowHeld,
    SiteState,
)
from stella.testing import ManualClock, SilentProgress, counted_entropy

DAY = 86_400
YEAR = 365 * DAY
NOW = 1_790_000_000  # 2026-09-21T14:13:20Z
PASSPHRASE = b"correct horse"


def noise(seed: str, size: int) -> bytes:
    """Bytes that no compressor shrinks, the same for the same seed."""
    return hashlib.shake_256(seed.encode()).digest(size)


def text(seed: str, size: int) -> bytes:
    """Bytes that compress well."""
    line = f'{{"name": "{seed}", "fixed": true}}\n'.encode()
    return (line * (size // len(line) + 1))[:size]


def first_release() -> dict[str, bytes]:
    """Files by `category/name`: a program, a library, a large feed, small ones, an empty one, and one twice."""
    return {
        "artifacts/bin/server": noise("server", 70_000) + text("server", 40_000),
        "artifacts/lib/codec.so": noise("codec", 66_000),
        "advisories/feed.ndjson": text("feed-1", 90_000),
        "advisories/osv/A-1.json": text("A-1", 300),
        "advisories/osv/A-2.json": text("A-2", 400),
        "sbom/bom.cdx.json": b"{}",
        "policies/gate.stella": b"deny all\n",
        "policies/copy.stella": b"deny all\n",
        "policies/empty.txt": b"",
    }


def second_release() -> dict[str, bytes]:
    """The next version: the program changed a little, library and feed wholly; small files came, and one went."""
    files = first_release()
    program = files["artifacts/bin/server"]
    files["artifacts/bin/server"] = program[:30_000] + b"patched!" + program[30_000:]
    files["artifacts/lib/codec.so"] = noise("codec-2", 67_000)
    files["advisories/feed.ndjson"] = text("feed-2 is another one", 95_000)
    files["advisories/osv/A-3.json"] = text("A-3", 500)
    files["advisories/osv/A-4.json"] = text("A-4", 600)
    del files["advisories/osv/A-1.json"]
    return files


def put(top: Path, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Write files below `top` and nothing else; returns the sources that name them."""
    shutil.rmtree(top, ignore_errors=True)
    for name, data in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tuple(f"{folder.name}={folder}" for folder in sorted(top.iterdir()))


@dataclass
class World:
    """A vendor's folder M and a site's folder D below `top`."""

    top: Path
    seed: str = "world"
    workers: int = 1
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    site_clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    mirror_settings: MirrorSettings = field(default_factory=MirrorSettings)
    site_settings: SiteSettings = field(default_factory=SiteSettings)
    clock_settings: ClockSettings = field(default_factory=ClockSettings)
    secrets: dict[str, bytes] = field(default_factory=lambda: {"env:STELLA_KEY_PASSPHRASE": PASSPHRASE})

    def __post_init__(self) -> None:
        self.top.mkdir(parents=True, exist_ok=True)
        self._entropy = counted_entropy(self.seed)
        self.made = 0

    @property
    def m(self) -> Path:
        return self.top / "M"

    @property
    def d(self) -> Path:
        return self.top / "D"

    def _secret(self, reference: str) -> bytes:
        try:
            return self.secrets[reference]
        except KeyError:
            raise SecretMissing(reference=reference, name=reference.removeprefix("env:")) from None

    def context(self, *, site: bool = False, actor: str = "op") -> Context:
        mirror = msgspec.structs.replace(self.mirror_settings, workers=self.workers)
        settings = Settings(mirror=mirror, site=self.site_settings, clock=self.clock_settings)
        clock = self.site_clock if site else self.clock
        return Context(clock, self._entropy, SilentProgress(), settings, self._secret, actor)

    def pass_time(self, seconds: int) -> None:
        """Let time pass on both sides."""
        self.clock.pass_time(seconds)
        self.site_clock.pass_time(seconds)

    # the vendor

    def lay_channel(self, **more: Any) -> World:
        lay.init(self.context(), InitChannel(dir=str(self.m), **more))
        return self

    def create(self, files: Mapping[str, bytes] | None = None, name: str = "", **more: Any) -> BundleCreated:
        """Cut a generation of `files`, or write an earlier one again."""
        self.made += 1
        source = put(self.top / "src", files) if files is not None else ()
        out = self.top / (name or f"{self.made}.stella")
        return service.create(self.context(), CreateBundle(dir=str(self.m), out=str(out), source=source, **more))

    def rotate(self, role: Any) -> None:
        rotate.rotate(self.context(), RotateKey(dir=str(self.m), role=role))

    @property
    def channel(self) -> ChannelFolder:
        return ChannelFolder(DiskFolder(self.m), str(self.m))

    def policy(self) -> signers.SignerPolicy:
        return signers.parse(self.channel.document(self.channel.head().documents["signers.json"]))

    def release_keys(self) -> list[PrivateKey]:
        return [self.channel.key("release", key.keyid, PASSPHRASE) for key in self.policy().release.keys]

    def packer_key(self) -> PrivateKey:
        return self.channel.key("packer", self.policy().packer.keys[0].keyid, PASSPHRASE)

    def token(self, root: str, at: int) -> bytes:
        """A proof of time over a root, by the channel's own authority, at any time the thief of its key likes."""
        key, certificate = self.channel.authority(self.policy().anchors[-1].name, PASSPHRASE)
        return authority.issue(bytes.fromhex(root), at, key, certificate)

    def verify(self, bundle: str | Path) -> BundleVerified:
        """What the vendor's own check says."""
        from stella.mirror import inspect

        want = VerifyBundle(bundle=str(self.top / bundle), trust=str(self.m / "trust"))
        return inspect.verify(self.context(), want)

    def trust(self) -> Trust:
        from stella.bundle.verify import trust_folder

        return trust_folder(DiskFolder(self.m / "trust"))

    # the site

    def lay_site(self) -> World:
        upkeep.init(self.context(site=True), InitSite(dir=str(self.d), trust=str(self.m / "trust")))
        return self

    def import_(self, bundle: str | Path, *, actor: str = "op", **more: Any) -> Imported:
        path = self.top / bundle
        return site_service.import_bundle(
            self.context(site=True, actor=actor), ImportBundle(bundle=str(path), dir=str(self.d), **more)
        )

    def rollback(self, to: int | None = None) -> None:
        upkeep.rollback(self.context(site=True), RollBack(dir=str(self.d), to=to))

    def receipt(self, name: str = "receipt.json") -> str:
        out = str(self.top / name)
        upkeep.receipt(self.context(site=True), MakeReceipt(dir=str(self.d), out=out))
        return out

    @property
    def site(self) -> SiteFolder:
        return SiteFolder(DiskFolder(self.d), str(self.d))

    def state(self) -> SiteState:
        return self.site.state()

    def status(self) -> Any:
        return upkeep.status(self.context(site=True), OfSite(dir=str(self.d)))

    def cases(self) -> list[QuarantineCase]:
        return self.site.cases()

    def files(self, generation: int | None = None) -> dict[str, bytes]:
        """What the site writes out."""
        out = self.top / "out"
        shutil.rmtree(out, ignore_errors=True)
        upkeep.show(self.context(site=True), ShowHeld(dir=str(self.d), out=str(out), generation=generation))
        return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}

    def running(self) -> dict[str, object]:
        """All that an attack must not change: what is active, held and trusted, and every object that this rests on."""
        state = self.state()
        wanted = set(state.trust.values())
        records = {}
        for mark in state.held:
            held = self.site.held(state, mark.generation)
            records[mark.generation] = held
            wanted |= {held.entries, held.stored, held.extra, *(blob.blob for blob in self.site.blobs(held))}
        objects = {name: sha256((self.d / "store/sha256" / name[:2] / name).read_bytes()) for name in wanted}
        return {
            "active": state.active,
            "held": state.held,
            "trust": state.trust,
            "root": state.root_version,
            "anchor": state.anchor,
            "records": records,
            "objects": objects,
        }

    def copy(self, name: str) -> World:
        """The same world again in another folder: to attack without a trace, or to tell two histories."""
        top = self.top.parent / name
        shutil.copytree(self.top, top)
        twin = World(top, f"{self.seed}/{name}", self.workers)
        twin.clock.reading, twin.site_clock.reading = self.clock.reading, self.site_clock.reading
        twin.mirror_settings, twin.site_settings = self.mirror_settings, self.site_settings
        twin.secrets, twin.made = dict(self.secrets), self.made
        return twin


@dataclass
class Parts:
    """A bundle taken apart: documents by title, stored blobs by digest in their order."""

    documents: dict[str, bytes]
    blobs: dict[str, bytes]

    @classmethod
    def read(cls, path: Path) -> Parts:
        with BundleFile.open(path) as bundle:
            documents = {title: bundle.document(title) for title in bundle.documents}
            return cls(documents, {digest: bundle.blob(digest) for digest in bundle.blobs})

    def write(self, path: Path) -> Path:
        """A file with these parts; the frame is what any writer would have made of them."""
        with path.open("wb") as file:
            write_bundle(
                file,
                self.documents,
                [(name, len(data)) for name, data in self.blobs.items()],
                self._open,
                SilentProgress(),
            )
        return path

    def _open(self, digest: str) -> BinaryIO:
        return io.BytesIO(self.blobs[digest])

    def with_documents(self, **documents: bytes) -> Parts:
        """With other documents; the keys are titles with `_` for `.`, `-` and `/`."""
        titles = {title.translate({ord(mark): "_" for mark in ".-/"}): title for title in self.documents}
        return Parts(self.documents | {titles[key]: data for key, data in documents.items()}, self.blobs)

    # what is signed

    def _payload(self, title: str) -> bytes:
        return base64.b64decode(parse(self.documents[title], dsse.Envelope, title).payload)

    @property
    def statement(self) -> Statement:
        return parse(self._payload("bundle.dsse.json"), Statement, "statement")

    @property
    def generation(self) -> Generation:
        return convert(self.statement.predicate, Generation, "predicate")

    @property
    def packer(self) -> PackerStatement:
        return parse(self._payload("packer.dsse.json"), PackerStatement, "packer")

    @property
    def entries(self) -> list[Entry]:
        return parse_entries(self._lines("entries.ndjson.zst"))

    @property
    def stored(self) -> list[Blob]:
        return parse_blobs(self._lines("stored.ndjson.zst"))

    def _lines(self, title: str) -> bytes:
        import zstandard

        return zstandard.ZstdDecompressor().decompress(self.documents[title])

    def tuf(self) -> dict[str, bytes]:
        """TUF metadata by file name."""
        return {title.removeprefix("tuf/"): data for title, data in self.documents.items() if title.startswith("tuf/")}

    # forging

    def packed(self, key: PrivateKey, stored: Iterable[Blob] | bytes | None = None, **changes: Any) -> Parts:
        """Sign the packer statement again: with another list of stored forms, or other fields."""
        documents = dict(self.documents)
        packer = self.packer
        if stored is not None:
            lines = stored if isinstance(stored, bytes) else dump_lines(stored)
            documents["stored.ndjson.zst"] = compress(lines)
            packer = msgspec.structs.replace(packer, stored=list_form(lines))
        packer = msgspec.structs.replace(packer, **changes)
        documents["packer.dsse.json"] = dsse.sign(PACKER_TYPE, dump(packer), [key])
        return Parts(documents, self.blobs)

    def with_lines(self, lines: bytes, key: PrivateKey) -> Parts:
        """With another entry list, signed by the packer alone."""
        documents = self.documents | {"entries.ndjson.zst": compress(lines)}
        return Parts(documents, self.blobs).packed(key, entries=list_form(lines))

    def released(self, keys: Iterable[PrivateKey], *, subject: Subject | None = None, **changes: Any) -> Parts:
        """Sign the release statement again with other fields, and the milestone that belongs to it."""
        generation = msgspec.structs.replace(self.generation, **changes)
        before = self.statement
        statement = dump(
            msgspec.structs.replace(
                before,
                subject=(
                    subject or Subject(f"{generation.channel}@{generation.generation}", {"sha256": generation.root}),
                ),
                predicate=msgspec.to_builtins(generation),
            )
        )
        envelope = dsse.sign(PAYLOAD_TYPE, statement, list(keys))
        milestone = dump(milestone_of(generation, statement, envelope))
        return Parts(self.documents | {"bundle.dsse.json": envelope, "milestone.json": milestone}, self.blobs)

    def anchored(self, token: bytes, proved: int) -> Parts:
        """With another proof of time and its description."""
        return self.with_documents(anchor_tsr=token, time_anchor_json=anchor.time_anchor_json(proved, sha256(token)))

    def targeted(
        self, world: World, now: int | None = None, roles: Mapping[str, list[PrivateKey]] | None = None
    ) -> Parts:
        """Publish the statement and the signer policy in TUF with the vendor's own keys, or with others."""
        payload = self._payload("bundle.dsse.json")
        targets = {
            generation_target(self.generation.generation): payload,
            "signers.json": self.documents["signers.json"],
        }
        state = self.tuf()
        keys = roles or world.channel.online_keys(state, PASSPHRASE)
        when = world.clock.read().wall if now is None else now
        lives = tuf_repository.Expiries(365 * DAY, 90 * DAY, 28 * DAY, 28 * DAY)
        made = tuf_repository.publish(state, targets, keys, when, lives)
        rest = {title: data for title, data in self.documents.items() if not title.startswith("tuf/")}
        return Parts(rest | {f"tuf/{name}": data for name, data in made.items()}, self.blobs)


def list_form(lines: bytes) -> ListForm:
    stored = compress(lines)
    return ListForm(blob=sha256(stored), digest=sha256(lines), size=len(lines), stored_size=len(stored))


def forged(world: World, parts: Parts, entries: list[Entry] | bytes, **changes: Any) -> Parts:
    """A generation over any entry list, signed with every online key of the vendor: release, packer, TUF and time."""
    lines = entries if isinstance(entries, bytes) else dump_lines(entries)
    root = root_of_lines(lines)
    created = world.clock.read().wall
    token = world.token(root, created)
    listed = [] if isinstance(entries, bytes) else entries
    proved = parts.generation.anchors[0]
    facts: dict[str, Any] = {
        "root": root,
        "entries_digest": sha256(lines),
        "entries_size": len(lines),
        "files": lines.count(b"\n"),
        "content_bytes": sum(entry.size for entry in listed),
        "categories": tally(listed),
        "created": at(created),
        "anchors": (msgspec.structs.replace(proved, digest=sha256(token), time=at(created)),),
    }
    made = parts.anchored(token, created).released(world.release_keys(), **(facts | changes))
    made = made.with_documents(entries_ndjson_zst=compress(lines)).targeted(world)
    generation = made.generation
    return made.packed(world.packer_key(), entries=list_form(lines), root=root, generation=generation.generation)


def at(instant: int) -> str:
    from stella.kernel.instant import format_time

    return format_time(instant)


Forge = Callable[[World, Parts], Parts]
