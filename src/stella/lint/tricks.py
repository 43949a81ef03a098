"""Python that reaches a driver, or code, by a text: where a reader does not see it.

Rules:
- What a text says is read off where it can be. Where it cannot, loading a module by it is a finding, and calling what
  was reached by it with something that may be a statement.
- A builtin that runs code, or that takes an attribute by name, is called by its name or not at all: what is handed on
  is called elsewhere.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import PurePath

from stella.lint.model import Spot
from stella.lint.names import (
    CALLERS,
    CLIENTS,
    DISTINCT_DRIVERS,
    DRIVERS,
    FILE_LOADERS,
    HANDED,
    HIDDEN,
    IMPORTERS,
    LIBRARIES,
    LIBRARY,
    LOOKERS,
    REACHERS,
    RUNNERS,
    TABLES,
)
from stella.lint.scope import Names

BY_NAME = HIDDEN | DISTINCT_DRIVERS | {"exec", "eval", "__import__"}

ASKED = REACHERS | IMPORTERS | FILE_LOADERS | LIBRARIES | RUNNERS | CALLERS | LOOKERS


def spot_at(node: ast.AST, rule: str, message: str) -> Spot:
    """A spot at a node; the end of a chain of calls is where its call is."""
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        line = node.func.end_lineno or line
    return Spot(rule, line, column, message, getattr(node, "lineno", 1))


def tricks(node: ast.Call, names: Collection[str], known: Names) -> Iterator[Spot]:
    """What a call does by a text; `names` are those of what is called."""
    names = ASKED.intersection(names)
    if not names:
        return
    given = [*node.args, *(word.value for word in node.keywords)]
    texts = [known.text(value) for value in given]
    for name in sorted(names):
        if name in REACHERS:
            for text in filter(None, texts):
                yield from (
                    spot_at(node, "STL005", f"`{name}` reaches `{part}`") for part in text.split(".") if part in BY_NAME
                )
        elif name in IMPORTERS and given:
            yield from _loads(node, name, texts)
        elif name in FILE_LOADERS and given and not (isinstance(node.func, ast.Name) and known.is_ours(node.func.id)):
            yield spot_at(node, "STL005", f"`{name}` loads code that may not be among what is read")
        elif name in LIBRARIES and any(_stem(text) in LIBRARY for text in texts if text):
            yield spot_at(node, "STL005", f"`{name}` loads the library of a driver")
        elif name in RUNNERS and _is_builtin(node.func, name, known):
            yield spot_at(node, "STL005", f"`{name}` runs a text as code")
        elif name in CALLERS and node.args and known.reached(node.args[0]):
            yield spot_at(node, "STL005", f"`{name}` calls a method whose name is not known here")
        elif name in LOOKERS and isinstance(node.func, ast.Attribute) and node.args:
            yield from looked_up(node, node.func.value, node.args[0], known)


def _loads(node: ast.Call, name: str, texts: Sequence[str | None]) -> Iterator[Spot]:
    text = texts[0]
    if text is None:
        yield spot_at(node, "STL005", f"`{name}` loads a module whose name is not known here")
    elif text.replace(":", ".").partition(".")[0] in DRIVERS:
        yield spot_at(node, "STL005", f"`{name}` loads the driver `{text}`")


def _stem(library: str) -> str:
    return PurePath(library).name.partition(".")[0]


def _is_builtin(function: ast.expr, name: str, known: Names) -> bool:
    if isinstance(function, ast.Attribute):
        return known.module(function.value) == "builtins"
    sources = known.sources(function.id) if isinstance(function, ast.Name) else frozenset()
    return f"builtins.{name}" in sources or (not sources and not known.always(name))


def looked_up(node: ast.AST, table: ast.expr, key: ast.expr, known: Names) -> Iterator[Spot]:
    """What is taken out of a table of names or modules."""
    text, table = known.text(key), known.value(table)
    last = table.attr if isinstance(table, ast.Attribute) else table.id if isinstance(table, ast.Name) else ""
    of_modules = last == "modules" or known.module(table) == "sys.modules"
    if of_modules and text in DISTINCT_DRIVERS:
        yield spot_at(node, "STL005", f"`sys.modules` reaches the driver `{text}`")
    elif known.module(table) == "sys.modules" and text is None and not _names_itself(key):
        yield spot_at(node, "STL005", "`sys.modules` reaches a module whose name is not known here")
    elif text in BY_NAME and (last == "__dict__" or _is_table(table)):
        yield spot_at(node, "STL005", f"`{text}` is looked up by name")


def _is_table(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TABLES


def _names_itself(key: ast.expr) -> bool:
    """`__name__` and `X.__module__` are those of code that is read already."""
    return (isinstance(key, ast.Name) and key.id in {"__name__", "__package__"}) or (
        isinstance(key, ast.Attribute) and key.attr == "__module__"
    )


def started(node: ast.Call, known: Names) -> str:
    """The client of a database that a call starts; empty when it starts none that can be seen."""
    first = node.args[0] if node.args else None
    if isinstance(first, ast.List | ast.Tuple):
        first = first.elts[0] if first.elts else None
    if isinstance(first, ast.BinOp) and isinstance(first.op, ast.Div):  # a path
        first = first.right
    words = (known.text(first) or "").split() if first is not None else []
    name = PurePath(words[0]).name if words else ""
    return name if name in CLIENTS else ""


def handed_on(nodes: Iterable[ast.AST], called: Collection[int]) -> Iterator[Spot]:
    """The builtins that are no longer called by their names."""
    every = list(nodes)
    found = [node for node in every if isinstance(node, ast.Name) and node.id in HANDED and id(node) not in called]
    if not found:
        return
    own = {id(inner) for node in every for inner in _own(node)}
    for node in found:
        if isinstance(node.ctx, ast.Load) and id(node) not in own:
            yield spot_at(node, "STL005", f"`{node.id}` is handed on, to be called elsewhere")


def _own(node: ast.AST) -> Iterator[ast.Name]:
    """The names in a function that it binds itself, so that they are no builtins."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return
    inner = list(ast.walk(node))
    names = [part for part in inner if isinstance(part, ast.Name)]
    bound = {part.arg for part in inner if isinstance(part, ast.arg)}
    bound |= {part.id for part in names if isinstance(part.ctx, ast.Store)}
    yield from (part for part in names if part.id in bound)
