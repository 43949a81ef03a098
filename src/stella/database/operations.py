"""The rows of the operation table about migrations."""

from __future__ import annotations

from stella.database import views
from stella.database.model import (
    AskMigrations,
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
