"""The operations of `mirror` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from typing import Literal

from stella.client.remote import Caller
from stella.mirror.model import (
    BundleCreated,
    BundlesDiffed,
    BundleShown,
    BundleVerified,
    ChannelIndexed,
    ChannelLaid,
    ChannelShown,
    ChannelsListed,
    ChannelStatus,
    CreateBundle,
    DiffBundles,
    ExportBundle,
    Exported,
    IndexChannel,
    IndexSearched,
    InitChannel,
    KeyRotated,
    ListChannels,
    RotateKey,
    SearchIndex,
    ShowBundle,
    VerifyBundle,
)


class MirrorCalls:
    """The operations of `mirror` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def init(self, *, dir: str, channel: str = "stable", signers: int = 1, threshold: int = 1) -> ChannelLaid:
        """Lay a channel: keys, signer policy, and a trust folder for its sites."""
        return self._call(
            "mirror.init", InitChannel(dir=dir, channel=channel, signers=signers, threshold=threshold), ChannelLaid
        )

    def create(
        self,
        *,
        dir: str,
        out: str,
        source: tuple[str, ...] = (),
        receipt: str | None = None,
        generation: int | None = None,
        created: str | None = None,
        renew: bool = False,
    ) -> BundleCreated:
        """Cut a generation from sources, sign it, and write its bundle."""
        return self._call(
            "mirror.create",
            CreateBundle(
                dir=dir, out=out, source=source, receipt=receipt, generation=generation, created=created, renew=renew
            ),
            BundleCreated,
        )

    def verify(self, *, bundle: str, trust: str, base: str | None = None) -> BundleVerified:
        """Check a bundle from the first byte to the last, without a network."""
        return self._call("mirror.verify", VerifyBundle(bundle=bundle, trust=trust, base=base), BundleVerified)

    def show(
        self, *, bundle: str, trust: str | None = None, files: bool = False, report: tuple[str, ...] = ()
    ) -> BundleShown:
        """Show what a bundle says it holds."""
        return self._call(
            "mirror.show", ShowBundle(bundle=bundle, trust=trust, files=files, report=report), BundleShown
        )

    def diff(self, *, old: str, new: str, limit: int = 20) -> BundlesDiffed:
        """Say what would change: files, sizes, advisories, packages."""
        return self._call("mirror.diff", DiffBundles(old=old, new=new, limit=limit), BundlesDiffed)

    def status(self, *, dir: str) -> ChannelShown:
        """Show generations, keys, expiries and known sites of a channel."""
        return self._call("mirror.status", ChannelStatus(dir=dir), ChannelShown)

    def rotate(
        self,
        *,
        dir: str,
        role: Literal["root", "targets", "snapshot", "timestamp", "release", "packer", "anchor"],
        root_keys: str | None = None,
    ) -> KeyRotated:
        """Replace the keys of a role; the next bundle carries the change."""
        return self._call("mirror.rotate", RotateKey(dir=dir, role=role, root_keys=root_keys), KeyRotated)

    def export(
        self, *, dir: str, out: str, format: Literal["thin-v1"] = "thin-v1", generation: int | None = None
    ) -> Exported:
        """Write a generation as the files of another format."""
        return self._call(
            "mirror.export", ExportBundle(dir=dir, out=out, format=format, generation=generation), Exported
        )

    def index(self, *, dir: str, anew: bool = False) -> ChannelIndexed:
        """Enter a channel into the index of the database."""
        return self._call("mirror.index", IndexChannel(dir=dir, anew=anew), ChannelIndexed)

    def list(self, *, channel: str | None = None, limit: int = 50, cursor: str | None = None) -> ChannelsListed:
        """List the channels of the index, or the generations of one."""
        return self._call("mirror.list", ListChannels(channel=channel, limit=limit, cursor=cursor), ChannelsListed)

    def search(
        self,
        *,
        what: str,
        kind: Literal["any", "content", "package", "advisory"] = "any",
        channel: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> IndexSearched:
        """Say which generation first carried a content, a package or an advisory."""
        return self._call(
            "mirror.search",
            SearchIndex(what=what, kind=kind, channel=channel, limit=limit, cursor=cursor),
            IndexSearched,
        )
