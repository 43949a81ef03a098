"""The gate: reads the catalogue of a database and finds what would let one tenant reach another.

Rules:
- No finding is the condition for a start, for a release migration and for the proof.
- What may span tenants is listed in `tenancy.duties`; the functions that run with their owner's rights are listed here
  by what they do (a digest of their text), not by name alone.
"""

from __future__ import annotations

import functools
import hashlib
from importlib.resources import files
from typing import NamedTuple

from stella.runtime.postgres import Connection, names_in_full, speaking
from stella.runtime.roles import APP, LOGINS, OWNER
from stella.runtime.transaction import ask
from stella.tenancy.errors import GateFailed
from stella.tenancy.guard import installed

RULE = "(tenant_id = ( SELECT tenancy.tid() AS tid))"  # of every policy, as PostgreSQL prints it
DEFINERS = ("tenancy.tid()",)  # it must read the key, which nobody else may

# Why each kind of finding matters, and what to do about it.
WHY: dict[str, tuple[str, str]] = {
    "partition_granted": ("Policies of a parent do not guard a partition that is named itself.", "revoke it"),
    "no_row_security": ("Every tenant reads every row.", "SELECT tenancy.protect('TABLE')"),
    "not_forced": ("The owner, and what runs with its rights, passes the policies.", "SELECT tenancy.protect('TABLE')"),
    "no_policy": ("Nothing says which rows are whose.", "SELECT tenancy.protect('TABLE')"),
    "policy_always_true": ("The policy lets everything through.", "drop it, or list it with tenancy.duty"),
    "policy_differs": ("The rule is not the one that was proved.", "SELECT tenancy.protect('TABLE')"),
    "policy_partial": ("The other commands are not guarded by it.", "SELECT tenancy.protect('TABLE')"),
    "policy_without_check": ("Rows can be written for another tenant.", "SELECT tenancy.protect('TABLE')"),
    "policy_volatile": ("It is computed for every row, up to 8000 times as slow.", "declare the function STABLE"),
    "guard_differs": (
        "What says for whom a transaction is does not ask for the seal as it was written.",
        "restore tenancy.tid() from the migration of the guard",
    ),
    "leakproof_function": (
        "PostgreSQL calls it with rows that the policy has yet to hide, and it may tell.",
        "ALTER FUNCTION ... NOT LEAKPROOF",
    ),
    "loose_tenant": (
        "The names of two tenants may be equal there, so that one reads the other's rows.",
        "give tenant_id a deterministic collation",
    ),
    "shared_counter": ("Its numbers tell each tenant how much the others do.", "make the key a uuid, with uuidv7()"),
    "unlisted_policy": ("Policies add up: one more opens more rows.", "drop it, or list it with tenancy.duty"),
    "unprotected_table": ("Nothing proved that its keys and grants are right.", "SELECT tenancy.protect('TABLE')"),
    "open_table": ("What every tenant may read or write is a channel between them.", "revoke it, or add tenant_id"),
    "duty_exceeded": ("A role that spans tenants may do more than its duty says.", "revoke it, or tenancy.duty"),
    "view_not_invoker": (
        "A view of the owner's shows every tenant's rows.",
        "WITH (security_invoker, security_barrier)",
    ),
    "materialised_view": ("Its rows are a copy that no policy guards.", "make it a table of tenants"),
    "foreign_table": ("No policy holds where its rows are.", "keep it out of this database"),
    "rewrite_rule": (
        "What it does is done with the rights of the table's owner.",
        "drop it; a trigger is the caller's",
    ),
    "security_definer": ("It passes what the caller may not.", "make it SECURITY INVOKER"),
    "key_without_tenant": ("A conflict tells that another tenant has the value.", "begin the key with tenant_id"),
    "exclusion_without_tenant": ("A conflict tells what another tenant has.", "add tenant_id WITH ="),
    "foreign_key_without_tenant": ("It finds and locks rows of other tenants.", "begin both sides with tenant_id"),
    "wide_grant": ("TRUNCATE, REFERENCES, TRIGGER and MAINTAIN do not ask policies.", "revoke it"),
    "role_can_bypass": (
        "Row-level security does not hold for this login.",
        "ALTER ROLE ... NOSUPERUSER NOBYPASSRLS; revoke the membership",
    ),
    "login_owns": ("An owner may change or drop the policies.", "give it to the owner of the schema"),
    "login_creates": ("What it makes comes before other names, or keeps copies.", "revoke CREATE"),
    "open_function": (
        "It sets a context from within a query, or shares objects between tenants.",
        "stella tenancy roles",
    ),
    "open_statistics": (
        "Tables of the system show values of every tenant, or how logins prove themselves.",
        "stella tenancy roles",
    ),
    "open_parameter": (
        "Who may set parameters of a superuser switches off triggers and keys, or shows what is sent.",
        "REVOKE SET, ALTER SYSTEM ON PARAMETER ... FROM ...",
    ),
    "open_database": ("Everybody with a login may do this.", "REVOKE ALL ON DATABASE ... FROM PUBLIC"),
    "default_privileges": ("What is made next is open before it is protected.", "ALTER DEFAULT PRIVILEGES ... REVOKE"),
    "activity_shown": (
        "The text that seals a transaction can be read by others.",
        "ALTER ROLE ... SET track_activities = off",
    ),
}


class Finding(NamedTuple):
    """One thing that is not as it must be."""

    kind: str
    object: str
    found: str


def findings(connection: Connection) -> list[Finding]:
    """What is wrong in the database of a connection, by kind and object; nothing where there is no guard yet."""
    if not installed(connection):
        return []
    with speaking("the catalogue"), names_in_full(connection):
        values = {"logins": list(LOGINS), "app": APP, "owner": OWNER, "rule": RULE, "definers": list(_definers())}
        return [Finding(*row) for row in ask(connection, "stella.tenancy", "gate", **values)]


def require(connection: Connection) -> None:
    """Raise GateFailed unless nothing is wrong."""
    found = findings(connection)
    if found:
        first = found[0]
        raise GateFailed(
            count=len(found), kind=first.kind, object=first.object, found=first.found, fix=WHY[first.kind][1]
        )


@functools.cache
def _definers() -> tuple[str, ...]:
    """Name and digest of the text of each function that may run with its owner's rights."""
    text = files("stella.tenancy").joinpath("migrations/001_guard.sql").read_text(encoding="utf-8")
    bodies = {name: text.partition(f"CREATE FUNCTION {name}")[2].split("$$", 2)[1] for name in DEFINERS}
    return tuple(f"{name} {hashlib.sha256(body.encode()).hexdigest()}" for name, body in bodies.items())
