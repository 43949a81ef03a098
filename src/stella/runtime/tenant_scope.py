"""Proves that each tenant table in a statement is held to one tenant.

Rules:
- Every relation of a statement is a node: "its `tenant_id` is the tenant's, or NULL". A condition gives a clause "this
  node holds when those do"; the equality with `%(tenant)s` gives a clause without premises. What does not follow from
  the clauses is a problem.
- Only what surely filters counts: the conjuncts of WHERE, and those of ON. ON of an outer join says nothing of the side
  that is kept whole, ON of MERGE nothing of the source. OR, NOT, HAVING and functions of `tenant_id` count for nothing.
- A condition of a subquery holds the relations of that subquery and never those around it.
- A relation in a place that is not known here is a problem when it is a tenant table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from stella.runtime.tenant_clauses import (
    AMBIGUOUS,
    COLUMN,
    HELD,
    NOTHING,
    Clauses,
    Columns,
    Ctes,
    Level,
    Levels,
    Plain,
    Tables,
    Tree,
    conjuncts,
    either,
    is_text,
    pg,
)


class Scope:
    """The clauses of one statement, collected by `run` and judged by `problems`."""

    def __init__(self, tables: Tables, tenant: int | None) -> None:
        self._tables = tables
        self._tenant = tenant
        self._say = Clauses()

    def problems(self) -> Iterator[str]:
        """What is wrong, in the order of the statement."""
        return self._say.open()

    def run(self, tree: Tree, outer: Levels = (), ctes: Ctes | None = None) -> Columns:
        """Collect the clauses of a query or a change; what it gives."""
        known = self._with(tree, outer, ctes or {})
        kind = type(tree).__name__
        return getattr(self, f"_{kind.removesuffix('Stmt').lower()}")(tree, outer, known)  # type: ignore[no-any-return]

    # --- statements ---------------------------------------------------------------------------------------------------

    def _with(self, tree: Tree, outer: Levels, ctes: Ctes) -> Ctes:
        if not tree.HasField("with_clause"):
            return ctes
        known = dict(ctes)
        entries = [entry.common_table_expr for entry in tree.with_clause.ctes]
        if tree.with_clause.recursive:
            known |= {entry.ctename: Columns(Plain(self._say.node(), sure=False), None) for entry in entries}
        for entry in entries:
            names = [name.string.sval for name in entry.aliascolnames]
            given = self._renamed(self._nested(entry.ctequery, outer, known), names)
            if tree.with_clause.recursive and given.plain.node is not None:
                self._say.add(known[entry.ctename].plain.node, given.plain.node)
            else:
                known[entry.ctename] = given
        return known

    def _nested(self, node: Tree, outer: Levels, ctes: Ctes) -> Columns:
        return self.run(getattr(node, str(node.WhichOneof("node"))), outer, ctes)

    def _select(self, tree: Tree, outer: Levels, ctes: Ctes) -> Columns:
        if tree.op > pg.SETOP_NONE:
            self._rest(tree, outer, ctes, {"larg", "rarg", "with_clause", "locking_clause"})
            return self._both(self.run(tree.larg, outer, ctes), self.run(tree.rarg, outer, ctes))
        level = self._from(tree.from_clause, outer, ctes)
        inner = (*outer, level)
        self._where(tree.where_clause, inner)
        if tree.HasField("into_clause"):
            self._say.problems.append("SELECT INTO makes a table that nobody protects")
        self._rest(tree, inner, ctes, {"from_clause", "with_clause", "locking_clause", "into_clause"})
        if tree.values_lists:
            return self._values([row.list.items for row in tree.values_lists], inner)
        return self._columns(tree.target_list, inner)

    def _insert(self, tree: Tree, outer: Levels, ctes: Ctes) -> Columns:
        level = Level()
        target = self._target(tree.relation, level)
        if self._tables.holds(tree.relation):
            names = [column.res_target.name for column in tree.cols]
            given = self._nested(tree.select_stmt, outer, ctes) if tree.HasField("select_stmt") else None
            place = names.index(COLUMN) if COLUMN in names else None
            places = (given.places if given is not None else None) or ()
            node = places[place] if place is not None and place < len(places) else None
            self._write(tree.relation, node, target)
        elif tree.HasField("select_stmt"):
            self._nested(tree.select_stmt, outer, ctes)
        inner = (*outer, level)
        self._conflict(tree, level, inner)
        self._rest(tree, inner, ctes, {"relation", "select_stmt", "with_clause"})
        return self._columns(tree.returning_clause.exprs, inner)

    def _conflict(self, tree: Tree, level: Level, inner: Levels) -> None:
        """ON CONFLICT DO UPDATE meets a row of the same tenant only where the key that conflicts has its tenant."""
        clause = tree.on_conflict_clause
        if not tree.HasField("on_conflict_clause") or clause.action != pg.ONCONFLICT_UPDATE:
            return
        level.names["excluded"] = level.names[tree.relation.alias.aliasname or tree.relation.relname]
        self._assigned(tree.relation, clause.target_list, inner)
        key = {element.index_elem.name for element in clause.infer.index_elems}
        if self._tables.holds(tree.relation) and COLUMN not in key:
            said = f"ON CONFLICT of `{self._tables.name(tree.relation)}` does not name {COLUMN}"
            self._say.problems.append(f"{said}, so the row that it changes may be anybody's")

    def _update(self, tree: Tree, outer: Levels, ctes: Ctes) -> Columns:
        level = self._from(tree.from_clause, outer, ctes)
        return self._change(tree, level, outer, ctes, {"from_clause"})

    def _delete(self, tree: Tree, outer: Levels, ctes: Ctes) -> Columns:
        level = self._from(tree.using_clause, outer, ctes)
        return self._change(tree, level, outer, ctes, {"using_clause"})

    def _change(self, tree: Tree, level: Level, outer: Levels, ctes: Ctes, done: set[str]) -> Columns:
        self._need(tree.relation, self._target(tree.relation, level))
        inner = (*outer, level)
        self._where(tree.where_clause, inner)
        if type(tree).__name__ == "UpdateStmt":
            self._assigned(tree.relation, tree.target_list, inner)
        self._rest(tree, inner, ctes, {"relation", "with_clause"} | done)
        return self._columns(tree.returning_clause.exprs, inner)

    def _merge(self, tree: Tree, outer: Levels, ctes: Ctes) -> Columns:
        """Rows of the source that match nothing are used too, so ON holds the target alone."""
        level = self._from([tree.source_relation], outer, ctes)
        target = self._target(tree.relation, level)
        inner = (*outer, level)
        self._equalities(tree.join_condition, inner, {target})
        self._need(tree.relation, target)
        for entry in tree.merge_when_clauses:
            clause = entry.merge_when_clause
            if clause.match_kind == pg.MERGE_WHEN_NOT_MATCHED_BY_SOURCE and self._tables.holds(tree.relation):
                self._say.problems.append(
                    "WHEN NOT MATCHED BY SOURCE changes rows that no condition holds to the tenant"
                )
            if clause.command_type == pg.CMD_UPDATE:
                self._assigned(tree.relation, clause.target_list, inner)
            elif clause.command_type == pg.CMD_INSERT and self._tables.holds(tree.relation):
                names = [column.res_target.name for column in clause.target_list]
                place = names.index(COLUMN) if COLUMN in names else len(clause.values)
                node = self._value(clause.values[place], inner) if place < len(clause.values) else None
                self._write(tree.relation, node, self._say.node())
        self._rest(tree, inner, ctes, {"relation", "source_relation", "with_clause"})
        return self._columns(tree.returning_clause.exprs, inner)

    # --- what is written ----------------------------------------------------------------------------------------------

    def _write(self, relation: Tree, node: int | None, target: int) -> None:
        """A new row of a tenant table has the tenant as its `tenant_id`."""
        said = f"the {COLUMN} that a row of `{self._tables.name(relation)}` gets is not surely %(tenant)s"
        if node is None:
            self._say.problems.append(said)
        else:
            self._say.need(node, said)
            self._say.add(target, node)

    def _assigned(self, relation: Tree, targets: Iterable[Tree], levels: Levels) -> None:
        if self._tables.holds(relation):
            for target in targets:
                if target.res_target.name == COLUMN:
                    self._write(relation, self._value(target.res_target.val, levels), self._say.node())

    # --- relations ----------------------------------------------------------------------------------------------------

    def _target(self, relation: Tree, level: Level) -> int:
        node = self._say.node()
        level.nodes.add(node)
        plain = Plain(node, self._tables.holds(relation))
        self._name(level, relation.alias.aliasname or relation.relname, plain)
        level.plain = either(level.plain, plain)
        return node

    def _from(self, items: Iterable[Tree], outer: Levels, ctes: Ctes) -> Level:
        level = Level()
        for item in items:
            level.plain = either(level.plain, self._item(item, level, outer, ctes))
        return level

    def _item(self, node: Tree, level: Level, outer: Levels, ctes: Ctes) -> Plain:
        kind = str(node.WhichOneof("node"))
        tree = getattr(node, kind)
        if kind == "range_var":
            return self._relation(tree, level, ctes)
        if kind == "join_expr":
            return self._join(tree, level, outer, ctes)
        if kind == "range_table_sample":
            self._rest(tree, (*outer, level), ctes, {"relation"})
            return self._item(tree.relation, level, outer, ctes)
        names = [name.string.sval for name in tree.alias.colnames] if hasattr(tree, "alias") else []
        if kind == "range_subselect":
            reach = (*outer, level) if tree.lateral else outer
            plain = self._renamed(self._nested(tree.subquery, reach, ctes), names).plain
        else:
            self._rest(node, (*outer, level), ctes, set())
            plain = NOTHING if names and COLUMN not in names else Plain(self._say.node(), sure=False)
        return self._derived(tree.alias.aliasname if hasattr(tree, "alias") else "", plain, level)

    def _relation(self, tree: Tree, level: Level, ctes: Ctes) -> Plain:
        alias = tree.alias.aliasname or tree.relname
        names = [name.string.sval for name in tree.alias.colnames]
        if not tree.schemaname and tree.relname in ctes:
            return self._derived(alias, self._renamed(ctes[tree.relname], names).plain, level)
        node = self._say.node()
        level.nodes.add(node)
        self._need(tree, node)
        plain = AMBIGUOUS if names else Plain(node, self._tables.holds(tree))
        self._name(level, alias, plain)
        return plain

    def _derived(self, alias: str, given: Plain, level: Level) -> Plain:
        """A subquery, a CTE or a function in FROM: a node of this level that holds when what it gives does."""
        plain = given
        if given.node is not None:
            plain = Plain(self._say.node(), given.sure)
            self._say.add(plain.node, given.node)
            level.nodes.add(plain.node)  # type: ignore[arg-type]
        self._name(level, alias, plain)
        return plain

    def _join(self, tree: Tree, level: Level, outer: Levels, ctes: Ctes) -> Plain:
        names, earlier = set(level.names), level.plain
        before = set(level.nodes)
        left = self._item(tree.larg, level, outer, ctes)
        lefts = level.nodes - before
        level.plain = either(earlier, left)  # what LATERAL on the right side sees
        right = self._item(tree.rarg, level, outer, ctes)
        rights = level.nodes - before - lefts
        kind = int(tree.jointype)
        heads = {pg.JOIN_INNER: lefts | rights, pg.JOIN_LEFT: rights, pg.JOIN_RIGHT: lefts}.get(kind, set())
        using = [name.string.sval for name in tree.using_clause]
        if COLUMN in using or (tree.is_natural and left.sure and right.sure):
            self._equal(left.node, right.node, heads)
            plain = {pg.JOIN_INNER: left, pg.JOIN_LEFT: left, pg.JOIN_RIGHT: right}.get(kind, AMBIGUOUS)
            if plain.node is None:
                plain = AMBIGUOUS
        else:
            plain = AMBIGUOUS if tree.is_natural and NOTHING not in {left, right} else either(left, right)
        level.plain = plain  # ON sees its own two sides
        self._equalities(tree.quals, (*outer, level), heads)
        self._rest(tree, (*outer, level), ctes, {"larg", "rarg"})
        level.plain = earlier
        if tree.alias.aliasname:  # it hides the names inside of it
            level.names = {name: found for name, found in level.names.items() if name in names}
            plain = AMBIGUOUS if tree.alias.colnames else plain
            self._name(level, tree.alias.aliasname, plain)
        if tree.join_using_alias.aliasname:
            self._name(level, tree.join_using_alias.aliasname, plain if COLUMN in using else NOTHING)
        return plain

    def _name(self, level: Level, alias: str, plain: Plain) -> None:
        if alias in level.names:
            plain = AMBIGUOUS
        if alias:
            level.names[alias] = plain

    # --- conditions ---------------------------------------------------------------------------------------------------

    def _where(self, node: Tree, levels: Levels) -> None:
        self._equalities(node, levels, levels[-1].nodes)

    def _equalities(self, node: Tree, levels: Levels, heads: Collection[int]) -> None:
        """Clauses of the conjuncts of a condition, for the nodes that it holds."""
        for one, other in conjuncts(node):
            self._equal(self._value(one, levels), self._value(other, levels), heads)

    def _equal(self, one: int | None, other: int | None, heads: Collection[int]) -> None:
        if one is not None and other is not None:
            for head, body in ((one, other), (other, one)):
                if head in heads:
                    self._say.add(head, body)

    def _value(self, node: Tree, levels: Levels) -> int | None:
        """The node that an expression stands for: a `tenant_id`, or the tenant itself."""
        kind = node.WhichOneof("node")
        if kind == "type_cast" and is_text(node.type_cast.type_name):
            inner = node.type_cast.arg
            return self._value(inner, levels) if inner.WhichOneof("node") == "param_ref" else None
        if kind == "param_ref":
            return HELD if node.param_ref.number == self._tenant else None
        if kind == "column_ref":
            return self._column([part.string.sval for part in node.column_ref.fields], levels)
        return None

    def _column(self, parts: Sequence[str], levels: Levels) -> int | None:
        if not parts or parts[-1] != COLUMN:
            return None
        for level in reversed(levels):
            if len(parts) == 1:
                if level.plain != NOTHING:
                    return level.plain.node
            elif parts[-2] in level.names:
                return level.names[parts[-2]].node
        return None

    # --- what a query gives -------------------------------------------------------------------------------------------

    def _columns(self, targets: Iterable[Tree], levels: Levels) -> Columns:
        plain, places, at = NOTHING, [], []
        known = True
        for target in targets:
            value = target.res_target.val
            parts = value.column_ref.fields if value.WhichOneof("node") == "column_ref" else ()
            if parts and parts[-1].WhichOneof("node") == "a_star":
                known = False
                level = levels[-1]
                found = level.plain if len(parts) == 1 else level.names.get(parts[-2].string.sval, AMBIGUOUS)
                plain = either(plain, found)
                continue
            node = self._value(value, levels)
            places.append(node)
            name = target.res_target.name or (parts[-1].string.sval if parts else "")
            if name == COLUMN:
                at.append(len(places) - 1)
                plain = either(plain, Plain(node, sure=True))
        return Columns(plain, tuple(places), at[0] if len(at) == 1 else None) if known else Columns(plain, None)

    def _values(self, rows: Sequence[Sequence[Tree]], levels: Levels) -> Columns:
        places = [{self._value(node, levels) for node in column} for column in zip(*rows, strict=False)]
        return Columns(NOTHING, tuple(HELD if found == {HELD} else None for found in places))

    def _both(self, one: Columns, other: Columns) -> Columns:
        """A set operation: a place holds when it does on both sides, and the left side gives the names."""

        def met(left: int | None, right: int | None) -> int | None:
            if left is None or right is None:
                return None
            node = self._say.node()
            self._say.add(node, left, right)
            return node

        if one.places is None or other.places is None:
            return Columns(Plain(None, one.plain.sure), None)
        places = tuple(met(left, right) for left, right in zip(one.places, other.places, strict=False))
        at = one.at if one.at is not None and one.at < len(places) else None
        return Columns(Plain(None if at is None else places[at], one.plain.sure), places, at)

    def _renamed(self, given: Columns, names: Sequence[str]) -> Columns:
        """The columns under the names of an alias, which may be fewer than there are."""
        if not names:
            return given
        if given.places is None or COLUMN not in names:
            return Columns(AMBIGUOUS, given.places)
        place = names.index(COLUMN)
        node = given.places[place] if place < len(given.places) else None
        return Columns(Plain(node, sure=True), given.places, place)

    # --- the rest -----------------------------------------------------------------------------------------------------

    def _rest(self, tree: Tree, levels: Levels, ctes: Ctes, done: Collection[str]) -> None:
        """Look for queries in all other parts of a tree, and for relations where none is expected."""
        for about, value in tree.ListFields():
            if about.message_type is not None and about.name not in done:
                for part in value if about.is_repeated else (value,):
                    self._part(part, levels, ctes)

    def _part(self, tree: Tree, levels: Levels, ctes: Ctes) -> None:
        kind = type(tree).__name__
        if kind in {"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"}:
            self.run(tree, levels, ctes)
        elif kind == "RangeVar":
            if self._tables.holds(tree):
                self._say.problems.append(f"`{self._tables.name(tree)}` is used in a way that is not known here")
        else:
            self._rest(tree, levels, ctes, ())

    def _need(self, relation: Tree, node: int) -> None:
        if self._tables.holds(relation):
            alias = f" as {relation.alias.aliasname}" if relation.alias.aliasname else ""
            self._say.need(node, f"`{self._tables.name(relation)}`{alias} lacks `{COLUMN} = %(tenant)s`")
