"""Rights that are given away, and what guards a table being undone: roles, owners, grants, rules, system catalogues.

Rules:
- Who owns a table, or is a member of its owner, can switch its policies off, so that is handed to nobody.
- What rewrites a statement after it was checked, or writes where PostgreSQL keeps its own tables, is a finding whatever
  it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import postgast

Tree = Any  # the trees of the parser have no types
Found = Iterator[tuple[str, str]]
pg: Any = postgast.pg_query_pb2

ABOVE = {"superuser", "bypassrls"}
MEMBERS = {"addroleto", "rolemembers", "adminmembers"}
DISABLED = {pg.AT_DisableTrig, pg.AT_DisableTrigAll, pg.AT_DisableTrigUser, pg.AT_DisableRule}
TAKEN_AWAY = -1  # of ALTER GROUP ... DROP USER


def _role(tree: Tree) -> Found:
    for option in tree.options:
        name = option.def_elem.defname
        if name in ABOVE and option.def_elem.arg.boolean.boolval:
            yield "STS011", f"the role gets {name.upper()}"
        elif name in MEMBERS and getattr(tree, "action", 0) != TAKEN_AWAY:
            yield "STS025", "a role becomes a member of another"


def _membership(tree: Tree) -> Found:
    if tree.is_grant:
        roles = ", ".join(part.access_priv.priv_name for part in tree.granted_roles)
        yield "STS025", f"membership of `{roles}` is granted"


def _owner(tree: Tree) -> Found:
    yield "STS025", f"another owner: `{tree.newowner.rolename or 'whoever is logged in'}`"


def _reassigned(tree: Tree) -> Found:
    yield "STS025", f"everything of a role becomes that of `{tree.newrole.rolename or 'whoever is logged in'}`"


def _schema(tree: Tree) -> Found:
    if tree.HasField("authrole"):
        yield "STS025", f"the schema belongs to `{tree.authrole.rolename or 'whoever is logged in'}`"


def _grant(tree: Tree) -> Found:
    if not tree.is_grant:
        return
    rights = {part.access_priv.priv_name for part in tree.privileges}
    tables = tree.objtype == pg.OBJECT_TABLE
    if tables and ("truncate" in rights or not rights):  # no name at all is ALL
        yield "STS012", "the right to TRUNCATE is granted"
    if any(part.role_spec.roletype == pg.ROLESPEC_PUBLIC for part in tree.grantees):
        yield "STS023", "a right is granted to PUBLIC"


def altered(tree: Tree) -> Found:
    """One command of ALTER TABLE."""
    if tree.subtype == pg.AT_DisableRowSecurity:
        yield "STS009", "DISABLE ROW LEVEL SECURITY"
    elif tree.subtype == pg.AT_NoForceRowSecurity:
        yield "STS010", "NO FORCE ROW LEVEL SECURITY"
    elif tree.subtype == pg.AT_ChangeOwner:
        yield from _owner(tree)
    elif tree.subtype in DISABLED:
        yield "STS026", "a trigger or a rule is disabled"


def _rule(tree: Tree) -> Found:
    yield "STS026", f"the rule `{tree.rulename}` rewrites statements after they were checked"


def _written(tree: Tree) -> Found:
    relation = tree.relation
    if relation.relname == "pg_settings":
        yield "STS003", "it changes settings through pg_settings"
    elif relation.schemaname == "pg_catalog" or (not relation.schemaname and relation.relname.startswith("pg_")):
        yield "STS026", f"it writes to `{relation.relname}`, where PostgreSQL keeps its own tables"


LOOKS: Mapping[str, Callable[[Tree], Found]] = {
    "AlterTableCmd": altered,
    "CreateRoleStmt": _role,
    "AlterRoleStmt": _role,
    "GrantRoleStmt": _membership,
    "AlterOwnerStmt": _owner,
    "ReassignOwnedStmt": _reassigned,
    "CreateSchemaStmt": _schema,
    "GrantStmt": _grant,
    "RuleStmt": _rule,
    "InsertStmt": _written,
    "UpdateStmt": _written,
    "DeleteStmt": _written,
    "MergeStmt": _written,
}
