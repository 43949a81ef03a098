"""A migration as PostgreSQL's own parser reads it: its statements, and whether its category allows them.

Rules:
- The parser is that of PostgreSQL 18 (libpg_query). What it does not read is refused before anything is applied.
- What may run at start is listed; what is not listed is refused, so that a new kind of statement is looked at first.
- A transaction is the runner's: no file begins or ends one. A file outside of a transaction holds only statements that
  can be repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import postgast
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # what `postgast` decodes with

from stella.database.errors import BadMigrationFile, LintFailed
from stella.database.model import Category, File
from stella.kernel.nearest import did_you_mean
from stella.runtime.batches import MAX_SIZE
from stella.runtime.migrate import Index, Piece, quoted

NO_TRANSACTION, BATCH = "no-transaction", "batch"
FIRST_BATCH = 1000  # rows; the size follows what a batch costs

_DIRECTIVE = re.compile(r"--\s*stella:\s*(?P<word>\S*)(?P<value>.*)")
_TAKES = {NO_TRANSACTION: "nothing", BATCH: "one number"}

ADDING = frozenset(
    {
        "alter_default_privileges_stmt",
        "alter_policy_stmt",
        "alter_seq_stmt",
        "comment_stmt",
        "composite_type_stmt",
        "create_cast_stmt",
        "create_domain_stmt",
        "create_enum_stmt",
        "create_extension_stmt",
        "create_function_stmt",
        "create_policy_stmt",
        "create_range_stmt",
        "create_schema_stmt",
        "create_seq_stmt",
        "create_stats_stmt",
        "create_stmt",
        "create_table_as_stmt",
        "create_trig_stmt",
        "define_stmt",
        "grant_role_stmt",
        "grant_stmt",
        "index_stmt",
        "insert_stmt",
        "select_stmt",
        "update_stmt",
        "view_stmt",
    }
)
ADDING_TO_TABLE = frozenset(
    {
        "AT_AddColumn",
        "AT_AddConstraint",
        "AT_AddIdentity",
        "AT_AttachPartition",
        "AT_ChangeOwner",
        "AT_ColumnDefault",
        "AT_DropNotNull",
        "AT_EnableRowSecurity",
        "AT_ForceRowSecurity",
        "AT_ReplicaIdentity",
        "AT_SetOptions",
        "AT_SetRelOptions",
        "AT_SetStatistics",
        "AT_SetStorage",
        "AT_ValidateConstraint",
    }
)
WORDS = {
    "drop_stmt": "it drops something",
    "truncate_stmt": "it truncates a table",
    "rename_stmt": "it renames something",
    "delete_stmt": "it deletes rows",
    "do_stmt": "it hides what it does in a DO block",
    "AT_AlterColumnType": "it changes the type of a column",
    "AT_DropColumn": "it drops a column",
    "AT_DropConstraint": "it drops a constraint",
    "AT_SetNotNull": "it forbids NULL where old code may write it",
}


WITHIN = "it changes rows in a WITH, where nobody counts them"


class Parsed(NamedTuple):
    """The statements of a file, and how they run."""

    pieces: tuple[Piece, ...]
    transaction: bool
    batch: int


class Node(NamedTuple):
    """A statement: where it is, its kind, and its tree."""

    piece: Piece
    kind: str
    tree: Any


def parse(file: File) -> Parsed:
    """Read a migration and hold it against the rules of its category; raises BadMigrationFile or LintFailed."""
    directives = dict(_directives(file))
    nodes = _nodes(file)
    if not nodes:
        raise _bad(file, 1, "it holds no statement", "write one, or remove the file")
    transaction = NO_TRANSACTION not in directives
    for node in nodes:
        if node.kind == "transaction_stmt":
            raise _bad(file, node.piece.line, "it begins or ends a transaction", "remove it: each file is one")
        if node.kind == "copy_stmt" and not node.tree.filename:
            raise _bad(file, node.piece.line, "COPY has nobody here to exchange rows with", "write INSERT")
        if node.kind == "variable_set_stmt" and node.tree.name.lower() in READING:
            raise _bad(file, node.piece.line, "it changes how the rest of the file is read", "remove it")
        if not transaction:
            _check_repeatable(file, node)
        elif node.kind in {"index_stmt", "drop_stmt"} and node.tree.concurrent:
            raise _bad(file, node.piece.line, "CONCURRENTLY works outside of a transaction only", _OUTSIDE)
    batch = _batch(file, nodes, directives)
    _lint(file, nodes)
    return Parsed(tuple(_with_index(node) for node in nodes), transaction, batch)


READING = frozenset({"client_encoding", "standard_conforming_strings"})
_OUTSIDE = "begin the file with `-- stella:no-transaction`"


def _directives(file: File) -> Iterator[tuple[str, str]]:
    """The `-- stella:` lines at the head of a file."""
    head, seen = True, set[str]()
    known = {BATCH} if file.category is Category.DATA else {NO_TRANSACTION}
    for number, line in enumerate(file.text.splitlines(), 1):
        head = head and (not line.strip() or line.startswith("--"))
        found = _DIRECTIVE.fullmatch(line)
        if found is None:
            continue
        word, value = found["word"], found["value"].split()
        if word not in known:
            advice = did_you_mean(word, known, f"known here is {', '.join(known)}")
            raise _bad(file, number, f"there is no mark `stella:{word}`", advice)
        if not head:
            raise _bad(file, number, "a mark stands at the head of a file", "move it before the first statement")
        if word in seen:
            raise _bad(file, number, f"`stella:{word}` stands twice", "keep one of them")
        if len(value) > (word == BATCH):
            raise _bad(file, number, f"`stella:{word}` takes {_TAKES[word]}", "say the rest in a line of its own")
        seen.add(word)
        yield word, "".join(value)


def _nodes(file: File) -> list[Node]:
    try:
        tree = postgast.parse(file.text)
    except postgast.PgQueryError as error:
        line = file.text.count("\n", 0, max(error.cursorpos - 1, 0)) + 1
        raise _bad(file, line, error.message, "mend the statement") from None
    except DecodeError:
        raise _too_deep(file) from None
    data = file.text.encode()
    found, line, counted = [], 1, 0
    for raw in tree.stmts:
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(data)
        piece = data[raw.stmt_location : end]
        start = raw.stmt_location + len(piece) - len(piece.lstrip())
        kind = str(raw.stmt.WhichOneof("node"))
        line, counted = line + data.count(b"\n", counted, start), start
        found.append(Node(Piece(piece.strip().decode(), line), kind, getattr(raw.stmt, kind)))
    return found


def _too_deep(file: File) -> BadMigrationFile:
    """The error for a tree that is deeper than its decoder goes, which is about fifty expressions in each other."""
    at = 0
    for statement in postgast.split(file.text):
        at = file.text.index(statement, at)
        try:
            postgast.parse(statement)
        except DecodeError:
            break
    advice = "write `concat(a, b, ...)` for `a || b || ...`, VALUES for many UNION, or several statements"
    return _bad(file, file.text.count("\n", 0, at) + 1, "the statement nests too deep to be judged", advice)


def _check_repeatable(file: File, node: Node) -> None:
    """Raise BadMigrationFile for a statement that cannot be repeated after an interruption."""
    tree, line = node.tree, node.piece.line
    if node.kind == "index_stmt" and tree.concurrent:
        if not tree.idxname:
            raise _bad(file, line, "an index made outside of a transaction needs a name", "name it")
        return
    if node.kind == "drop_stmt" and tree.concurrent and tree.missing_ok:
        return
    if node.kind != "vacuum_stmt":
        problem = "outside of a transaction it could not be repeated after an interruption"
        advice = "keep CREATE INDEX CONCURRENTLY, DROP INDEX CONCURRENTLY IF EXISTS or VACUUM here; move the rest"
        raise _bad(file, line, problem, advice)


def _with_index(node: Node) -> Piece:
    """The statement, with the index that it makes concurrently."""
    if node.kind != "index_stmt" or not node.tree.concurrent:
        return node.piece
    relation = node.tree.relation
    parts = [part for part in (relation.schemaname, relation.relname) if part]
    return node.piece._replace(makes=Index(quoted(*parts), node.tree.idxname))


def _batch(file: File, nodes: list[Node], directives: Mapping[str, str]) -> int:
    """Rows of the first batch of a data migration; 0 for any other."""
    if file.category is not Category.DATA:
        return 0
    if len(nodes) != 1 or nodes[0].kind != "select_stmt":
        raise _bad(file, nodes[-1].piece.line, "a data migration is one SELECT that does a batch", _SHAPE)
    numbers = {int(number) for number in re.findall(r"param_ref \{\s*number: (\d+)", str(nodes[0].tree))}
    if numbers != {1, 2}:
        raise _bad(file, nodes[0].piece.line, "a batch uses $1, the last key as text, and $2, its size", _SHAPE)
    text = directives.get(BATCH, str(FIRST_BATCH))
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= MAX_SIZE:
        raise _bad(file, 1, f"a batch has 1 to {MAX_SIZE} rows, not `{text}`", "write `-- stella:batch 1000`")
    return int(text)


_SHAPE = (
    "WITH part AS (SELECT id FROM t WHERE id > coalesce($1, '0')::bigint ORDER BY id LIMIT $2), "
    "done AS (UPDATE t SET ... FROM part WHERE t.id = part.id) SELECT count(*), max(id)::text FROM part"
)


def _lint(file: File, nodes: list[Node]) -> None:
    """Raise LintFailed for what the category does not allow."""
    if file.category is Category.SEED:
        for node in nodes:
            if node.kind != "insert_stmt" or "ONCONFLICT_NOTHING" not in str(node.tree.on_conflict_clause):
                raise _not_allowed(file, node, "it is no INSERT ... ON CONFLICT DO NOTHING")
            if _changes_within(node):
                raise _not_allowed(file, node, WITHIN)
    if file.category is Category.STARTUP:
        made = {_table(node.tree.relation) for node in nodes if node.kind == "create_stmt"}
        for node in nodes:
            for problem in _breaking(node, made):
                raise _not_allowed(file, node, problem)


def _breaking(node: Node, made: set[tuple[str, str]]) -> Iterator[str]:
    """What a statement does that old code may not survive. `made` are the tables that the file itself creates."""
    if _changes_within(node):
        yield WITHIN
    if node.kind == "alter_table_stmt":
        for command in node.tree.cmds:
            yield from _breaking_command(command.alter_table_cmd, new=_table(node.tree.relation) in made)
    elif node.kind == "alter_enum_stmt":
        if node.tree.old_val:
            yield "it renames a value"
    elif node.kind == "variable_set_stmt":
        if not node.tree.is_local:
            yield "it sets something for the session; SET LOCAL is enough"
    elif node.kind == "vacuum_stmt":
        return
    elif node.kind not in ADDING:
        yield WORDS.get(node.kind, f"it is a {node.kind.removesuffix('_stmt').replace('_', ' ')} statement")


def _changes_within(node: Node) -> bool:
    """Whether a WITH of the statement changes rows; PostgreSQL allows that at its top alone, and tells no count."""
    tree = node.tree.query.select_stmt if node.kind == "create_table_as_stmt" else node.tree
    clause = getattr(tree, "with_clause", None)
    queries = [cte.common_table_expr.ctequery for cte in clause.ctes] if clause else []
    return any(query.WhichOneof("node") != "select_stmt" for query in queries)


def _breaking_command(command: Any, *, new: bool) -> Iterator[str]:  # noqa: ANN401  # a node of the tree
    shown = str(command)
    kind = next((word for word in re.findall(r"subtype: (\w+)", shown)), "")
    if kind not in ADDING_TO_TABLE and not (new and kind == "AT_SetNotNull"):
        yield WORDS.get(kind, f"{kind.removeprefix('AT_')} does not only add")
    elif new:
        return
    elif kind == "AT_AddConstraint" and "CONSTR_NOTNULL" in shown:
        yield WORDS["AT_SetNotNull"]
    elif kind == "AT_AddColumn" and re.search("CONSTR_(NOTNULL|PRIMARY)", shown) and not _filled(shown):
        yield "it adds a column that old code does not fill"
    elif kind == "AT_AddConstraint" and "skip_validation: true" not in shown and "indexname:" not in shown:
        yield "it adds a constraint and checks every row while all wait; add it NOT VALID"


def _filled(shown: str) -> bool:
    """Whether a new column has a value without anybody writing it."""
    return re.search('CONSTR_(DEFAULT|IDENTITY|GENERATED)|"(small|big|)serial', shown) is not None


def _table(relation: Any) -> tuple[str, str]:  # noqa: ANN401  # a node of the tree
    return (relation.schemaname, relation.relname)


def _not_allowed(file: File, node: Node, problem: str) -> LintFailed:
    number = file.name.partition("_")[2]
    advice = (
        f"make it a release migration, for example `1NN_{number}`, and apply it by hand"
        if file.category is Category.STARTUP
        else "write INSERT ... ON CONFLICT DO NOTHING, or make it a startup migration"
    )
    return LintFailed(file=file.label, line=node.piece.line, problem=problem, category=file.category, advice=advice)


def _bad(file: File, line: int, problem: str, advice: str) -> BadMigrationFile:
    return BadMigrationFile(file=file.label, line=line, problem=problem, advice=advice)
