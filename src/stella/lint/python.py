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
import warnings
from collections.abc import Iterator

from stella.lint.model import Spot
from stella.lint.names import (
    ALWAYS,
    COMPOSERS,
    CONNECTIONS,
    DISTINCT_DRIVERS,
    DRIVERS,
    KEYWORDS,
    OPENERS,
    SINKS,
    SOMETIMES,
    STARTERS,
)
from stella.lint.scope import Names
from stella.lint.tricks import handed_on, looked_up, spot_at, started, tricks

TYPING = frozenset({"typing.TYPE_CHECKING", "typing_extensions.TYPE_CHECKING"})
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
)


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
            if isinstance(node, ast.If) and self._is_for_types(node.test)
            for statement in node.body
            for inner in ast.walk(statement)
        }
        called = {id(node.func) for node in self._nodes if isinstance(node, ast.Call)}
        yield from handed_on(self._nodes, called)
        for node in self._nodes:
            if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in only_types:
                yield from self._imported(node)
            elif isinstance(node, ast.Attribute):
                yield from self._reached(node, called=id(node) in called)
            elif isinstance(node, ast.Call):
                yield from self._called(node)
            elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
                yield from looked_up(node, node.value, node.slice, self._names)
            elif isinstance(node, ast.MatchClass):
                for name in sorted(ALWAYS.intersection(node.kwd_attrs)):
                    yield spot_at(node, "STL002", f"`{name}` is taken by a pattern, to be called elsewhere")

    def _is_for_types(self, test: ast.expr) -> bool:
        """Whether a condition is that of `typing`, which never holds when a program runs."""
        if self._names.module(test) in TYPING:
            return True
        return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING" and test.id not in self._names.bound

    # --- STL001 -------------------------------------------------------------------------------------------------------

    def _imported(self, node: ast.Import | ast.ImportFrom) -> Iterator[Spot]:
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names if _top(alias.name) in DRIVERS]
        elif not node.level and _top(node.module or "") in DRIVERS:
            found = [node.module or ""]
        else:  # another module may hand one on
            found = [
                alias.name
                for alias in node.names
                if alias.name in DISTINCT_DRIVERS or f"{node.module}.{alias.name}" in CONNECTIONS
            ]
        for name in found:
            yield spot_at(node, "STL001", f"the driver `{name}` is imported")

    def _reached(self, node: ast.Attribute, *, called: bool) -> Iterator[Spot]:
        if node.attr in DISTINCT_DRIVERS or self._names.module(node) in CONNECTIONS:
            yield spot_at(node, "STL001", f"the driver `{node.attr}` is reached through another module")
        elif node.attr == "TYPE_CHECKING" and not isinstance(node.ctx, ast.Load):
            yield spot_at(node, "STL005", f"`{_shown(node)}` is set, so that imports for types run")
        elif node.attr in COMPOSERS and (called or self._names.of_driver(node.value)):
            yield spot_at(node, "STL004", f"`{_shown(node)}` composes a statement")
        elif node.attr in ALWAYS and not called and isinstance(node.ctx, ast.Load):
            yield spot_at(node, "STL002", f"`{_shown(node)}` is handed on, to be called elsewhere")

    # --- STL002 to STL004 ---------------------------------------------------------------------------------------------

    def _called(self, node: ast.Call) -> Iterator[Spot]:
        names = self._names.originals(node.func)
        shown = _shown(node.func)
        yield from tricks(node, names, self._names)
        if self._names.reached(node.func) and self._takes_text(node):
            yield spot_at(
                node, "STL005", "a method whose name is not known here is called with what may be a statement"
            )
        if (
            "methodcaller" in names
            and self._names.text(node.args[0]) is None
            and any(map(self._may_be_text, node.args[1:]))
        ):
            yield spot_at(node, "STL005", "`methodcaller` calls what is not known here with what may be a statement")
        if self._quiet(node.func, names):
            return
        if names & SINKS and self._takes_text(node):
            yield spot_at(node, "STL002", f"`{shown}(...)` may run any statement")
        elif names & OPENERS and self._opens(node):
            yield spot_at(node, "STL003", f"`{shown}(...)` gives a connection without a tenant")
        elif names & COMPOSERS and isinstance(node.func, ast.Name):
            yield spot_at(node, "STL004", f"`{shown}(...)` composes a statement")
        elif names & STARTERS and (program := started(node, self._names)):
            yield spot_at(node, "STL003", f"`{program}` is started, which opens a connection of its own")

    def _quiet(self, function: ast.expr, names: frozenset[str]) -> bool:
        """Whether the call is one of a module that is no database's, or of a function or class of one's own code."""
        if isinstance(function, ast.Name):  # a function of this file is looked at where it is
            return function.id in self._names.made or (names <= SOMETIMES and not self._names.foreign(function.id))
        if not isinstance(function, ast.Attribute) or not names <= SOMETIMES | OPENERS:
            return False
        module = self._names.module(function.value)
        return self._names.harmless(module) or self._names.is_own(function.value, function.attr)

    def _takes_text(self, node: ast.Call) -> bool:
        texts = node.args[:1]
        if not texts:  # a driver calls its text what it likes
            sure = _last(node.func) in ALWAYS
            texts = [word.value for word in node.keywords if sure or word.arg in KEYWORDS or word.arg is None]
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


def _top(name: str) -> str:
    return name.partition(".")[0]


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _shown(node: ast.expr) -> str:
    """The last two names of what is called."""
    if isinstance(node, ast.Attribute):
        return ".".join(filter(None, (_last(node.value), node.attr)))
    return _last(node) or "a value"
