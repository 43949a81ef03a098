"""The operations of `migrate` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from stella.client.remote import Caller
from stella.database.model import (
    AskMigrations,
    BundleMigrations,
    Choice,
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


class MigrateCalls:
    """The operations of `migrate` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def status(self, *, module: tuple[str, ...] = ()) -> StatusShown:
        """Say which migrations were applied and which are pending."""
        return self._call("migrate.status", AskMigrations(module=module), StatusShown)

    def plan(self, *, module: tuple[str, ...] = (), category: Choice = Choice.AUTOMATIC) -> Planned:
        """Show what a run would apply, in its order."""
        return self._call("migrate.plan", PlanMigrations(module=module, category=category), Planned)

    def run(
        self,
        *,
        module: tuple[str, ...] = (),
        category: Choice = Choice.AUTOMATIC,
        dry_run: bool = False,
        plan: str | None = None,
    ) -> Ran:
        """Apply pending migrations."""
        return self._call(
            "migrate.run", RunMigrations(module=module, category=category, dry_run=dry_run, plan=plan), Ran
        )

    def verify(self, *, module: tuple[str, ...] = ()) -> Verified:
        """Check that what was applied is what this release ships, and that every file keeps the rules."""
        return self._call("migrate.verify", AskMigrations(module=module), Verified)

    def pause(self, *, module: tuple[str, ...] = ()) -> Paused:
        """Let data migrations stop after the batch that runs, or not begin."""
        return self._call("migrate.pause", PauseMigrations(module=module), Paused)

    def bundle(
        self, *, dir: str, out: str, module: tuple[str, ...] = (), since: int | None = None, created: str | None = None
    ) -> MigrationsBundled:
        """Try the migrations of this release, and write them as a signed bundle for sealed sites."""
        return self._call(
            "migrate.bundle",
            BundleMigrations(dir=dir, out=out, module=module, since=since, created=created),
            MigrationsBundled,
        )

    def import_(self, *, bundle: str, trust: str, dry_run: bool = False) -> MigrationsImported:
        """Verify a bundle of migrations offline, and apply what the database lacks of it."""
        return self._call(
            "migrate.import", ImportMigrations(bundle=bundle, trust=trust, dry_run=dry_run), MigrationsImported
        )
