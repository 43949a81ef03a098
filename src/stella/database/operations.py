"""The rows of the operation table about migrations."""

from __future__ import annotations

from stella.database import views
from stella.database.model import (
    AskMigrations,
    BundleMigrations,
    ImportMigrations,
    MigrationsBundled,
    MigrationsImported,
    Paused,
    PauseMigrations,
    PlanMigrations,
    Planned,
    Ran,
    RunMigrations,
    StatusShown,
    Verified,
)
from stella.operations import Context, operation


@operation(
    "migrate.status",
    "GET /v1/admin/migrations",
    scope="database:read",
    view=views.status,
    example="stella migrate status",
)
def status(ctx: Context, want: AskMigrations) -> StatusShown:
    """Say which migrations were applied and which are pending."""
    from stella.database import service

    return service.status(ctx, want)


@operation(
    "migrate.plan",
    "GET /v1/admin/migrations/plan",
    scope="database:read",
    view=views.planned,
    example="stella migrate plan --category release",
)
def plan(ctx: Context, want: PlanMigrations) -> Planned:
    """Show what a run would apply, in its order.

    The digest names exactly this plan; `stella migrate run --plan DIGEST` refuses to run another one.
    """
    from stella.database import service

    return service.plan(ctx, want)


@operation(
    "migrate.run",
    "POST /v1/admin/migrations/runs",
    scope="database:migrate",
    view=views.ran,
    example="stella migrate run --category release --dry-run\nstella migrate run --category data --module service",
    idempotent=True,
    long=True,
)
def run(ctx: Context, want: RunMigrations) -> Ran:
    """Apply pending migrations.

    Each file and its line in the history are one transaction. Without `--category` this is what a start does by itself:
    startup and seed. Release migrations break old code and run only when asked for. Data migrations run in small
    batches; after a pause, an interruption or a kill the same command goes on where they were.
    """
    from stella.database import service

    return service.run(ctx, want)


@operation(
    "migrate.verify",
    "GET /v1/admin/migrations/verdict",
    scope="database:read",
    view=views.verified,
    example="stella migrate verify",
)
def verify(ctx: Context, want: AskMigrations) -> Verified:
    """Check that what was applied is what this release ships, and that every file keeps the rules."""
    from stella.database import service

    return service.verify(ctx, want)


@operation(
    "migrate.pause",
    "POST /v1/admin/migrations/pause",
    scope="database:migrate",
    view=views.paused,
    example="stella migrate pause --module service",
    idempotent=True,
)
def pause(ctx: Context, want: PauseMigrations) -> Paused:
    """Let data migrations stop after the batch that runs, or not begin.

    `stella migrate run --category data` goes on.
    """
    from stella.database import service

    return service.pause(ctx, want)


@operation(
    "migrate.bundle",
    "POST /v1/admin/migrations/bundles",
    scope="migrate:bundle",
    view=views.bundled,
    example=(
        "stella migrate bundle --dir MIG --out B.stella\n"
        "stella migrate bundle --dir MIG --since 1 --out B.stella   # after the release of generation 1"
    ),
    idempotent=True,
    long=True,
)
def bundle(ctx: Context, want: BundleMigrations) -> MigrationsBundled:
    """Try the migrations of this release, and write them as a signed bundle for sealed sites.

    In a private PostgreSQL that is thrown away each file is applied, passes the gate between tenants, is rolled back
    and applied again, and in the end everything is run once more and must do nothing. The manifest says what a database
    looks like before, after, and after each file. A step that fails keeps the bundle from being written.
    """
    from stella.database import bundling

    return bundling.bundle(ctx, want)


@operation(
    "migrate.import",
    "POST /v1/admin/migrations/imports",
    scope="migrate:import",
    view=views.imported,
    example="stella migrate import B.stella --trust T --dry-run\nstella migrate import B.stella --trust T",
    idempotent=True,
    long=True,
)
def import_(ctx: Context, want: ImportMigrations) -> MigrationsImported:
    """Verify a bundle of migrations offline, and apply what the database lacks of it.

    The installed release must ship each file with this content, and history, policies and schema must be what the
    bundle begins with. What a file leads to is compared with the manifest in its own transaction; when it differs, or
    the gate finds something, the file is undone. After an interruption the same command goes on.
    """
    from stella.database import importing

    return importing.import_(ctx, want)
