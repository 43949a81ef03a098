"""The table of rules: what each one is about, why it matters, what to do instead.

Rules:
- An id never changes its meaning. `STL` is about Python, `STS` about SQL, `STW` about waivers.
- Rules of squawk keep their names: `squawk:NAME`.
"""

from __future__ import annotations

from typing import NamedTuple

PREFIX = "squawk:"


class Rule(NamedTuple):
    """One rule."""

    id: str
    name: str
    what: str
    why: str
    fix: str


RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule(
            "STL000",
            "python-unreadable",
            "A Python file that cannot be read.",
            "What is not read may hold anything, so it is never skipped.",
            "mend the file, or move it out of the tree",
        ),
        Rule(
            "STL001",
            "driver-import",
            "A database driver is imported outside of the room.",
            "Whoever holds a driver can open a connection that no tenant is bound to.",
            "use the tenant transaction: `with ctx.tenant() as t: t.all(PACKAGE, NAME, ...)`",
        ),
        Rule(
            "STL002",
            "raw-execute",
            "A call that may run SQL from a text.",
            "A text that is put together can be another statement than was meant, also one of another tenant.",
            "put the statement into queries.sql under a name and call it by that name",
        ),
        Rule(
            "STL003",
            "raw-connection",
            "A connection is opened or taken by hand.",
            "A tenant transaction sets and seals the tenant; a connection by hand has none, or that of the last one.",
            "take a transaction of the principal instead",
        ),
        Rule(
            "STL004",
            "composed-sql",
            "SQL is composed in Python.",
            "A composed statement exists only while it runs, so nobody can check it before.",
            "write the statements that are needed into queries.sql, each under its name",
        ),
        Rule(
            "STL005",
            "hidden-call",
            "A driver or one of its calls is reached by name, or code by text.",
            "It does what STL001 to STL004 forbid, where a reader does not see it.",
            "call what is meant by its name; a closed table of functions serves where a name must choose",
        ),
        Rule(
            "STS000",
            "sql-unreadable",
            "An SQL file that PostgreSQL's parser does not read.",
            "What is not read may hold anything, so it is never skipped.",
            "mend the file; in queries.sql each block has a name, a description and one statement",
        ),
        Rule(
            "STS001",
            "set-role",
            "SET ROLE or RESET ROLE.",
            "Another role may own tables or bypass their policies; RESET ROLE brings back whoever logged in.",
            "log in as the role of the duty; it is listed in tenancy.duties",
        ),
        Rule(
            "STS002",
            "session-authorization",
            "SET or RESET SESSION AUTHORIZATION.",
            "It makes the session that of another login, with all that it may do.",
            "log in as the role that is meant",
        ),
        Rule(
            "STS003",
            "set-config",
            "A call of set_config.",
            "In an expression it changes the tenant in the middle of a statement.",
            "settings of a session belong to the runtime; the tenant comes from the transaction alone",
        ),
        Rule(
            "STS004",
            "row-security-setting",
            "The setting row_security is changed.",
            "Off turns a filter into an error at best, and for a role that bypasses into no filter.",
            "leave it as it is",
        ),
        Rule(
            "STS005",
            "security-definer",
            "A SECURITY DEFINER function.",
            "It runs with the rights of its owner, past the policies of whoever calls it.",
            "make it SECURITY INVOKER; what must cross tenants is a duty with a role of its own",
        ),
        Rule(
            "STS006",
            "view-not-invoker",
            "A view without security_invoker.",
            "It reads with the rights of its owner, so policies do not see who asks.",
            "CREATE VIEW ... WITH (security_invoker = true, security_barrier = true)",
        ),
        Rule(
            "STS007",
            "policy-always-true",
            "A policy that is true for every row.",
            "It opens the table to every tenant.",
            "SELECT tenancy.protect('schema.table') makes the right policy",
        ),
        Rule(
            "STS008",
            "policy-without-check",
            "A policy for writing without WITH CHECK.",
            "Rows of another tenant can be written, or the check rests on a rule that few remember.",
            "write WITH CHECK, or let tenancy.protect make the policy",
        ),
        Rule(
            "STS009",
            "row-security-disabled",
            "DISABLE ROW LEVEL SECURITY.",
            "Every policy of the table is ignored from then on.",
            "leave it enabled; work across tenants is a duty with a policy of its own",
        ),
        Rule(
            "STS010",
            "row-security-not-forced",
            "NO FORCE ROW LEVEL SECURITY.",
            "The owner of the table is no longer held by its policies.",
            "leave it forced",
        ),
        Rule(
            "STS011",
            "role-above-policies",
            "A role with BYPASSRLS or SUPERUSER.",
            "No policy holds for it, nor for whoever becomes it.",
            "make the role without; tenancy.duty(role, table, privileges) gives what a duty needs",
        ),
        Rule(
            "STS012",
            "truncate",
            "TRUNCATE, or the right to it.",
            "It empties a table for every tenant, since policies do not see it.",
            "DELETE with the tenant's condition",
        ),
        Rule(
            "STS013",
            "copy",
            "COPY.",
            "It moves rows in bulk, past the statements that were checked; with a file also past the database.",
            "INSERT ... SELECT FROM unnest(...), or t.many(PACKAGE, NAME, rows)",
        ),
        Rule(
            "STS014",
            "do-block",
            "A DO block.",
            "What it runs is text, which is not checked.",
            "write the statements out, or a function that is checked",
        ),
        Rule(
            "STS015",
            "text-that-runs",
            "A function that runs what a text says, or reads files of the server.",
            "No parser sees what it does, so no condition on the tenant can be found in it.",
            "write the statement itself",
        ),
        Rule(
            "STS016",
            "key-without-tenant",
            "A unique key of a tenant table that does not begin with tenant_id.",
            "One tenant learns from the refusal of a value that another has it, and can take it first.",
            "PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, name)",
        ),
        Rule(
            "STS017",
            "reference-without-tenant",
            "A foreign key of a tenant table that does not begin with tenant_id.",
            "A row can point to one of another tenant; the check of a reference passes policies by.",
            "FOREIGN KEY (tenant_id, x) REFERENCES y (tenant_id, id)",
        ),
        Rule(
            "STS018",
            "table-not-protected",
            "A tenant table that tenancy.protect did not make, in the file that creates it and after that.",
            "Until it is protected everybody reads everything in it.",
            "SELECT tenancy.protect('schema.table'); right after CREATE TABLE",
        ),
        Rule(
            "STS019",
            "copy-of-tenant-rows",
            "A materialised view or a table made from a query over tenant tables.",
            "It holds rows of all tenants, and no policy.",
            "make a protected table and fill it for one tenant at a time",
        ),
        Rule(
            "STS020",
            "statement-without-tenant",
            "A statement of the catalogue that is not held to one tenant.",
            "Row level security is the second check; without the first one a hole in either shows everything.",
            "add `tenant_id = %(tenant)s` for each tenant table, directly or through an equality of tenant_id",
        ),
        Rule(
            "STS021",
            "context-by-hand",
            "The context of the tenant is set or reset by hand.",
            "The runtime sets and seals it; whatever else sets it either breaks the request or tries to forge it.",
            "take a transaction of the principal",
        ),
        Rule(
            "STS022",
            "policy-dropped",
            "DROP POLICY.",
            "What it kept apart is open, or closed to all.",
            "tenancy.protect and tenancy.duty replace policies in one step",
        ),
        Rule(
            "STS023",
            "granted-to-public",
            "A right that is granted to PUBLIC.",
            "Every role has it, those of other duties and of other programs too.",
            "grant it to the role that needs it",
        ),
        Rule(
            "STS024",
            "body-unchecked",
            "A function whose body cannot be checked.",
            "EXECUTE runs a text, and other languages than SQL and PL/pgSQL are not read.",
            "write the statements out",
        ),
        Rule(
            "STS025",
            "rights-handed-over",
            "Another owner, or membership of a role.",
            "Whoever owns a table, or is a member of its owner, can switch its policies off.",
            "leave what a migration makes to the role that runs it; tenancy.duty gives what a duty needs",
        ),
        Rule(
            "STS026",
            "guard-undone",
            "A rule, a trigger that is disabled, or a write to the tables of PostgreSQL itself.",
            "What was checked is rewritten, or what checks is no longer asked.",
            "write what is meant as statements and triggers; row security is changed by ALTER TABLE alone",
        ),
        Rule(
            "STW001",
            "waiver-expired",
            "A waiver that has expired.",
            "Somebody promised to look again by that day.",
            "mend what it allows, or give a new day and a reason that still holds",
        ),
        Rule(
            "STW002",
            "waiver-unneeded",
            "A waiver that allows nothing that is there.",
            "It would silently allow what comes next.",
            "remove it",
        ),
        Rule(
            "STW003",
            "waiver-malformed",
            "A waiver without rule, day or reason.",
            "What is allowed for ever, or for no reason, is not looked at again.",
            "stella: allow STL002 until 2027-01-31: why it is safe here",
        ),
    )
}


def known(rule: str) -> bool:
    """Whether a rule of that id exists; those of squawk are its own."""
    return rule in RULES or rule.startswith(PREFIX)


def fix_of(rule: str) -> str:
    """What to do about a finding of the rule."""
    return RULES[rule].fix if rule in RULES else "see the documentation of squawk, or exclude the rule in .squawk.toml"
