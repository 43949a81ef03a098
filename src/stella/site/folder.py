"""A site folder: immutable objects, held generations, quarantine, and the one pointer `state.json`.

Rules:
- Nothing is removed under the state that was found: it is flipped first. A writer that lost its lease and still means
  to name what is removed then finds another state than the one it read.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from stella.bundle.contents import Contents, sizes_of
from stella.bundle.kept import KeptFolder
from stella.bundle.limits import MAX_DOCUMENT, MAX_LIST
from stella.bundle.model import Blob, blob_order
from stella.bundle.verify import Trust
from stella.kernel.canonical import dump, parse
from stella.runtime.errors import ObjectMissing
from stella.signing import tuf_client
from stella.site.errors import GenerationNotHeld, NoSite
from stella.site.model import HeldGeneration, QuarantineCase, SiteState

KEY_FILE = "keys/site.pem"
LAST = ("timestamp.json", "snapshot.json", "targets.json")


def held_key(generation: int) -> str:
    """Key of a held generation."""
    return f"generations/{generation:08d}.json"


class SiteFolder(KeptFolder):
    """Reads and writes what a site keeps."""

    def state(self) -> SiteState:
        """Raises NoSite."""
        try:
            return parse(self.folder.read("state.json", MAX_LIST), SiteState, "state.json")
        except ObjectMissing:
            raise NoSite(path=self.shown) from None

    def flip(self, state: SiteState) -> None:
        """Replace the state: the one atomic step of every change."""
        self.folder.write("state.json", dump(state))

    def trust(self, state: SiteState) -> Trust:
        """What the site trusts: newest root, and the metadata it has seen last."""
        root = self.document(state.trust[f"{state.root_version}.root.json"])
        seen = {name: self.document(state.trust[name]) if name in state.trust else None for name in LAST}
        trusted = tuf_client.Trusted(
            root=root, timestamp=seen["timestamp.json"], snapshot=seen["snapshot.json"], targets=seen["targets.json"]
        )
        return Trust(state.channel, state.channel_id, trusted)

    def held(self, state: SiteState, generation: int) -> HeldGeneration:
        """Raises GenerationNotHeld."""
        if not any(mark.generation == generation for mark in state.held):
            numbers = ", ".join(str(mark.generation) for mark in state.held) or "none"
            raise GenerationNotHeld(generation=generation, held=numbers, path=self.shown)
        return parse(self.folder.read(held_key(generation), MAX_DOCUMENT), HeldGeneration, held_key(generation))

    def contents(self, held: HeldGeneration) -> Contents:
        """Content of a held generation."""
        extra = parse(self.document(held.extra), dict[str, int], "extra sizes")
        return Contents(self.folder, self.blobs(held), extra | sizes_of(self.entries(held)))

    def cases(self) -> list[QuarantineCase]:
        """Refused bundles, oldest first."""
        keys = [key for key in self.folder.keys("quarantine/") if key.endswith("/case.json")]
        cases = [parse(self.folder.read(key, MAX_DOCUMENT), QuarantineCase, key) for key in keys]
        return sorted(cases, key=lambda case: (case.time, case.id))

    def prune(self, state: SiteState, *, flipped: bool) -> None:
        """Remove generations that are not held, and every object that nothing held refers to.

        `flipped` says that the caller has flipped the state under this lock.
        """
        gone = self._unheld(state)
        if gone and not flipped:
            self.flip(msgspec.structs.replace(state, cleared=state.cleared + 1))
        for key in gone:
            self.folder.remove(key)

    def _unheld(self, state: SiteState) -> list[str]:
        kept = {held_key(mark.generation) for mark in state.held}
        gone = [key for key in self.folder.keys("generations/") if key not in kept]
        wanted = set(state.trust.values())
        for mark in state.held:
            held = self.held(state, mark.generation)
            wanted |= {held.entries, held.stored, held.extra, *(blob.blob for blob in self.blobs(held))}
        return gone + [key for key in self.folder.keys("store/") if key.rpartition("/")[2] not in wanted]


def local_forms(
    received: list[Blob], base: Contents | None, sizes: Mapping[str, int]
) -> tuple[list[Blob], dict[str, int]]:
    """Blobs that yield every content of a generation, in digest order, and the sizes of what they yield besides."""
    delivered = {digest for blob in received for digest in blob.holds}
    chosen = {blob_order(blob): blob for blob in received}
    extra: dict[str, int] = {}
    for digest in sizes.keys() - delivered:
        if base is None:
            raise AssertionError(digest)
        blob = base.blob(digest)
        chosen[blob_order(blob)] = blob
        extra |= {held: base.size(held) for held in blob.holds if held not in sizes}
    return [chosen[name] for name in sorted(chosen)], extra


def encode_sizes(sizes: Mapping[str, int]) -> bytes:
    """Sizes by digest as JSON with sorted keys."""
    return msgspec.json.encode(dict(sorted(sizes.items())))
