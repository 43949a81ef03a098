"""What a tree does with its tenant tables: how they are made, which keys they have, and what reads them.

Rules:
- A key of a tenant table begins with `tenant_id`: unique ones, references, and constraints of exclusion.
- A table is protected in the file that makes it, so that there is no moment in between.
- What holds rows of a tenant table and is none itself is a finding; a temporary table ends with its session and is not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import postgast

from stella.lint.model import Spot
from stella.lint.sql_files import Statement
from stella.lint.tables import has_tenant
from stella.runtime.catalogue import check_tree
from stella.runtime.tenant_clauses import COLUMN, Tables, relations_of

Tree = Any  # the trees of the parser have no types
Found = Iterator[tuple[str, str]]
pg: Any = postgast.pg_query_pb2

TEMPORARY = "t"


def keys(statements: Collection[Statement], tenant_tables: Collection[str]) -> Iterator[Spot]:
    """The spots of a script, or of a catalogue, about tenant tables."""
    tables = Tables(tenant_tables)
    protected = {name for statement in statements for name in _protected(statement.node)}
    for statement in statements:
        found = _statement(statement, tables, tenant_tables, protected)
        yield from (Spot(rule, statement.line, 1, said, statement.line) for rule, said in found)


def _statement(statement: Statement, tables: Tables, names: Collection[str], protected: Collection[str]) -> Found:
    if statement.held:
        problem = check_tree(statement.node, statement.tenant, names)
        if problem is not None and not problem.startswith("it calls"):  # calls are STS015, wherever they are
            yield "STS020", problem
    for _, tree in postgast.walk(statement.node):
        kind = type(tree).__name__
        if kind == "CreateStmt" and tree.relation.relpersistence != TEMPORARY:
            yield from _created(tree, tables, protected)
        elif kind == "AlterTableStmt" and tables.holds(tree.relation):
            yield from _altered(tree, tables, protected)
        elif kind == "IndexStmt" and tree.unique and tables.holds(tree.relation):
            columns = [part.index_elem.name for part in tree.index_params]
            yield from _key(f"the unique index `{tree.idxname}`", columns, "STS016")
        elif kind == "CreateTableAsStmt" and tree.into.rel.relpersistence != TEMPORARY:
            yield from _copied(tree, tables)


def _protected(node: Tree) -> Iterator[str]:
    """The tables that are handed to `tenancy.protect`, by their last names."""
    for _, tree in postgast.walk(node):
        if type(tree).__name__ == "FuncCall" and [part.string.sval for part in tree.funcname] == ["tenancy", "protect"]:
            for argument in tree.args:
                value = argument.type_cast.arg if argument.HasField("type_cast") else argument
                yield value.a_const.sval.sval.rpartition(".")[2].strip('"')


def _created(tree: Tree, tables: Tables, protected: Collection[str]) -> Found:
    if not (has_tenant(tree) or tables.holds(tree.relation)):
        return
    name = tree.relation.relname
    partition = bool(tree.inh_relations)  # protect reaches the partitions of a table
    if name not in protected and not (partition and any(tables.holds(found.range_var) for found in tree.inh_relations)):
        yield "STS018", f"the tenant table `{name}` is not handed to tenancy.protect in this file"
    for part in tree.table_elts:
        if part.HasField("constraint"):
            yield from _constraint(part.constraint)
        for inline in part.column_def.constraints:
            yield from _constraint(inline.constraint, part.column_def.colname)


def _altered(tree: Tree, tables: Tables, protected: Collection[str]) -> Found:
    del tables
    for command in tree.cmds:
        given = getattr(command.alter_table_cmd, "def")
        if command.alter_table_cmd.subtype == pg.AT_AddColumn:
            if given.column_def.colname == COLUMN and tree.relation.relname not in protected:
                name = tree.relation.relname
                yield "STS018", f"`{name}` becomes a tenant table and is not handed to tenancy.protect in this file"
            for inline in given.column_def.constraints:
                yield from _constraint(inline.constraint, given.column_def.colname)
        elif command.alter_table_cmd.subtype == pg.AT_AddConstraint and not given.constraint.indexname:
            yield from _constraint(given.constraint)


def _constraint(constraint: Tree, column: str = "") -> Found:
    kind = constraint.contype
    if kind in {pg.CONSTR_PRIMARY, pg.CONSTR_UNIQUE}:
        word = "the primary key" if kind == pg.CONSTR_PRIMARY else "a unique key"
        columns = [part.string.sval for part in constraint.keys] or [column]
        yield from _key(word, columns, "STS016")
    elif kind == pg.CONSTR_EXCLUSION:
        columns = [part.list.items[0].index_elem.name for part in constraint.exclusions]
        if COLUMN not in columns:
            yield "STS016", f"a constraint of exclusion is on ({', '.join(columns)}) without {COLUMN}"
    elif kind == pg.CONSTR_FOREIGN:
        columns = [part.string.sval for part in constraint.fk_attrs] or [column]
        yield from _key(f"the reference to `{constraint.pktable.relname}`", columns, "STS017")


def _key(word: str, columns: Iterable[str], rule: str) -> Found:
    listed = [name or "an expression" for name in columns]
    if listed[:1] != [COLUMN]:
        yield rule, f"{word} is on ({', '.join(listed)}) and does not begin with {COLUMN}"


def _copied(tree: Tree, tables: Tables) -> Found:
    used = sorted({tables.name(found) for found in relations_of(tree.query) if tables.holds(found)})
    if used:
        word = "materialised view" if tree.objtype == pg.OBJECT_MATVIEW else "table"
        yield "STS019", f"the {word} `{tree.into.rel.relname}` holds rows of `{used[0]}` for all tenants"
