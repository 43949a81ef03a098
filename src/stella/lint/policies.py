"""Policies that keep nothing apart.

Rules:
- A condition that reads neither a column nor who asks is the same for every row. Unless it is surely false it opens
  the table, whatever way it is written in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import postgast

from stella.runtime.tenant_clauses import COLUMN

Tree = Any  # the trees of the parser have no types
Found = Iterator[tuple[str, str]]
pg: Any = postgast.pg_query_pb2

DEPENDS = {"ColumnRef", "FuncCall", "RangeVar", "ParamRef", "SQLValueFunction"}  # on the row, or on who asks
FALSE = {"f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"}  # as PostgreSQL reads a text


def policy(tree: Tree) -> Found:
    """CREATE POLICY and ALTER POLICY."""
    for part, word in ((tree.qual, "USING"), (tree.with_check, "WITH CHECK")):
        if part.WhichOneof("node") is not None and always(part):
            yield "STS007", f"{word} of the policy `{tree.policy_name}` is true for every row"
    made = type(tree).__name__ == "CreatePolicyStmt"
    if made and tree.cmd_name in {"all", "insert", "update"} and tree.with_check.WhichOneof("node") is None:
        yield "STS008", f"the policy `{tree.policy_name}` for {tree.cmd_name.upper()} has no WITH CHECK"


def always(node: Tree) -> bool:
    """Whether a condition is surely the same for every row, and not false."""
    if not any(type(part).__name__ in DEPENDS for _, part in postgast.walk(node)):
        return not _never(node)
    kind = node.WhichOneof("node")
    if kind == "bool_expr":
        parts = [always(part) for part in node.bool_expr.args]
        return {pg.AND_EXPR: all(parts), pg.OR_EXPR: any(parts)}.get(node.bool_expr.boolop, False)
    if kind == "null_test":  # no row is without one
        column = node.null_test.arg.column_ref.fields
        return node.null_test.nulltesttype == pg.IS_NOT_NULL and [part.string.sval for part in column][-1:] == [COLUMN]
    return kind == "a_expr" and _without_places(node.a_expr.lexpr) == _without_places(node.a_expr.rexpr)


def _never(node: Tree) -> bool:
    """Whether a condition without columns is surely false."""
    kind = node.WhichOneof("node")
    if kind == "a_const":
        value = node.a_const.WhichOneof("val")
        text = node.a_const.sval.sval.strip().lower()
        said = {"boolval": not node.a_const.boolval.boolval, "sval": text in FALSE}
        return bool(node.a_const.isnull or said.get(value, False))
    if kind == "type_cast":
        return _never(node.type_cast.arg)
    if kind == "bool_expr":
        parts = [_never(part) for part in node.bool_expr.args]
        inverse = not parts[0]
        return {pg.AND_EXPR: any(parts), pg.OR_EXPR: all(parts)}.get(node.bool_expr.boolop, inverse)
    return False


def _without_places(node: Tree) -> str:
    return "\n".join(line for line in str(node).splitlines() if "location:" not in line)
