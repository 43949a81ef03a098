"""Why migrations are refused."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class BadMigrationName(StellaError, ValueError):
    """`{name}` in {folder} is not the name of a migration: {problem}.

    The name alone says when a file runs: `NNN_what.sql` with 001 to 099 at start, with 100 to 999 as a release by hand,
    `SNNN_what.sql` as seed, `DMNNN_what.sql` as data in batches. After the number only lower case letters, digits and
    underscores.
    """

    code = "MIGRATE-001"
    exit = Exit.USAGE
    reason = "usage"
    hint = "rename it, for example to `{nearest}`"


class BadMigrationFile(StellaError):
    """{file}, line {line}: {problem}.

    The file cannot be used as it is. Nothing of any file was applied.
    """

    code = "MIGRATE-002"
    exit = Exit.USAGE
    reason = "usage"
    hint = "{advice}"


class LintFailed(StellaError):
    """{file}, line {line}: {problem}, which a {category} migration may not do.

    What runs at start only adds, since the old release still works on the schema at that time: no drop, no change of a
    type, no truncate, no new duty for rows that old code writes, not more than 10,000 rows. Seeds only insert what is
    missing.
    """

    code = "MIGRATE-003"
    exit = Exit.NEGATIVE
    reason = "lint_failed"
    hint = "{advice}"


class ReleasePending(StellaError):
    """Release migrations are pending: {names}.

    Release migrations break what older code relies on, so nobody runs them by accident: they are applied by hand,
    once the old release is stopped. Until then this release does not start.
    """

    code = "MIGRATE-004"
    exit = Exit.NEGATIVE
    reason = "release_pending"
    hint = "stop the old release, then `{command}`"


class ChecksumDrift(StellaError):
    """{file} was applied with other content: the history has {recorded}, the file {found}.

    A migration that was applied is history and does not change; a mend is a new file. Somebody edited this one, or
    another build of the same version was installed.
    """

    code = "MIGRATE-005"
    exit = Exit.NEGATIVE
    reason = "checksum_drift"
    hint = "install the release that was here before, or put the file back as it was"


class NewerDatabase(StellaError):
    """Schema `{schema}` has migrations that this release does not know: {names}{renamed}.

    The database was migrated by a newer release, or a file was removed or renamed after it was applied. Old code on a
    newer schema can destroy what it does not understand.
    """

    code = "MIGRATE-006"
    exit = Exit.NEGATIVE
    reason = "newer_database"
    hint = "install the newer release, or restore the database from before it"


class ReadOnlyPending(StellaError):
    """The database is read-only and lacks migrations: {names}.

    A standby gets them from its primary. Here they were only compared.
    """

    code = "MIGRATE-007"
    exit = Exit.TRANSIENT
    reason = "read_only"
    hint = "migrate the primary, wait until the standby has it, then run the same command again"


class UnknownModule(StellaError):
    """There is no module `{module}`; modules with migrations are {known}.

    A module is named after the schema that it owns.
    """

    code = "MIGRATE-008"
    exit = Exit.USAGE
    reason = "usage"
    hint = "{nearest}"


class PlanChanged(StellaError):
    """The plan is no longer {wanted}: it is {found} now.

    Between the look at the plan and this run something was applied or a file changed.
    """

    code = "MIGRATE-010"
    exit = Exit.NEGATIVE
    reason = "plan_changed"
    hint = "look again: `{command}`"


class PreviousDiffers(StellaError):
    """Generation {generation} of the channel carried {file}, which {problem} here.

    What an earlier release shipped is history: this one ships the same files and adds to them. Without them nobody can
    know what the database of a site looks like before.
    """

    code = "MIGRATE-011"
    exit = Exit.NEGATIVE
    reason = "checksum_drift"
    hint = "put the file back as it was, or name the right generation: `--since N`"


class NothingToBundle(StellaError):
    """There is no migration to carry: {problem}.

    A bundle of migrations brings a site from one state of the database to the next.
    """

    code = "MIGRATE-012"
    exit = Exit.USAGE
    reason = "usage"
    hint = "leave `--since` or `--module` away, or ship a migration first"


class RollbackFailed(StellaError):
    """{file} does not roll back: {problem}.

    Each file was applied in a transaction that was undone, and then again. Both times it must find and leave exactly
    the same; a site that is interrupted goes through the same.
    """

    code = "MIGRATE-013"
    exit = Exit.NEGATIVE
    reason = "rollback_failed"
    hint = "keep what a rollback does not undo out of it: setval, nextval in names, work outside of the database"


class NotIdempotent(StellaError):
    """{file} cannot be run again: {problem}.

    A migration may be asked for again after an interruption, by a second starter, or by somebody who is not sure. It
    must do nothing then.
    """

    code = "MIGRATE-014"
    exit = Exit.NEGATIVE
    reason = "not_idempotent"
    hint = "write it so that it can be repeated: IF NOT EXISTS, or a key that ON CONFLICT meets"


class NotMigrations(StellaError):
    """The bundle is no bundle of migrations: {problem}.

    Such a bundle is full, and holds migrations and their manifest alone. Other content goes to a site.
    """

    code = "MIGRATE-015"
    exit = Exit.NEGATIVE
    reason = "structure"
    hint = "use the file that `stella migrate bundle` made; other bundles: `stella site import`"


class NeedsRelease(StellaError):
    """{file} is not what release {found} ships, {problem}; the bundle needs release {needed}.

    A database is migrated for the release that works on it, so each file of a bundle is one that the installed release
    ships with exactly this content.
    """

    code = "MIGRATE-016"
    exit = Exit.NEGATIVE
    reason = "needs_release"
    hint = "install release {needed} at this site first, then run the same command again"


class NeedsPostgres(StellaError):
    """The bundle needs PostgreSQL {needed}, this server is {found}.

    Its migrations were tried on that version, and its digests are of what that version says.
    """

    code = "MIGRATE-017"
    exit = Exit.NEGATIVE
    reason = "needs_postgres"
    hint = "upgrade the server first, then run the same command again"


class DatabaseDiffers(StellaError):
    """The database is not what the bundle begins with: {problem}.

    A bundle was tried from one state of the database: the files that were applied before, the policies, every object of
    its schemas. From another one nobody knows where it leads. Nothing was changed.
    """

    code = "MIGRATE-018"
    exit = Exit.NEGATIVE
    reason = "database_differs"
    hint = "{advice}"


class ResultDiffers(StellaError):
    """{file} did not lead where it led when the bundle was made: {problem}; {left}.

    What a file leads to is compared before it counts, in its own transaction where it has one.
    """

    code = "MIGRATE-019"
    exit = Exit.NEGATIVE
    reason = "result_differs"
    hint = "`stella migrate status` and `stella tenancy gate` say what differs; mend it, then run the command again"


class ContentChannel(StellaError):
    """Channel `{channel}` carries other content: `{path}`.

    A generation is everything that a channel carries. One of migrations alone would tell every site of this channel to
    drop what it holds.
    """

    code = "MIGRATE-020"
    exit = Exit.USAGE
    reason = "usage"
    hint = "lay one for migrations alone: `stella mirror init --dir DIR --channel migrations`"
