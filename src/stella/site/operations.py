"""The site's rows of the operation table."""

from __future__ import annotations

from stella.operations import Context, operation
from stella.site import views
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


@operation(
    "site.init",
    "POST /v1/site",
    scope="site:admin",
    view=views.laid,
    example="stella site init --dir D --trust M/trust --name plant-7",
    creates=True,
)
def init(ctx: Context, want: InitSite) -> SiteLaid:
    """Lay a site that trusts one channel.

    The trust folder comes from the vendor by another way than the bundles. Compare the sha256 of its root with the
    vendor by phone before the first import.
    """
    from stella.site import upkeep

    return upkeep.init(ctx, want)


@operation(
    "site.import",
    "POST /v1/site/imports",
    scope="site:import",
    view=views.imported,
    example=(
        "stella site import B.stella --dir D\n"
        "stella site import B.stella --dir D --approver kim   # it brings new root keys"
    ),
    idempotent=True,
    long=True,
)
def import_(ctx: Context, want: ImportBundle) -> Imported:
    """Verify a bundle and make it the active generation.

    Every signature, the proof of time, the content root and each content are checked before one atomic flip. A bundle
    that fails goes to quarantine and the site stays as it was; the previous generation stays for rollback. No network
    is used.
    """
    from stella.site import service

    return service.import_bundle(ctx, want)


@operation(
    "site.status",
    "GET /v1/site",
    scope="site:read",
    view=views.status,
    example="stella site status --dir D",
)
def status(ctx: Context, want: OfSite) -> SiteShown:
    """Say what the site runs, how old it is and what time it trusts."""
    from stella.site import upkeep

    return upkeep.status(ctx, want)


@operation(
    "site.list",
    "GET /v1/site/generations",
    scope="site:read",
    view=views.listing,
    example="stella site list --dir D",
)
def list_(ctx: Context, want: OfSite) -> SiteListed:
    """List the generations that the site holds, and its history."""
    from stella.site import upkeep

    return upkeep.listing(ctx, want)


@operation(
    "site.show",
    "POST /v1/site/inspections",
    scope="site:read",
    view=views.shown,
    example="stella site show --dir D --files\nstella site show --dir D --path policies --out /srv/policies",
)
def show(ctx: Context, want: ShowHeld) -> HeldShown:
    """Show a held generation, or write its files to a folder."""
    from stella.site import upkeep

    return upkeep.show(ctx, want)


@operation(
    "site.rollback",
    "POST /v1/site/rollback",
    scope="site:import",
    view=views.rolled_back,
    example='stella site rollback --dir D --reason "scanner crashes"',
)
def rollback(ctx: Context, want: RollBack) -> RolledBack:
    """Run the previous generation again, at once."""
    from stella.site import upkeep

    return upkeep.rollback(ctx, want)


@operation(
    "site.quarantine",
    "GET /v1/site/quarantine",
    scope="site:read",
    view=views.quarantine,
    example="stella site quarantine --dir D\nstella site quarantine 3fa9 --dir D",
)
def quarantine(ctx: Context, want: SeeQuarantine) -> QuarantineShown:
    """List the bundles that were refused, with the reason and what to do."""
    from stella.site import upkeep

    return upkeep.quarantine(ctx, want)


@operation(
    "site.release",
    "POST /v1/site/releases",
    scope="site:admin",
    view=views.released,
    example='stella site release 3fa9 --dir D --reason "bad copy, fetched again" --ticket OPS-7',
)
def release(ctx: Context, want: ReleaseCase) -> CaseReleased:
    """Let go of a refused bundle: its copy is deleted, the history keeps the case, the reason and the ticket."""
    from stella.site import upkeep

    return upkeep.release(ctx, want)


@operation(
    "site.receipt",
    "POST /v1/site/receipts",
    scope="site:receipt",
    view=views.receipt,
    example="stella site receipt --dir D --out receipt.json",
    creates=True,
)
def receipt(ctx: Context, want: MakeReceipt) -> ReceiptMade:
    """Sign what the site holds, for the way back to the vendor.

    With it `stella mirror create --for` makes the thinnest bundle for this site.
    """
    from stella.site import upkeep

    return upkeep.receipt(ctx, want)


@operation(
    "site.index",
    "POST /v1/site/index",
    scope="site:write",
    view=views.indexed,
    example="stella site index --dir D",
    idempotent=True,
)
def index(ctx: Context, want: IndexSite) -> SiteIndexed:
    """Enter a site and its history into the index of the database.

    Imports, rollbacks and refusals do so themselves where a database is configured.
    """
    from stella.site import index as indexing

    return indexing.index(ctx, want)


@operation(
    "site.events",
    "GET /v1/site/events",
    scope="site:read",
    view=views.events,
    example="stella site events\nstella site events plant-7 --limit 10",
)
def events(ctx: Context, want: SeeEvents) -> EventsShown:
    """List who brought which bundle to which state, newest first, over all sites of the index or one."""
    from stella.site import index as indexing

    return indexing.events(ctx, want)
