"""Whether a statement of the catalogue stays within one tenant.

Each use of a tenant table says `tenant_id = %(tenant)s`.

Rules:
- The parser is PostgreSQL's own. What it does not read, and what this module does not understand, is a problem.
- Nothing is added to a statement: one that lacks the condition is refused, so that what is read is what runs.
- The condition may come through an equality of `tenant_id` (also USING) with a relation that has it. What it proves and
  what it does not is said in `tenant_scope`.
- Row level security checks the same again; neither replaces the other.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import postgast

from stella.runtime.tenant_clauses import Tables, relations_of
from stella.runtime.tenant_scope import Scope

TENANT = "tenant"
# They run or read what a text names, so that no parser sees it.
BY_TEXT = re.compile(
    r"dblink\w*|(query|table|cursor|schema|database)_to_xml\w*|ts_stat|ts_rewrite|crosstab\w*|connectby|xpath_table"
    r"|pg_read_(binary_)?file|pg_ls_\w+|pg_(stat_file|file_\w+|logical_slot_\w+)|lo_\w+|loread|lowrite"
)
STATEMENTS = {"select_stmt", "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt"}

_PLACE = re.compile(r"%(?:%|\((?P<name>[^)]*)\)[sbt])")  # as psycopg reads it, in texts and comments too
_BRACE = re.compile(r"\{\{|\}\}|\{(?P<name>[a-z_]\w*)\}")  # of psycopg.sql.SQL(...).format


class NotSql(ValueError):
    """The text is no SQL, or none that can be looked at; `offset` is where, in characters."""

    def __init__(self, problem: str, offset: int = 0) -> None:
        super().__init__(problem)
        self.offset = offset


class Text(NamedTuple):
    """SQL as the parser takes it, and the number of each value that it names."""

    sql: str
    numbers: Mapping[str, int]


def numbered(sql: str) -> Text:
    """`%(name)s` as `$n`, one number for each name; a text without names is left as it is."""
    if "%(" not in sql:
        return Text(sql, {})
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        return "%" if found["name"] is None else f"${numbers.setdefault(found['name'], len(numbers) + 1)}"

    return Text(_PLACE.sub(number, sql), numbers)


def parse(sql: str) -> Any:  # noqa: ANN401  # the tree has no types
    """The tree of a text; raises NotSql. The parser stops at a NUL, so that is refused before it."""
    if "\0" in sql:
        raise NotSql("it contains a NUL", sql.index("\0"))
    try:
        return postgast.parse(sql)
    except postgast.PgQueryError as error:
        raise NotSql(str(error.message), max(error.cursorpos - 1, 0)) from None
    except UnicodeError:
        raise NotSql("it is not UTF-8") from None
    except Exception as error:  # the depth of a tree is bounded by the library that carries it
        raise NotSql("it is nested too deeply to be checked") from error


def parse_template(sql: str) -> Any:  # noqa: ANN401  # as parse
    """As `parse`, for a text that may have identifiers or literals in braces, such as `{schema}`."""
    try:
        return parse(sql)
    except NotSql:
        if not _BRACE.search(sql):
            raise
    try:
        return parse(_BRACE.sub(lambda found: f'"{found["name"]}"' if found["name"] else found[0][0], sql))
    except NotSql:
        return parse(_BRACE.sub(lambda found: f"'{found['name']}'" if found["name"] else found[0][0], sql))


def check_statement(sql: str, tenant_tables: Collection[str]) -> str | None:
    """What keeps a statement from being loaded, None when nothing does.

    `tenant_tables` are named as `schema.table`, or as `table` for one of any schema.
    """
    text = numbered(sql)
    try:
        tree = parse_template(text.sql)
    except NotSql as error:
        return f"it cannot be parsed: {error}"
    if len(tree.stmts) != 1:
        return f"it is {len(tree.stmts)} statements, not one"
    return check_tree(tree.stmts[0].stmt, text.numbers.get(TENANT), tenant_tables)


def check_tree(node: Any, tenant: int | None, tenant_tables: Collection[str]) -> str | None:  # noqa: ANN401  # a tree
    """The same for one parsed statement, where `tenant` is the number of the parameter."""
    tables = Tables(tenant_tables)
    for name in called(node):
        if BY_TEXT.fullmatch(name):
            return f"it calls `{name}`, which does what a text says"
    if node.WhichOneof("node") == "do_stmt":
        return "it is a block, which does what a text says"
    used = sorted({tables.name(found) for found in relations_of(node) if tables.holds(found)})
    if not used:
        return None
    kind = str(node.WhichOneof("node"))
    if kind not in STATEMENTS:
        return f"it is a {kind.removesuffix('_stmt').replace('_', ' ')} statement on the tenant table `{used[0]}`"
    scope = Scope(tables, tenant)
    scope.run(getattr(node, kind))
    return next(scope.problems(), None)


def called(node: Any) -> Iterator[str]:  # noqa: ANN401  # a tree
    """The functions that a tree calls, without their schemas."""
    for _, found in postgast.walk(node):
        if type(found).__name__ == "FuncCall" and found.funcname:
            yield found.funcname[-1].string.sval
