"""What SQL does to the borders between tenants, found by PostgreSQL's own parser.

Rules:
- Every node of every tree is looked at, so that a hazard inside of a function, a rule or a CTE is found as well.
- The body of a function in SQL or PL/pgSQL is parsed; a body that cannot be is a finding, EXECUTE of a text too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import postgast

from stella.lint.model import Spot
from stella.lint.sql_files import Statement, parts_of
from stella.runtime.catalogue import BY_TEXT, NotSql

Tree = Any  # the trees of the parser have no types
Found = Iterator[tuple[str, str]]
pg: Any = postgast.pg_query_pb2

ROLES = {"role": "STS001", "session_authorization": "STS002", "row_security": "STS004"}
ABOVE = {"superuser", "bypassrls"}
MAX_BODIES = 5  # functions within functions


def hazards(statement: Statement, depth: int = 0) -> Iterator[Spot]:
    """The spots of one statement, apart from what needs to know the tables of a tree."""
    for _, tree in postgast.walk(statement.node):
        look = _LOOKS.get(type(tree).__name__)
        if look is not None:
            yield from (Spot(rule, statement.line, 1, said, statement.line) for rule, said in look(tree))
        if type(tree).__name__ == "CreateFunctionStmt":
            yield from _body(statement, tree, depth)


def _set(tree: Tree) -> Found:
    reset = tree.kind in {pg.VAR_RESET, pg.VAR_SET_DEFAULT}
    verb = "RESET" if reset else "SET"
    if tree.kind == pg.VAR_RESET_ALL:
        yield "STS021", "RESET ALL resets the context of the tenant too"
    elif tree.name in ROLES:
        yield ROLES[tree.name], f"{verb} {tree.name.replace('_', ' ').upper()}"
    elif tree.name.startswith("app."):
        yield "STS021", f"{verb} {tree.name}"


def _discard(tree: Tree) -> Found:
    if tree.target == pg.DISCARD_ALL:
        yield "STS021", "DISCARD ALL resets the context of the tenant too"


def _call(tree: Tree) -> Found:
    name = tree.funcname[-1].string.sval
    if name == "set_config":
        yield "STS003", "it calls set_config"
    elif BY_TEXT.fullmatch(name):
        yield "STS015", f"it calls `{name}`, which does what a text says"


def _function(tree: Tree) -> Found:
    for option in (*getattr(tree, "options", ()), *getattr(tree, "actions", ())):
        if option.def_elem.defname == "security" and option.def_elem.arg.boolean.boolval:
            yield "STS005", "the function is SECURITY DEFINER"


def _invokes(options: Any) -> bool:  # noqa: ANN401  # as Tree
    for option in options:
        if option.def_elem.defname == "security_invoker":
            given = option.def_elem.arg
            said = given.string.sval or ("true" if given.WhichOneof("node") is None else str(given.integer.ival))
            return said.lower() in {"true", "on", "1", "yes"}
    return False


def _view(tree: Tree) -> Found:
    if not _invokes(tree.options):
        yield "STS006", f"the view `{tree.view.relname}` is not WITH (security_invoker = true)"


def _policy(tree: Tree) -> Found:
    for part, word in ((tree.qual, "USING"), (tree.with_check, "WITH CHECK")):
        if part.WhichOneof("node") is not None and always(part):
            yield "STS007", f"{word} of the policy `{tree.policy_name}` is true for every row"
    made = type(tree).__name__ == "CreatePolicyStmt"
    if made and tree.cmd_name in {"all", "insert", "update"} and tree.with_check.WhichOneof("node") is None:
        yield "STS008", f"the policy `{tree.policy_name}` for {tree.cmd_name.upper()} has no WITH CHECK"


def always(node: Tree) -> bool:
    """Whether a condition is surely the same for every row, and not false."""
    kind = node.WhichOneof("node")
    if kind == "a_const":
        return bool(node.a_const.boolval.boolval)
    if kind == "bool_expr":
        parts = [always(part) for part in node.bool_expr.args]
        return {pg.AND_EXPR: all(parts), pg.OR_EXPR: any(parts)}.get(node.bool_expr.boolop, False)
    if kind == "a_expr" and node.a_expr.lexpr == node.a_expr.rexpr:
        return True
    expected = {"ColumnRef", "FuncCall", "SubLink", "ParamRef", "SQLValueFunction"}
    if kind == "a_expr":
        left, right = (_without_places(part) for part in (node.a_expr.lexpr, node.a_expr.rexpr))
        return left == right or not any(type(part).__name__ in expected for _, part in postgast.walk(node))
    return kind == "type_cast" and not any(type(part).__name__ in expected for _, part in postgast.walk(node))


def _without_places(node: Tree) -> str:
    return "\n".join(line for line in str(node).splitlines() if "location:" not in line)


def _altered(tree: Tree) -> Found:
    if tree.subtype == pg.AT_DisableRowSecurity:
        yield "STS009", "DISABLE ROW LEVEL SECURITY"
    elif tree.subtype == pg.AT_NoForceRowSecurity:
        yield "STS010", "NO FORCE ROW LEVEL SECURITY"
    elif tree.subtype in {pg.AT_SetRelOptions, pg.AT_ResetRelOptions, pg.AT_ReplaceRelOptions}:
        options = getattr(tree, "def").list.items
        named = any(option.def_elem.defname == "security_invoker" for option in options)
        if named and (tree.subtype == pg.AT_ResetRelOptions or not _invokes(options)):
            yield "STS006", "the view loses security_invoker"


def _role(tree: Tree) -> Found:
    for option in tree.options:
        if option.def_elem.defname in ABOVE and option.def_elem.arg.boolean.boolval:
            yield "STS011", f"the role gets {option.def_elem.defname.upper()}"


def _truncate(tree: Tree) -> Found:
    yield "STS012", f"TRUNCATE {', '.join(part.range_var.relname for part in tree.relations)}"


def _grant(tree: Tree) -> Found:
    if not tree.is_grant:
        return
    rights = {part.access_priv.priv_name for part in tree.privileges}
    tables = tree.objtype == pg.OBJECT_TABLE
    if tables and ("truncate" in rights or not rights):  # no name at all is ALL
        yield "STS012", "the right to TRUNCATE is granted"
    if any(part.role_spec.roletype == pg.ROLESPEC_PUBLIC for part in tree.grantees):
        yield "STS023", "a right is granted to PUBLIC"


def _copy(tree: Tree) -> Found:
    where = "a program" if tree.is_program else "a file of the server" if tree.filename else "the client"
    yield "STS013", f"COPY {tree.relation.relname or 'of a query'} {'from' if tree.is_from else 'to'} {where}"


def _do(tree: Tree) -> Found:
    del tree
    yield "STS014", "a DO block runs what is not checked"


def _drop(tree: Tree) -> Found:
    if tree.remove_type == pg.OBJECT_POLICY:
        yield "STS022", f"DROP POLICY {tree.objects[0].list.items[-1].string.sval}"


_LOOKS: dict[str, Callable[[Tree], Found]] = {
    "VariableSetStmt": _set,
    "DiscardStmt": _discard,
    "FuncCall": _call,
    "CreateFunctionStmt": _function,
    "AlterFunctionStmt": _function,
    "ViewStmt": _view,
    "CreatePolicyStmt": _policy,
    "AlterPolicyStmt": _policy,
    "AlterTableCmd": _altered,
    "CreateRoleStmt": _role,
    "AlterRoleStmt": _role,
    "TruncateStmt": _truncate,
    "GrantStmt": _grant,
    "CopyStmt": _copy,
    "DoStmt": _do,
    "DropStmt": _drop,
}


# --- bodies of functions ----------------------------------------------------------------------------------------------


def _body(statement: Statement, tree: Tree, depth: int) -> Iterator[Spot]:
    options = {option.def_elem.defname: option.def_elem.arg for option in tree.options}
    if "as" not in options:  # BEGIN ATOMIC is part of the tree
        return
    language = options["language"].string.sval.lower() if "language" in options else "sql"
    texts = [part.string.sval for part in options["as"].list.items]
    try:
        if depth >= MAX_BODIES or language not in {"sql", "plpgsql"} or len(texts) != 1:
            raise NotSql(f"its language is {language}")
        parts = list(parts_of(texts[0])) if language == "sql" else list(_procedure(statement.text))
    except NotSql as error:
        yield Spot("STS024", statement.line, 1, f"the body of the function cannot be checked: {error}", statement.line)
        return
    for part in parts:
        moved = part._replace(line=statement.line)
        yield from (spot._replace(line=statement.line, start=statement.line) for spot in hazards(moved, depth + 1))


def _procedure(text: str) -> Iterator[Statement]:
    """The statements and expressions of a PL/pgSQL function; raises NotSql."""
    try:
        tree = postgast.parse_plpgsql(text)
    except Exception as error:  # noqa: BLE001  # the parser of bodies raises what it meets
        raise NotSql(" ".join(str(error).split())) from None
    pending: list[Any] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            if any(name.startswith("PLpgSQL_stmt_dyn") for name in node) or "dynquery" in node:
                raise NotSql("it runs a text by EXECUTE")
            query = node.get("query")
            if isinstance(query, str):
                yield from _expression(query)
            pending += node.values()


def _expression(query: str) -> Iterator[Statement]:
    """A query of a body, which may be a bare expression or an assignment."""
    for text in (query, f"SELECT {query}", f"SELECT {query.partition(':=')[2]}", f"SELECT {query.partition('=')[2]}"):
        try:
            yield from parts_of(text)
        except NotSql:
            continue
        return
    raise NotSql(f"`{query[:40]}` is not understood")
