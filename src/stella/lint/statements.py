"""What SQL does to the borders between tenants, found by PostgreSQL's own parser.

Rules:
- Every node of every tree is looked at, so that a hazard inside of a function, a rule or a CTE is found as well.
- The body of a function in SQL or PL/pgSQL is parsed; a body that cannot be is a finding, EXECUTE of a text too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import postgast

from stella.lint import rights
from stella.lint.model import Spot
from stella.lint.policies import policy
from stella.lint.rights import altered
from stella.lint.sql_files import Statement, parts_of
from stella.runtime.catalogue import BY_TEXT, NotSql

Tree = Any  # the trees of the parser have no types
Found = Iterator[tuple[str, str]]
pg: Any = postgast.pg_query_pb2

SETTINGS = {  # their names have no case, quoted neither
    "role": "STS001",
    "session_authorization": "STS002",
    "row_security": "STS004",
    "session_replication_role": "STS026",
}
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
    verb, name = "RESET" if reset else "SET", tree.name.lower()
    if tree.kind == pg.VAR_RESET_ALL:
        yield "STS021", "RESET ALL resets the context of the tenant too"
    elif name in SETTINGS:
        yield SETTINGS[name], f"{verb} {name.replace('_', ' ').upper()}"
    elif name.startswith("app."):
        yield "STS021", f"{verb} {tree.name}"


def _discard(tree: Tree) -> Found:
    if tree.target == pg.DISCARD_ALL:
        yield "STS021", "DISCARD ALL resets the context of the tenant too"


def _call(tree: Tree) -> Found:
    names = [part.string.sval for part in tree.funcname]
    yield from _named(names[-1])
    if names[0] == "cron":
        yield "STS015", f"it calls `{'.'.join(names)}`, which does what a text says"


def _named(function: str) -> Found:
    if function == "set_config":
        yield "STS003", "it calls set_config"
    elif BY_TEXT.fullmatch(function):
        yield "STS015", f"it calls `{function}`, which does what a text says"


def _defined(tree: Tree) -> Found:
    """An operator, an aggregate or a cast is a function under another name."""
    for _, part in postgast.walk(tree):
        if type(part).__name__ == "String":
            yield from _named(part.sval)


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


def _altered(tree: Tree) -> Found:
    yield from altered(tree)
    if tree.subtype in {pg.AT_SetRelOptions, pg.AT_ResetRelOptions, pg.AT_ReplaceRelOptions}:
        options = getattr(tree, "def").list.items
        named = any(option.def_elem.defname == "security_invoker" for option in options)
        if named and (tree.subtype == pg.AT_ResetRelOptions or not _invokes(options)):
            yield "STS006", "the view loses security_invoker"


def _truncate(tree: Tree) -> Found:
    yield "STS012", f"TRUNCATE {', '.join(part.range_var.relname for part in tree.relations)}"


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
    **rights.LOOKS,
    "VariableSetStmt": _set,
    "DiscardStmt": _discard,
    "FuncCall": _call,
    "CreateFunctionStmt": _function,
    "AlterFunctionStmt": _function,
    "ViewStmt": _view,
    "DefineStmt": _defined,
    "CreateCastStmt": _defined,
    "CreatePolicyStmt": policy,
    "AlterPolicyStmt": policy,
    "AlterTableCmd": _altered,
    "TruncateStmt": _truncate,
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
    """A query of a body, which may be a bare expression or an assignment; the place that it assigns to is read too."""
    places = [place for place in range(len(query)) if query.startswith(":=", place)]
    parts = [(f"SELECT {query[:place]}", f"SELECT {query[place + 2 :]}") for place in places]
    left, equals, right = query.partition("=")
    parts += [(f"SELECT {left}", f"SELECT {right}")] if equals else []
    for texts in ((query,), (f"SELECT {query}",), *parts):
        try:
            found = [statement for text in texts for statement in parts_of(text)]
        except NotSql:
            continue
        yield from found
        return
    raise NotSql(f"`{query[:40]}` is not understood")
