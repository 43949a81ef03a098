"""A bundle with one flipped bit is refused, wherever the bit is, and nothing that the site runs changes.

The default suite flips a seeded sample in every region of a bundle that has each kind of blob; the nightly one flips
every bit of the smallest bundle. A second sample is flipped by an attacker who puts the frame right again, so that the
flip reaches the document's own check.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stella.bundle.reader import BundleFile
from stella.bundle.receive import Receiver, check_blobs
from stella.bundle.ustar import BLOCK, FOLDERS, scan
from stella.bundle.verify import verify_documents
from stella.kernel.errors import StellaError
from stella.runtime.settings import SiteSettings
from stella.testing import SilentProgress
from tests.world import Parts, World, first_release, second_release

EACH = 18  # flips in each region; about 25 regions
FRAME = frozenset({"structure", "forbidden_member", "not_a_bundle", "truncated"})
DIGEST = frozenset({"digest_mismatch"})


def regions(path: Path) -> dict[str, list[range]]:
    """Byte ranges of a bundle by what they hold."""
    parts = Parts.read(path)
    kinds = {row.blob: "pack" if len(row.holds) > 1 else row.enc for row in parts.stored}
    with BundleFile.open(path) as bundle:
        titles = {digest: title for title, (digest, _) in bundle.documents.items()}
    with path.open("rb") as file:
        members = scan(file, path)
    found: dict[str, list[range]] = {}
    end = 0
    places = {2 + len(FOLDERS): "manifest", 3 + len(FOLDERS): "config"}
    for place, member in enumerate(members):
        digest = member.name.rpartition("/")[2]
        name = titles.get(digest) or kinds.get(digest) or places.get(place, member.name)
        end = member.offset + member.size + -member.size % BLOCK
        found.setdefault("headers", []).append(range(member.offset - BLOCK, member.offset))
        if member.size:
            found.setdefault(f"data of {name}", []).append(range(member.offset, member.offset + member.size))
        found.setdefault("padding", []).append(range(member.offset + member.size, end))
    found["end"] = [range(end, path.stat().st_size)]
    return found


def expected(region: str) -> frozenset[str]:
    if region in {"headers", "padding", "end"}:
        return FRAME
    if region in {"data of oci-layout", "data of index.json"}:
        return FRAME | DIGEST
    return DIGEST


def some(places: list[range], count: int, seed: str) -> Iterator[tuple[int, int]]:
    """A sample of (offset, bit) that reaches every range."""
    draw = random.Random(seed)
    filled = [place for place in places if place]
    for turn in range(max(count, len(filled))):
        place = filled[turn % len(filled)]
        yield draw.choice(place), draw.randrange(8)


GROUPS: dict[str, Callable[[str], bool]] = {
    "frame": lambda region: (
        region in {"headers", "padding", "end"} or region.endswith((".json", "oci-layout", "manifest", "config"))
    ),
    "documents": lambda region: region.endswith((".zst", ".tsr")) or "tuf/" in region,
    "blobs": lambda region: region.endswith((" raw", " zstd", " pack", " hdiff")),
}


@pytest.mark.parametrize("group", GROUPS)
def test_a_flipped_bit_anywhere(group: str, world: World) -> None:
    world.site_settings = SiteSettings(quarantine_max_mib=0)  # a copy of each would only take time
    good = world.top / "2.stella"
    found = {name: places for name, places in regions(good).items() if GROUPS[group](name)}
    before, data = world.running(), bytearray(good.read_bytes())
    evil = world.top / "evil.stella"
    for region, places in found.items():
        for offset, bit in some(places, EACH, region):
            data[offset] ^= 1 << bit
            evil.write_bytes(data)
            with pytest.raises(StellaError) as caught:
                world.import_(evil)
            assert caught.value.reason in expected(region), (region, offset, bit, caught.value)
            data[offset] ^= 1 << bit
        assert world.running() == before, region
    assert bytes(data) == good.read_bytes()
    assert world.files() == first_release()
    world.import_(good)
    assert world.files() == second_release()


def test_the_flips_reach_every_region(prepared: World) -> None:
    found = regions(prepared.top / "2.stella")
    assert {"data of raw", "data of zstd", "data of pack", "data of hdiff", "data of anchor.tsr"} <= set(found)
    assert [name for name in found if not any(group(name) for group in GROUPS.values())] == []
    assert sum(len(list(some(places, EACH, name))) for name, places in found.items()) > 400


HINTS = (
    "packer.dsse.json",
    "tuf/timestamp.json",
)  # name keys and spell signatures in bytes that nothing signs: both are hints


@pytest.mark.parametrize(
    "title",
    [
        "milestone.json",
        "bundle.dsse.json",
        "packer.dsse.json",
        "signers.json",
        "anchor.tsr",
        "time-anchor.json",
        "entries.ndjson.zst",
        "stored.ndjson.zst",
        "tuf/",
    ],
)
def test_a_flipped_bit_under_a_frame_that_was_put_right(title: str, world: World) -> None:
    """Refused, or it was a bit that means nothing: then exactly the signed content is imported."""
    world.site_settings = SiteSettings(quarantine_max_mib=0)
    parts = Parts.read(world.top / "2.stella")
    names = [name for name in parts.documents if name.startswith(title)]
    before, evil, harmless = world.running(), world.top / "evil.stella", 0
    for name in names:
        for offset, bit in some([range(len(parts.documents[name]))], 24 // len(names), name):
            data = bytearray(parts.documents[name])
            data[offset] ^= 1 << bit
            Parts(parts.documents | {name: bytes(data)}, parts.blobs).write(evil)
            try:
                world.import_(evil, dry_run=True)
            except StellaError:
                with pytest.raises(StellaError):
                    world.import_(evil)
            else:
                assert name in HINTS or name.endswith(".root.json"), (name, offset, bit)
                harmless += 1
    assert world.running() == before
    assert harmless <= 12
    world.import_("2.stella")
    assert world.files() == second_release()


@pytest.fixture(scope="session")
def smallest(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("smallest") / "world").lay_channel()
    world.create({"other/a": b"a\n" * 40, "other/b": b"b"}, "1.stella")
    return world


def verify(world: World, data: bytes) -> None:
    with BundleFile(io.BytesIO(data), world.top / "1.stella") as bundle:
        genuine = verify_documents(bundle, world.trust())
        check_blobs(bundle, genuine.blobs, genuine.sizes, frozenset())
        Receiver(bundle, genuine.sizes, None, None).run(genuine.blobs, SilentProgress())


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(16))
def test_every_bit(part: int, smallest: World) -> None:
    data = bytearray((smallest.top / "1.stella").read_bytes())
    verify(smallest, bytes(data))
    for offset in range(part, len(data), 16):
        for bit in range(8):
            data[offset] ^= 1 << bit
            with pytest.raises(StellaError):
                verify(smallest, bytes(data))
            data[offset] ^= 1 << bit
