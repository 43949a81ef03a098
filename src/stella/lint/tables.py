"""Which tables hold rows of tenants, as the scripts of a tree make them.

Rules:
- A table is a tenant table when it has a column `tenant_id`, or is made like, below or as a partition of one; so is a
  view over one.
- A name without a schema is one of whoever made it: within the same package it means that table, elsewhere it means any
  table of the name, unless the package has one of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import postgast

from stella.lint.sql_files import Statement
from stella.runtime.tenant_clauses import COLUMN, relations_of

pg: Any = postgast.pg_query_pb2

MAX_ROUNDS = 20  # views over views; each round finds one more storey


class Made(NamedTuple):
    """A table or view that a script makes; `names` are the tables that it takes its columns from."""

    schema: str
    name: str
    package: Path
    own: bool
    names: tuple[str, ...]


class Known:
    """The tables of a tree."""

    def __init__(self, scripts: Iterable[tuple[Path, Statement]]) -> None:
        self._made = [made for package, statement in scripts for made in _made(package, statement)]
        self._tenant = {made for made in self._made if made.own}
        for _ in range(MAX_ROUNDS):
            found = {made for made in self._made if self.of(made.package).intersection(made.names)}
            if found <= self._tenant:
                break
            self._tenant |= found

    def of(self, package: Path) -> frozenset[str]:
        """The tenant tables as a package may name them: `schema.table`, or `table` for one of any schema."""
        own = {made.name for made in self._made if made.package == package}
        tenant = {made.name for made in self._tenant if made.package == package}
        found = set()
        for made in self._tenant:
            if made.schema:
                found |= {f"{made.schema}.{made.name}"}
            elif made.package == package or made.name not in own - tenant:
                found |= {made.name}
        return frozenset(found)

    def all(self) -> tuple[str, ...]:
        """Every tenant table, for people."""
        return tuple(sorted({f"{made.schema or made.package.name}.{made.name}" for made in self._tenant}))


def _made(package: Path, statement: Statement) -> Iterator[Made]:
    for _, tree in postgast.walk(statement.node):
        kind = type(tree).__name__
        if kind == "CreateStmt":
            sources = [*tree.inh_relations, *(part for part in tree.table_elts if part.HasField("table_like_clause"))]
            typed = [part.string.sval for part in tree.of_typename.names]
            yield _table(tree.relation, package, own=has_tenant(tree), sources=sources, typed=typed)
        elif kind == "CompositeTypeStmt":
            yield _table(tree.typevar, package, own=any(part.column_def.colname == COLUMN for part in tree.coldeflist))
        elif kind == "RenameStmt" and tree.rename_type == pg.OBJECT_COLUMN and tree.newname == COLUMN:
            yield _table(tree.relation, package, own=True)
        elif kind == "AlterTableStmt":
            columns = {getattr(command.alter_table_cmd, "def").column_def.colname for command in tree.cmds}
            if COLUMN in columns:
                yield _table(tree.relation, package, own=True)
        elif kind == "ViewStmt":
            yield _table(tree.view, package, own=False, sources=[tree.query])
        elif kind == "CreateTableAsStmt":
            yield _table(tree.into.rel, package, own=False, sources=[tree.query])


def _table(
    relation: Any,  # noqa: ANN401  # as above
    package: Path,
    *,
    own: bool,
    sources: Iterable[Any] = (),
    typed: Sequence[str] = (),
) -> Made:
    names = [found for source in sources for found in relations_of(source)]
    spelled = {f"{found.schemaname}.{found.relname}" if found.schemaname else found.relname for found in names}
    spelled |= {found.relname for found in names} | {".".join(typed), *typed[-1:]} - {""}
    return Made(relation.schemaname, relation.relname, package, own, tuple(sorted(spelled)))


def has_tenant(create: Any) -> bool:  # noqa: ANN401  # as above
    """Whether CREATE TABLE has the column itself."""
    return any(part.column_def.colname == COLUMN for part in create.table_elts)
