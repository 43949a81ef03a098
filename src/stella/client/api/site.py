"""The operations of `site` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from stella.client.remote import Caller
from stella.site.model import (
    CaseReleased,
    EventsShown,
    HeldShown,
    ImportBundle,
    Imported,
    IndexSite,
    InitSite,
    MakeReceipt,
    OfSite,
    QuarantineShown,
    ReceiptMade,
    ReleaseCase,
    RollBack,
    RolledBack,
    SeeEvents,
    SeeQuarantine,
    ShowHeld,
    SiteIndexed,
    SiteLaid,
    SiteListed,
    SiteShown,
)


class SiteCalls:
    """The operations of `site` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def init(self, *, dir: str, trust: str, name: str = "site") -> SiteLaid:
        """Lay a site that trusts one channel."""
        return self._call("site.init", InitSite(dir=dir, trust=trust, name=name), SiteLaid)

    def import_(
        self,
        *,
        bundle: str,
        dir: str,
        force: bool = False,
        reason: str = "",
        approver: str = "",
        confirm_clock: bool = False,
        dry_run: bool = False,
    ) -> Imported:
        """Verify a bundle and make it the active generation."""
        return self._call(
            "site.import",
            ImportBundle(
                bundle=bundle,
                dir=dir,
                force=force,
                reason=reason,
                approver=approver,
                confirm_clock=confirm_clock,
                dry_run=dry_run,
            ),
            Imported,
        )

    def status(self, *, dir: str) -> SiteShown:
        """Say what the site runs, how old it is and what time it trusts."""
        return self._call("site.status", OfSite(dir=dir), SiteShown)

    def list(self, *, dir: str) -> SiteListed:
        """List the generations that the site holds, and its history."""
        return self._call("site.list", OfSite(dir=dir), SiteListed)

    def show(
        self,
        *,
        dir: str,
        generation: int | None = None,
        files: bool = False,
        out: str | None = None,
        path: str | None = None,
    ) -> HeldShown:
        """Show a held generation, or write its files to a folder."""
        return self._call(
            "site.show", ShowHeld(dir=dir, generation=generation, files=files, out=out, path=path), HeldShown
        )

    def rollback(self, *, dir: str, to: int | None = None, reason: str = "") -> RolledBack:
        """Run the previous generation again, at once."""
        return self._call("site.rollback", RollBack(dir=dir, to=to, reason=reason), RolledBack)

    def quarantine(self, *, dir: str, id: str | None = None) -> QuarantineShown:
        """List the bundles that were refused, with the reason and what to do."""
        return self._call("site.quarantine", SeeQuarantine(dir=dir, id=id), QuarantineShown)

    def release(self, *, dir: str, id: str, reason: str, ticket: str) -> CaseReleased:
        """Let go of a refused bundle: its copy is deleted, the history keeps the case, the reason and the ticket."""
        return self._call("site.release", ReleaseCase(dir=dir, id=id, reason=reason, ticket=ticket), CaseReleased)

    def receipt(self, *, dir: str, out: str) -> ReceiptMade:
        """Sign what the site holds, for the way back to the vendor."""
        return self._call("site.receipt", MakeReceipt(dir=dir, out=out), ReceiptMade)

    def index(self, *, dir: str) -> SiteIndexed:
        """Enter a site and its history into the index of the database."""
        return self._call("site.index", IndexSite(dir=dir), SiteIndexed)

    def events(self, *, site: str | None = None, limit: int = 50, cursor: str | None = None) -> EventsShown:
        """List who brought which bundle to which state, newest first, over all sites of the index or one."""
        return self._call("site.events", SeeEvents(site=site, limit=limit, cursor=cursor), EventsShown)
