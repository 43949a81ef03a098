"""What Python code does with a database, found by its syntax tree.

Rules:
- Default deny: a call that could run SQL is a finding, whatever the text; that it is constant, or comes from a good
  place, is for a reviewer to say in a waiver.
- Quiet are arguments that cannot be SQL (a number, a lambda, a list, a function of the same file), and modules of the
  standard library.
- Nothing is imported or run. A file that cannot be parsed is a finding.
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator

from stella.lint.model import Spot
from stella.lint.names import (
    ALWAYS,
    COMPOSERS,
    DISTINCT_DRIVERS,
    DRIVERS,
    HIDDEN,
    IMPORTERS,
    KEYWORDS,
    OPENERS,
    OTHERS,
    REACHERS,
    RUNNERS,
    SINKS,
    SOMETIMES,
)
from stella.lint.scope import Names

NO_TEXT = (
    ast.Lambda,
    ast.List,
    ast.Tuple,
    ast.Set,
    ast.Dict,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.Compare,
)
HARMLESS = (frozenset(sys.stdlib_module_names) | OTHERS) - DRIVERS  # modules whose `copy` or `connect` is no database's


def lint(data: bytes, package: str = "", room: str = "runtime") -> Iterator[Spot]:
    """What is found in the bytes of a file of the top package `package`, in the order of lines."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(data)
        yield from sorted(
            set(_Finder(tree, package, room).spots()), key=lambda spot: (spot.line, spot.column, spot.rule)
        )
    except SyntaxError as error:
        line = error.lineno or 1
        yield Spot("STL000", max(line, 1), max(error.offset or 1, 1), f"it is no Python: {error.msg}", max(line, 1))
    except (ValueError, RecursionError, MemoryError) as error:
        said = (
            "it is nested too deeply"
            if isinstance(error, RecursionError | MemoryError)
            else f"it is no Python: {error}"
        )
        yield Spot("STL000", 1, 1, said, 1)


class _Finder:
    """One file."""

    def __init__(self, tree: ast.Module, package: str, room: str) -> None:
        self._nodes = list(ast.walk(tree))
        self._names = Names(self._nodes, package, room)

    def spots(self) -> Iterator[Spot]:
        only_types = {
            id(inner)
            for node in self._nodes
            if isinstance(node, ast.If) and _last(node.test) == "TYPE_CHECKING"
            for statement in node.body
            for inner in ast.walk(statement)
        }
        called = {id(node.func) for node in self._nodes if isinstance(node, ast.Call)}
        for node in self._nodes:
            if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in only_types:
                yield from self._imported(node)
            elif isinstance(node, ast.Attribute):
                yield from self._reached(node, called=id(node) in called)
            elif isinstance(node, ast.Call):
                yield from self._called(node)
            elif isinstance(node, ast.Subscript):
                yield from self._looked_up(node)

    # --- STL001 -------------------------------------------------------------------------------------------------------

    def _imported(self, node: ast.Import | ast.ImportFrom) -> Iterator[Spot]:
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names if _top(alias.name) in DRIVERS]
        elif not node.level and _top(node.module or "") in DRIVERS:
            found = [node.module or ""]
        else:  # another module may hand one on
            found = [alias.name for alias in node.names if alias.name in DISTINCT_DRIVERS]
        for name in found:
            yield _at(node, "STL001", f"the driver `{name}` is imported")

    def _reached(self, node: ast.Attribute, *, called: bool) -> Iterator[Spot]:
        if node.attr in DISTINCT_DRIVERS:
            yield _at(node, "STL001", f"the driver `{node.attr}` is reached through another module")
        elif node.attr in COMPOSERS and (called or self._names.of_driver(node.value)):
            yield _at(node, "STL004", f"`{_shown(node)}` composes a statement")
        elif node.attr in ALWAYS and not called and isinstance(node.ctx, ast.Load):
            yield _at(node, "STL002", f"`{_shown(node)}` is handed on, to be called elsewhere")

    # --- STL002 to STL004 ---------------------------------------------------------------------------------------------

    def _called(self, node: ast.Call) -> Iterator[Spot]:
        name = self._names.original(node.func)
        shown = _shown(node.func)
        yield from self._tricks(node, name)
        if isinstance(node.func, ast.Name) and (node.func.id in self._names.made or name in SOMETIMES):
            return  # a function of this file is looked at where it is
        if self._quiet(node.func, name):
            return
        if name in SINKS and self._takes_text(node):
            yield _at(node, "STL002", f"`{shown}(...)` may run any statement")
        elif name in OPENERS and self._opens(node):
            yield _at(node, "STL003", f"`{shown}(...)` gives a connection without a tenant")
        elif name in COMPOSERS and isinstance(node.func, ast.Name):
            yield _at(node, "STL004", f"`{shown}(...)` composes a statement")

    def _quiet(self, function: ast.expr, name: str) -> bool:
        """Whether the call is one of a module that is no database's, or of a class of one's own code."""
        if not isinstance(function, ast.Attribute):
            return False
        module = self._names.module(function.value)
        return _top(module) in HARMLESS or (name in SOMETIMES | OPENERS and self._names.is_own(function.value, name))

    def _takes_text(self, node: ast.Call) -> bool:
        texts = [*node.args[:1], *(word.value for word in node.keywords if word.arg in KEYWORDS or word.arg is None)]
        second = _last(node.func) in {"execute_values", "execute_batch"}  # the cursor comes first
        return any(self._may_be_text(text) for text in (node.args[:2] if second else texts))

    def _may_be_text(self, node: ast.expr) -> bool:
        if isinstance(node, NO_TEXT):
            return False
        if isinstance(node, ast.Constant):
            return isinstance(node.value, str | bytes)
        return not (isinstance(node, ast.Name) and node.id in self._names.made)

    def _opens(self, node: ast.Call) -> bool:
        """A socket takes a pair, and a signal a function."""
        return not node.args or self._may_be_text(node.args[0])

    # --- STL005 -------------------------------------------------------------------------------------------------------

    def _tricks(self, node: ast.Call, name: str) -> Iterator[Spot]:
        if name in REACHERS:
            for text in map(self._names.text, node.args):
                if text is not None and (text in HIDDEN or text in DISTINCT_DRIVERS):
                    yield _at(node, "STL005", f"`{name}` reaches `{text}`")
        elif name in IMPORTERS and node.args:
            text = self._names.text(node.args[0])
            if text is None:
                yield _at(node, "STL005", f"`{name}` loads a module whose name is not known here")
            elif _top(text) in DRIVERS:
                yield _at(node, "STL005", f"`{name}` loads the driver `{text}`")
        elif name in RUNNERS and isinstance(node.func, ast.Name) and name not in self._names.made:
            yield _at(node, "STL005", f"`{name}` runs a text as code")
        reached = self._names.reached(node.func)
        if reached and self._takes_text(node):
            yield _at(node, "STL005", "a method whose name is not known here is called with what may be a statement")

    def _looked_up(self, node: ast.Subscript) -> Iterator[Spot]:
        text = self._names.text(node.slice)
        if text is None:
            return
        if text in DISTINCT_DRIVERS and _last(node.value) == "modules":
            yield _at(node, "STL005", f"`{_shown(node.value)}` reaches the driver `{text}`")
        elif text in HIDDEN and (_last(node.value) == "__dict__" or _call_of(node.value) in {"vars", "dir"}):
            yield _at(node, "STL005", f"`{text}` is looked up by name")


def _at(node: ast.AST, rule: str, message: str) -> Spot:
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
    if isinstance(node, ast.Call) and isinstance(
        node.func, ast.Attribute
    ):  # the end of a chain of calls is where it is
        line = node.func.end_lineno or line
    return Spot(rule, line, column, message, getattr(node, "lineno", 1))


def _top(name: str) -> str:
    return name.partition(".")[0]


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _call_of(node: ast.expr) -> str:
    return _last(node.func) if isinstance(node, ast.Call) else ""


def _shown(node: ast.expr) -> str:
    """The last two names of what is called."""
    if isinstance(node, ast.Attribute):
        return ".".join(filter(None, (_last(node.value), node.attr)))
    return _last(node) or "a value"
