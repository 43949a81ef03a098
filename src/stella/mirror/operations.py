"""The mirror's rows of the operation table."""

from __future__ import annotations

from stella.mirror import views
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
from stella.operations import Context, operation


@operation(
    "mirror.init",
    "POST /v1/mirror/channels",
    scope="mirror:admin",
    view=views.laid,
    example="stella mirror init --dir M --channel stable\nstella mirror init --dir M --signers 3 --threshold 2",
    creates=True,
)
def init(ctx: Context, want: InitChannel) -> ChannelLaid:
    """Lay a channel: keys, signer policy, and a trust folder for its sites.

    Private keys are encrypted with the passphrase of `keys.passphrase` (STELLA_KEY_PASSPHRASE). With
    MIRROR_SIGN_KEY_B64 set the channel is signed by that production key; otherwise by a development key, and every
    bundle says so.
    """
    from stella.mirror import lay

    return lay.init(ctx, want)


@operation(
    "mirror.create",
    "POST /v1/mirror/bundles",
    scope="mirror:write",
    view=views.created,
    example=(
        "stella mirror create --dir M --source artifacts=dist/ sbom=app.cdx.json advisories=osv/ --out B.stella\n"
        "stella mirror create --dir M --source artifacts=dist/ --for receipt.json --out thin.stella\n"
        "stella mirror create --dir M --out again.stella   # the newest generation, in full"
    ),
    idempotent=True,
    long=True,
)
def create(ctx: Context, want: CreateBundle) -> BundleCreated:
    """Cut a generation from sources, sign it, and write its bundle.

    The same content gives the same generation and the same bytes again. With a receipt the bundle carries only what
    that site lacks, as binary deltas where they pay. Before anything is published the file passes the importer's own
    checks.
    """
    from stella.mirror import service

    return service.create(ctx, want)


@operation(
    "mirror.verify",
    "POST /v1/mirror/verifications",
    scope="mirror:read",
    view=views.verified,
    example="stella mirror verify B.stella --trust M/trust",
    long=True,
)
def verify(ctx: Context, want: VerifyBundle) -> BundleVerified:
    """Check a bundle from the first byte to the last, without a network.

    Exit code 6 and a reason when a check fails.
    """
    from stella.mirror import inspect

    return inspect.verify(ctx, want)


@operation(
    "mirror.show",
    "POST /v1/mirror/inspections",
    scope="mirror:read",
    view=views.shown,
    example=(
        "stella mirror show B.stella --files\nstella mirror show B.stella --trust M/trust --report html=bundle.html"
    ),
)
def show(ctx: Context, want: ShowBundle) -> BundleShown:
    """Show what a bundle says it holds."""
    from stella.mirror import inspect

    return inspect.show(ctx, want)


@operation(
    "mirror.diff",
    "GET /v1/mirror/diffs",
    scope="mirror:read",
    view=views.diffed,
    example="stella mirror diff installed.stella offered.stella",
)
def diff(ctx: Context, want: DiffBundles) -> BundlesDiffed:
    """Say what would change: files, sizes, advisories, packages."""
    from stella.mirror import compare

    return compare.diff(ctx, want)


@operation(
    "mirror.status",
    "GET /v1/mirror/channels/{dir}",
    scope="mirror:read",
    view=views.status,
    example="stella mirror status --dir M",
)
def status(ctx: Context, want: ChannelStatus) -> ChannelShown:
    """Show generations, keys, expiries and known sites of a channel."""
    from stella.mirror import lay

    return lay.status(ctx, want)


@operation(
    "mirror.rotate",
    "POST /v1/mirror/rotations",
    scope="mirror:admin",
    view=views.rotated,
    example=(
        "stella mirror rotate --dir M --role release\nstella mirror rotate --dir M --role root --root-keys /media/vault"
    ),
)
def rotate(ctx: Context, want: RotateKey) -> KeyRotated:
    """Replace the keys of a role; the next bundle carries the change.

    A new root is signed by the old root keys and by the new ones, and the chain of roots is kept. Each site asks for a
    second approver before it follows.
    """
    from stella.mirror import rotate as rotation

    return rotation.rotate(ctx, want)


@operation(
    "mirror.export",
    "POST /v1/mirror/exports",
    scope="mirror:read",
    view=views.exported,
    example="stella mirror export --dir M --format thin-v1 --out mirror/thin",
    long=True,
)
def export(ctx: Context, want: ExportBundle) -> Exported:
    """Write a generation as the files of another format."""
    from stella.mirror import export as exporting

    return exporting.export(ctx, want)


@operation(
    "mirror.index",
    "POST /v1/mirror/index",
    scope="mirror:write",
    view=views.indexed,
    example="stella mirror index M\nstella mirror index M --anew",
    idempotent=True,
    long=True,
)
def index(ctx: Context, want: IndexChannel) -> ChannelIndexed:
    """Enter a channel into the index of the database.

    The folder stays the truth: the index is made from it, and `mirror create` keeps it up to date where a database is
    configured. With `--anew` what is there of the channel is thrown away first.
    """
    from stella.mirror import catalogue

    return catalogue.index(ctx, want)


@operation(
    "mirror.list",
    "GET /v1/mirror/channels",
    scope="mirror:read",
    view=views.listed,
    example="stella mirror list\nstella mirror list stable --limit 10",
)
def list_(ctx: Context, want: ListChannels) -> ChannelsListed:
    """List the channels of the index, or the generations of one."""
    from stella.mirror import catalogue

    return catalogue.list_(ctx, want)


@operation(
    "mirror.search",
    "GET /v1/mirror/search",
    scope="mirror:read",
    view=views.searched,
    example="stella mirror search CVE-2024-3094\nstella mirror search pkg:pypi/cryptography --channel stable",
)
def search(ctx: Context, want: SearchIndex) -> IndexSearched:
    """Say which generation first carried a content, a package or an advisory.

    A package is found by its name, its name and version, or its package URL with or without the version; an advisory by
    its id or one of its aliases; a content by its SHA-256 or the first 8 digits of it.
    """
    from stella.mirror import catalogue

    return catalogue.search(ctx, want)
