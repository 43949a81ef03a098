"""The rows of the operation table about tenants being apart."""

from __future__ import annotations

from stella.kernel.errors import Exit
from stella.operations import Context, operation
from stella.proof import views
from stella.proof.model import GateRead, PrintRoles, Prove, Proved, ReadGate, RolesPrinted


@operation(
    "tenancy.gate",
    "POST /v1/tenancy/gate",
    scope="tenancy:read",
    view=views.gate,
    example="stella tenancy gate\nstella tenancy gate --json --report sarif=gate.sarif",
    idempotent=True,
    verdict=lambda result: Exit.OK if result.verdict == "passed" else Exit.NEGATIVE,
)
def gate(ctx: Context, want: ReadGate) -> GateRead:
    """Read the catalogue of the database for whatever would let one tenant reach another.

    The same gate is part of every start and of every release migration. Exit code 6 when there is a finding.
    """
    from stella.proof import service

    return service.gate(ctx, want)


@operation(
    "tenancy.roles",
    "GET /v1/tenancy/roles",
    scope="tenancy:read",
    view=views.roles,
    example="stella tenancy roles > roles.sql\nstella tenancy roles --database stella_test",
)
def roles(ctx: Context, want: PrintRoles) -> RolesPrinted:
    """Print what an administrator runs once on a PostgreSQL of his own: roles, database, what is closed.

    `stella up` does the same to the embedded server. No password is in it: psql asks for each.
    """
    from stella.proof import service

    return service.roles(ctx, want)


@operation(
    "tenancy.prove",
    "POST /v1/tenancy/proofs",
    scope="tenancy:prove",
    view=views.proved,
    example=(
        "stella tenancy prove\n"
        "stella tenancy prove --key release.pem --out proof.json\n"
        "stella tenancy prove --dsn 'host=db.example.com dbname=stella user=stella_app'\n"
        "stella tenancy prove --server http://127.0.0.1:8400 --key M/keys/release-ID.pem --out proof.json"
    ),
    long=True,
    verdict=lambda result: Exit.OK if result.verdict == "passed" else Exit.NEGATIVE,
)
def prove(ctx: Context, want: Prove) -> Proved:
    """Prove that tenants are apart: in the schema of this release, and in the database that is used.

    A private PostgreSQL gets every migration and the rows of two tenants. There everything is tried that injected SQL
    could do, a hundred thousand queries are compared with and without the other tenant's rows, and the protection is
    broken line by line to see that each break is noticed. The live database is only read: its login, its gate, and
    whether it has the policies and the schema that were proved. A service proves its own, with a key that it has; no
    request names another database. Exit code 6 when anything is wrong.
    """
    from stella.proof import service

    return service.prove(ctx, want)
