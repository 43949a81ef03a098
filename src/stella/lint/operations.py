"""The rows of the operation table about lints."""

from __future__ import annotations

from stella.kernel.errors import Exit
from stella.lint import views
from stella.lint.model import LintTenancy, TenancyLinted
from stella.operations import Context, operation


@operation(
    "lint.tenancy",
    "POST /v1/lint/tenancy",
    scope="lint:read",
    view=views.tenancy,
    example="stella lint tenancy src\nstella lint tenancy src migrations/ --report sarif=tenancy.sarif --json",
    long=True,
    verdict=lambda result: Exit.NEGATIVE if result.findings else Exit.OK,
)
def tenancy(ctx: Context, want: LintTenancy) -> TenancyLinted:
    """Find what could let one tenant see another, in Python and SQL, before it runs.

    Python outside of one folder may not speak to a database driver. SQL is read by PostgreSQL's own parser: roles,
    policies, keys, views, and every statement of a `queries.sql` that reads a tenant table. A finding can be allowed
    for a time by a comment: `stella: allow STL002 until 2027-01-31: reason`. Nothing of the tree is run. Exit code 6
    when there are findings.
    """
    from stella.lint import service

    return service.tenancy(ctx, want)
