"""What a tree does with its tenant tables: how they are made, which keys they have, and what reads them.

Rules:
- A key of a tenant table begins with `tenant_id`: unique ones, references, and constraints of exclusion.
- A table is protected in the file that makes it, and after that, so that there is no moment in between.
- What holds rows of a tenant table and is none itself is a finding; a temporary table ends with its session and is not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

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
PLAIN = {"target_list", "limit_option", "op"}  # the parts of a SELECT that says no more than what it calls


class Protected(NamedTuple):
    """A table that is handed to `tenancy.protect`, by the number of the statement."""

    place: int
    schema: str
    name: str


def keys(statements: Sequence[Statement], tenant_tables: Collection[str]) -> Iterator[Spot]:
    """The spots of a script, or of a catalogue, about tenant tables."""
    tables = Tables(tenant_tables)
    protected = [found for place, statement in enumerate(statements) for found in _protected(place, statement.node)]
    for place, statement in enumerate(statements):
        later = [one for one in protected if one.place > place]
        found = _statement(statement, tables, tenant_tables, later)
        yield from (Spot(rule, statement.line, 1, said, statement.line) for rule, said in found)


def _statement(statement: Statement, tables: Tables, names: Collection[str], protected: Sequence[Protected]) -> Found:
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
        elif kind == "RenameStmt" and tree.rename_type == pg.OBJECT_COLUMN and tables.holds(tree.relation):
            yield from _renamed(tree, protected)
        elif kind == "IndexStmt" and tree.unique and tables.holds(tree.relation):
            columns = [part.index_elem.name for part in tree.index_params]
            yield from _key(f"the unique index `{tree.idxname}`", columns, "STS016")
        elif kind == "CreateTableAsStmt" and tree.into.rel.relpersistence != TEMPORARY:
            word = "materialised view" if tree.objtype == pg.OBJECT_MATVIEW else "table"
            yield from _copied(word, tree.into.rel, tree.query, tables)
        elif kind == "SelectStmt" and tree.HasField("into_clause") and tree.into_clause.rel.relpersistence != TEMPORARY:
            read = [part for parts in (tree.from_clause, tree.target_list) for part in parts]
            yield from (spot for part in read for spot in _copied("table", tree.into_clause.rel, part, tables))


def _protected(place: int, node: Tree) -> Iterator[Protected]:
    """The tables of a plain `SELECT tenancy.protect('x')`; under a condition, or in a body, it may never run."""
    if node.WhichOneof("node") != "select_stmt" or {field.name for field, _ in node.select_stmt.ListFields()} - PLAIN:
        return
    for target in node.select_stmt.target_list:
        call = target.res_target.val.func_call
        if [part.string.sval for part in call.funcname] == ["tenancy", "protect"]:
            for argument in call.args:
                value = argument.type_cast.arg if argument.HasField("type_cast") else argument
                schema, _, name = value.a_const.sval.sval.rpartition(".")
                yield Protected(place, schema.strip('"'), name.strip('"'))


def _holds(protected: Sequence[Protected], relation: Tree) -> bool:
    """Whether one of them is the table, as far as the names say."""
    return any(
        one.name == relation.relname and (not one.schema or relation.schemaname in {"", one.schema})
        for one in protected
    )


def _created(tree: Tree, tables: Tables, protected: Sequence[Protected]) -> Found:
    if not (has_tenant(tree) or tables.holds(tree.relation)):
        return
    name = tree.relation.relname
    above = [found.range_var for found in tree.inh_relations] if tree.HasField("partbound") else []
    if not any(_holds(protected, relation) for relation in (tree.relation, *above)):  # it reaches the partitions
        yield "STS018", f"the tenant table `{name}` is not handed to tenancy.protect in this file, after it is made"
    for part in tree.table_elts:
        if part.HasField("constraint"):
            yield from _constraint(part.constraint, tables)
        for inline in part.column_def.constraints:
            yield from _constraint(inline.constraint, tables, part.column_def.colname)


def _altered(tree: Tree, tables: Tables, protected: Sequence[Protected]) -> Found:
    for command in tree.cmds:
        given = getattr(command.alter_table_cmd, "def")
        if command.alter_table_cmd.subtype == pg.AT_AddColumn:
            if given.column_def.colname == COLUMN and not _holds(protected, tree.relation):
                yield "STS018", _becomes(tree.relation)
            for inline in given.column_def.constraints:
                yield from _constraint(inline.constraint, tables, given.column_def.colname)
        elif command.alter_table_cmd.subtype == pg.AT_AddConstraint and not given.constraint.indexname:
            yield from _constraint(given.constraint, tables)
        elif command.alter_table_cmd.subtype == pg.AT_DropColumn and command.alter_table_cmd.name == COLUMN:
            yield "STS018", _ceases(tree.relation)


def _renamed(tree: Tree, protected: Sequence[Protected]) -> Found:
    if tree.newname == COLUMN and not _holds(protected, tree.relation):
        yield "STS018", _becomes(tree.relation)
    elif tree.subname == COLUMN:
        yield "STS018", _ceases(tree.relation)


def _becomes(relation: Tree) -> str:
    return f"`{relation.relname}` becomes a tenant table and is not handed to tenancy.protect in this file, after that"


def _ceases(relation: Tree) -> str:
    return f"`{relation.relname}` loses {COLUMN}, by which its rows are kept apart"


def _constraint(constraint: Tree, tables: Tables, column: str = "") -> Found:
    kind = constraint.contype
    if kind in {pg.CONSTR_PRIMARY, pg.CONSTR_UNIQUE}:
        word = "the primary key" if kind == pg.CONSTR_PRIMARY else "a unique key"
        columns = [part.string.sval for part in constraint.keys] or [column]
        yield from _key(word, columns, "STS016")
    elif kind == pg.CONSTR_EXCLUSION:
        pairs = [part.list.items for part in constraint.exclusions]
        columns = [element.index_elem.name for element, _ in pairs]
        equal = [name.index_elem.name for name, by in pairs if by.list.items[-1].string.sval == "="]
        if COLUMN not in equal:
            yield "STS016", f"a constraint of exclusion is on ({', '.join(columns)}) without an equality of {COLUMN}"
    elif kind == pg.CONSTR_FOREIGN:
        columns = [part.string.sval for part in constraint.fk_attrs] or [column]
        target = f"the reference to `{constraint.pktable.relname}`"
        yield from _key(target, columns, "STS017")
        there = [part.string.sval for part in constraint.pk_attrs]
        if columns[0] == COLUMN != (there or [COLUMN])[0] and tables.holds(constraint.pktable):
            yield "STS017", f"{target} compares {COLUMN} with `{there[0]}`"


def _key(word: str, columns: Iterable[str], rule: str) -> Found:
    listed = [name or "an expression" for name in columns]
    if listed[:1] != [COLUMN]:
        yield rule, f"{word} is on ({', '.join(listed)}) and does not begin with {COLUMN}"


def _copied(word: str, made: Tree, query: Tree, tables: Tables) -> Found:
    used = sorted({tables.name(found) for found in relations_of(query) if tables.holds(found)})
    if used:
        yield "STS019", f"the {word} `{made.relname}` holds rows of `{used[0]}` for all tenants"
