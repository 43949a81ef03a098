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
