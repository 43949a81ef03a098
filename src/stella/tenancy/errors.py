"""What can be wrong between tenants."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class GateFailed(StellaError):
    """The database would let one tenant reach another: {kind} at {object}, {found}; {count} findings in all.

    The gate reads the catalogue of the database after migrations, and nothing starts while it finds anything. Whatever
    it names was changed by hand, or by a migration that did not use `tenancy.protect`.
    """

    code = "TENANCY-001"
    exit = Exit.NEGATIVE
    reason = "gate_failed"
    hint = "`stella tenancy gate` lists all of them; this one: {fix}"


class LoginTooStrong(StellaError):
    """The database would not hold {role} to its tenant: it {problem}.

    Policies do not hold for a superuser or a role with BYPASSRLS, and whoever owns a schema may drop them. The service
    works as roles that can do neither; only migrations run as the owner.
    """

    code = "TENANCY-002"
    exit = Exit.USAGE
    reason = "usage"
    hint = "set `database.dsn` to a login as stella_app, and `database.owner_dsn` to one as stella_owner"
