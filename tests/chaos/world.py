"""A tiny world of a channel and a site, what may be done in it, and what must hold whatever happened to it.

Rules:
- Time and entropy are given, so an undisturbed run has one outcome, byte for byte.
- A world is built once and copied with hard links; every file of it is replaced, never changed in place.
- A check reads what a person could read: it uses no memory of the run that was disturbed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hdiffpatch
import msgspec

from stella.bundle.channel import ChannelFolder, key_path
from stella.bundle.model import Mark, root_of_lines
from stella.kernel.digest import sha256
from stella.mirror import inspect, lay, rotate, service
from stella.mirror.errors import ChannelExists
from stella.mirror.model import CreateBundle, InitChannel, RotateKey, VerifyBundle
from stella.operations import Context
from stella.runtime.errors import SecretMissing
from stella.runtime.files import TEMPORARY, DiskFolder
from stella.runtime.settings import MirrorSettings, Settings, SiteSettings
from stella.signing import signers, tuf_repository
from stella.site import service as importing
from stella.site import upkeep
from stella.site.errors import NothingToRollBack, NotInQuarantine, SiteExists
from stella.site.folder import SiteFolder
from stella.site.model import ImportBundle, ImportState, InitSite, MakeReceipt, ReleaseCase, RollBack
from stella.testing import ManualClock, SilentProgress, counted_entropy

PASSPHRASE = b"correct horse"
DAY_ONE = 1_790_000_000
HOUR = 3600
POINTERS = ("head.json", "state.json")
CLEARED = re.compile(rb'"cleared":\d+,')
SETTINGS = Settings(mirror=MirrorSettings(workers=1), site=SiteSettings(keep_generations=2))


def _secret(reference: str) -> bytes:
    if reference == "env:STELLA_KEY_PASSPHRASE":
        return PASSPHRASE
    raise SecretMissing(reference=reference, name=reference.removeprefix("env:"))


def context(hours: int = 0, seed: str = "world") -> Context:
    """The world of an operation, so many hours after the first generation."""
    clock = ManualClock(DAY_ONE + hours * HOUR, boot_seconds=1000 + hours * HOUR)
    return Context(clock, counted_entropy(seed), SilentProgress(), SETTINGS, _secret, "operator")


class DirectWorker:
    """The delta worker without its process, whose start would be most of the time of a point."""

    def diff(self, old: Path, new: Path, patch: Path) -> bool:
        made = hdiffpatch.diff(old.read_bytes(), new.read_bytes(), compression=hdiffpatch.COMPRESSION_ZSTD)
        patch.write_bytes(made)
        return True

    def apply(self, blob: str, old: Path, patch: Path, new: Path, size: int) -> None:
        del blob, size
        new.write_bytes(hdiffpatch.apply(old.read_bytes(), patch.read_bytes()))


@contextlib.contextmanager
def direct_worker() -> Iterator[DirectWorker]:
    """Stands for `stella.bundle.delta.delta_worker`."""
    yield DirectWorker()


# What is done in a world. Each takes its folder and a seed for what is drawn at random.


def lay_channel(top: Path, seed: str) -> Any:
    return lay.init(context(seed=seed), InitChannel(dir=str(top / "M")))


def _create(top: Path, seed: str, number: int, out: str, receipt: str | None = None) -> Any:
    source = (f"artifacts={top}/src{number}/bin", f"advisories={top}/src{number}/feed")
    want = CreateBundle(dir=str(top / "M"), out=str(top / out), source=source, receipt=receipt and str(top / receipt))
    return service.create(context(number - 1, seed), want)


def create_first(top: Path, seed: str) -> Any:
    return _create(top, seed, 1, "out.stella")


def create_full(top: Path, seed: str) -> Any:
    return _create(top, seed, 2, "out.stella")


def create_thin(top: Path, seed: str) -> Any:
    return _create(top, seed, 2, "out.stella", "receipt.json")


def rotate_root(top: Path, seed: str) -> Any:
    return rotate.rotate(context(1, seed), RotateKey(dir=str(top / "M"), role="root"))


def rotate_release(top: Path, seed: str) -> Any:
    return rotate.rotate(context(1, seed), RotateKey(dir=str(top / "M"), role="release"))


def lay_site(top: Path, seed: str) -> Any:
    return upkeep.init(context(seed=seed), InitSite(dir=str(top / "D"), trust=str(top / "M/trust"), name="plant-7"))


def _import(top: Path, seed: str, hours: int, bundle: str) -> Any:
    return importing.import_bundle(context(hours, seed), ImportBundle(bundle=str(top / bundle), dir=str(top / "D")))


def import_first(top: Path, seed: str) -> Any:
    return _import(top, seed, 0, "1.stella")


def import_thin(top: Path, seed: str) -> Any:
    return _import(top, seed, 1, "2-thin.stella")


def import_pruning(top: Path, seed: str) -> Any:
    return _import(top, seed, 2, "3.stella")


def import_flipped(top: Path, seed: str) -> Any:
    return _import(top, seed, 1, "flipped.stella")


def roll_back(top: Path, seed: str) -> Any:
    return upkeep.rollback(context(3, seed), RollBack(dir=str(top / "D"), reason="it crashes"))


def make_receipt(top: Path, seed: str) -> Any:
    return upkeep.receipt(context(3, seed), MakeReceipt(dir=str(top / "D"), out=str(top / "out.json")))


def let_go(top: Path, seed: str) -> Any:
    ctx, site = context(3, seed), str(top / "D")
    case = next((found.id for found in SiteFolder(ctx.folder(site), site).cases()), "none")
    return upkeep.release(ctx, ReleaseCase(dir=site, id=case, reason="a bad copy", ticket="OPS-7"))


# Worlds: how far the main job has come.


def _sources(top: Path) -> None:
    body = b"".join(sha256(bytes([number])).encode() for number in range(256)) * 5  # more than a pack takes
    for number in (1, 2, 3):
        feed = top / f"src{number}/feed"
        feed.mkdir(parents=True)
        for name in range(number):
            (feed / f"{name}.json").write_text(f'{{"id": "OSV-{name}"}}')
        (top / f"src{number}/bin").write_bytes(f"release {number}".encode() * 9 + body)


def _one(top: Path) -> None:
    lay_channel(top, "channel")
    lay_site(top, "site")
    _create(top, "1", 1, "1.stella")


def _first(top: Path) -> None:
    _one(top)
    import_first(top, "1")
    upkeep.receipt(context(), MakeReceipt(dir=str(top / "D"), out=str(top / "receipt.json")))


def _second(top: Path) -> None:
    _first(top)
    _create(top, "2", 2, "2-thin.stella", "receipt.json")
    _create(top, "2", 2, "2.stella")
    (top / "flipped.stella").write_bytes(with_a_flipped_bit(top / "2.stella"))


def with_a_flipped_bit(bundle: Path) -> bytes:
    """A bundle with one bit changed, in the middle of its largest content."""
    with tarfile.open(bundle) as tar:
        largest = max(tar.getmembers(), key=lambda member: member.size)
    whole = bytearray(bundle.read_bytes())
    whole[largest.offset_data + largest.size // 2] ^= 1
    return bytes(whole)


def _third(top: Path) -> None:
    _second(top)
    import_thin(top, "2")
    _create(top, "3", 3, "3.stella")


def _refused(top: Path) -> None:
    _second(top)
    with contextlib.suppress(Exception):
        import_flipped(top, "2")


WORLDS: Mapping[str, Callable[[Path], object]] = {
    "nothing": lambda _: None,
    "laid": lambda top: lay_channel(top, "channel"),
    "one": _one,
    "first": _first,
    "second": _second,
    "third": _third,
    "refused": _refused,
}


def build(top: Path, world: str) -> Path:
    """The world of that name in a new folder."""
    top.mkdir(parents=True)
    _sources(top)
    WORLDS[world](top)
    return top


def copy(world: Path, top: Path, *, without: str) -> Path:
    """A world to disturb, without a side that nothing is done to, and without locks, which are changed in place."""
    shutil.copytree(world, top, copy_function=os.link, ignore=shutil.ignore_patterns(".lock", without))
    return top


# What must hold.


def tree(top: Path, known: Mapping[int, bytes] | None = None) -> dict[str, bytes]:
    """Every file of a world but the lock files; `known` are bytes by inode, of files that still exist elsewhere.

    How often a run had to clear away what another one had left is taken out of the pointers: it tells how many there
    were.
    """
    found: dict[str, bytes] = {}
    for folder, _, names in os.walk(top):
        for name in names:
            path = f"{folder}/{name}"
            data = (known or {}).get(Path(path).stat().st_ino)
            if name != ".lock":
                data = Path(path).read_bytes() if data is None else data
                found[os.path.relpath(path, top)] = CLEARED.sub(b"", data) if name in POINTERS else data
    return found


def inodes(top: Path) -> dict[int, bytes]:
    """Bytes by inode, for `tree`."""
    return {(top / name).stat().st_ino: data for name, data in tree(top).items()}


def temporary_files(top: Path) -> list[str]:
    """What a write has left half done."""
    return sorted(name for _, _, names in os.walk(top) for name in names if name.endswith(TEMPORARY))


def channel_of(top: Path) -> ChannelFolder:
    return ChannelFolder(DiskFolder(top / "M"), "M")


def check_channel(top: Path) -> None:
    """The head, its trust, its keys and every content of every generation are there and whole."""
    store = channel_of(top)
    head, records = store.head(), store.records()
    assert [record.generation for record in records] == list(range(1, len(records) + 1))
    newest = records[-1] if records else None
    assert head.generation == (Mark(newest.generation, newest.root) if newest else None)
    for documents in (head.documents, *(record.documents for record in records)):
        assert all(sha256(store.document(digest)) == digest for digest in documents.values())
    store.online_keys(lay.metadata_of(store, head), PASSPHRASE)
    for key in key_files(store):
        assert (top / "M" / key).is_file(), key
    for record in records:
        contents = store.contents(record)
        assert root_of_lines(store.document(record.entries)) == record.root
        assert all(len(contents.read(entry.digest)) == entry.size for entry in store.entries(record))


def key_files(store: ChannelFolder) -> set[str]:
    """The private keys that count now, by what the trust documents say."""
    head = store.head()
    policy = signers.parse(store.document(head.documents["signers.json"]))
    root = tuf_repository.root_of(lay.metadata_of(store, head))
    named = {(name, keyid) for name, role in root.roles.items() for keyid in role.keyids}
    named |= {("release", key.keyid) for key in policy.release.keys}
    named |= {("packer", key.keyid) for key in policy.packer.keys}
    named.add(("anchor", policy.anchors[-1].name))
    return {key_path(role, keyid) for role, keyid in named}


def check_rendering(top: Path) -> None:
    """`tuf/` and `trust/` say what the head says, and the keys are those that count."""
    store = channel_of(top)
    for name, data in lay.metadata_of(store, store.head()).items():
        assert (top / "M/tuf/metadata" / name).read_bytes() == data, name
    newest = tuf_repository.newest_root(lay.metadata_of(store, store.head()))
    assert (top / "M/trust/root.json").read_bytes() == newest
    assert {f"keys/{path.name}" for path in (top / "M/keys").iterdir()} == key_files(store)


def check_going_on(top: Path, start: Path) -> None:
    """The bundle of every generation can be written again, another one can be cut, and all pass with old trust."""
    trust = (start if (start / "M/trust").is_dir() else top) / "M/trust"
    for record in channel_of(top).records():
        want = CreateBundle(dir=str(top / "M"), out=str(top / "again.stella"), generation=record.generation)
        made = service.create(context(9), want)
        assert (made.generation, made.root, made.fresh) == (record.generation, record.root, False)
        check_bundle(top / "again.stella", trust)
    assert _create(top, "next", 3, "again.stella").fresh
    check_bundle(top / "again.stella", trust)


def check_bundle(bundle: Path, trust: Path) -> None:
    """A bundle passes from the first byte to the last."""
    assert inspect.verify(context(9), VerifyBundle(bundle=str(bundle), trust=str(trust))).verdict == "verified"


def check_site(top: Path) -> None:
    """The state, its trust and every content of every held generation are there and whole."""
    store = SiteFolder(DiskFolder(top / "D"), "D")
    state = store.state()
    assert state.active is None or state.active in state.held
    assert sum(record.state is ImportState.ACTIVE for record in state.history) == (state.active is not None)
    store.trust(state)
    for mark in state.held:
        held = store.held(state, mark.generation)
        assert held.root == mark.root == root_of_lines(store.document(held.entries))
        contents = store.contents(held)
        assert all(len(contents.read(entry.digest)) == entry.size for entry in store.entries(held))


def check_whole(top: Path) -> None:
    """Check what is there of a channel and of a site."""
    if (top / "M/channel.json").exists():
        check_channel(top)
    if (top / "D/state.json").exists():
        check_site(top)


def pointer(top: Path) -> object:
    """What the channel publishes and the site runs."""
    state = None
    if (top / "D/state.json").exists():
        found = SiteFolder(DiskFolder(top / "D"), "D").state()
        state = (found.site_id, found.active, found.held, tuple(sorted(found.trust.items())), found.anchor)
    head = top / "M/head.json"
    return ((top / "M/channel.json").exists() and head.read_bytes(), state)


@dataclass(frozen=True)
class Scenario:
    """A command in a world.

    `exact`: whoever runs it again ends with the files of an undisturbed run, byte for byte. `again` are errors that say
    a run came too late: the one before had finished. `refused` is the reason why it never succeeds.
    """

    name: str
    world: str
    act: Callable[[Path, str], Any]
    exact: bool = True
    again: tuple[type[Exception], ...] = ()
    refused: str = ""

    @property
    def of_channel(self) -> bool:
        """Whether it changes a channel; else it changes a site."""
        return self.name.startswith(("mirror", "create", "rotate"))

    @property
    def bystander(self) -> str:
        """The side that it does not touch; `site-init` reads the trust folder of the other."""
        return "D" if self.of_channel else "nothing" if self.name == "site-init" else "M"


SCENARIOS = [
    Scenario("mirror-init", "nothing", lay_channel, exact=False, again=(ChannelExists,)),
    Scenario("create-first", "laid", create_first),
    Scenario("create-full", "first", create_full),
    Scenario("create-thin", "first", create_thin),
    Scenario("rotate-root", "first", rotate_root, exact=False),
    Scenario("rotate-release", "first", rotate_release, exact=False),
    Scenario("site-init", "laid", lay_site, exact=False, again=(SiteExists,)),
    Scenario("import-first", "one", import_first),
    Scenario("import-thin", "second", import_thin),
    Scenario("import-pruning", "third", import_pruning),
    Scenario("import-flipped", "second", import_flipped, exact=False, refused="digest_mismatch"),
    Scenario("rollback", "third", roll_back, again=(NothingToRollBack,)),
    Scenario("receipt", "first", make_receipt),
    Scenario("let-go", "refused", let_go, exact=False, again=(NotInQuarantine,)),
]


@cache
def scenario(name: str) -> Scenario:
    return next(found for found in SCENARIOS if found.name == name)


def plain(result: object) -> object:
    """A result without what names the run: whether the generation was new, notes, and the path."""
    if not isinstance(result, msgspec.Struct):
        return result
    told = msgspec.to_builtins(result)
    return {
        name: value for name, value in told.items() if name not in {"fresh", "notes", "bundle", "receipt", "checks"}
    }
