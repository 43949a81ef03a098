"""Why a proof cannot be made. What a proof finds is no error: it is its verdict."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class TableNotFilled(StellaError):
    """No row could be made for {table}: {problem}.

    The proof fills every table of tenants for two tenants, from its columns, checks and keys alone. A table without
    rows would prove nothing, so there is no proof without it.
    """

    code = "PROOF-001"
    exit = Exit.NEGATIVE
    reason = "table_not_filled"
    hint = "write the check so that some value of its text, or a mark such as `0123456789ab-01`, keeps it"


class NothingProtected(StellaError):
    """There is nothing to prove: no table of tenants is in the schemas of this release.

    A table of tenants has a column `tenant_id`; a migration protects it with `SELECT tenancy.protect('schema.table')`.
    """

    code = "PROOF-002"
    exit = Exit.NEGATIVE
    reason = "nothing_protected"
    hint = "see that the packages of the schemas are installed whole: `stella migrate status`"


class SameRows(StellaError):
    """Both databases have the same rows of {table}, so that comparing their answers says nothing.

    One has the rows of one tenant, the other those of a second one as well. What a migration does to rows, such as a
    trigger that removes them, made them equal.
    """

    code = "PROOF-006"
    exit = Exit.NEGATIVE
    reason = "same_rows"
    hint = "see what the triggers of the table do to rows of another tenant"


class BypassingLogin(StellaError):
    """The login {role} passes row-level security: {problem}.

    Whatever is seen with such a login says nothing about tenants: no policy holds for a superuser, for a role with
    BYPASSRLS, or for who owns the tables. The service must not use it either.
    """

    code = "PROOF-003"
    exit = Exit.NEGATIVE
    reason = "bypassing_login"
    hint = "let the service log in as stella_app; `stella tenancy roles` prints how to make it"


class GateUnreadable(StellaError):
    """The gate cannot be read as {role}: {problem}.

    Exceptions for duties that span tenants are listed in a table that only the owner of the schemas reads.
    """

    code = "PROOF-004"
    exit = Exit.DENIED
    reason = "gate_unreadable"
    hint = "set `database.owner_dsn` and `database.owner_password` to the login of stella_owner"


class Unguarded(StellaError):
    """The database {where} has no guard between tenants.

    It was never migrated, or the schema `tenancy` was dropped. Nothing there keeps tenants apart.
    """

    code = "PROOF-005"
    exit = Exit.NEGATIVE
    reason = "unguarded"
    hint = "`stella migrate run`, which brings the guard before anything else"
