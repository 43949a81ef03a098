"""What the names of a Python file stand for, as far as its text alone says.

Rules:
- Nothing is guessed: a name that is bound twice in a file stands for nothing known.
- A class of one's own code is one that this file defines or imports from its own top package, the modules of the room
  apart: what those hand on may be the driver's.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator

from stella.lint.names import DRIVERS

MAX_DEPTH = 20  # of a text that is put together; more is a finding of its own sort


class Names:
    """The names of one file. `made` are the functions and classes that it defines and never binds again."""

    def __init__(self, nodes: Iterable[ast.AST], package: str, room: str) -> None:
        self._package = package
        self._room = room.replace("/", ".")
        self._imports: dict[str, str] = {}
        self._values: dict[str, ast.expr] = {}
        self._types: dict[str, set[str]] = {}
        self._methods: dict[str, set[str]] = {}
        self._given: dict[int, str] = {}  # the declared class of what an assignment takes from an argument
        bound: Counter[str] = Counter()
        defined: set[str] = set()
        for node in nodes:
            for name in _bound(node):
                bound[name] += 1
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                defined.add(node.name)
            self._look(node)
        self.made = frozenset(name for name in defined if bound[name] == 1)
        self._values = {name: value for name, value in self._values.items() if bound[name] == 1}
        self._imports = {name: value for name, value in self._imports.items() if bound[name] == 1}

    def _look(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            self._imports |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            head = "." * node.level + (node.module or "")
            self._imports |= {alias.asname or alias.name: f"{head}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            self._assigned(node.targets[0], node.value)
        elif isinstance(node, ast.AnnAssign):
            self._declared(node.target, node.annotation)
        elif isinstance(node, ast.arg):
            self._types.setdefault(node.arg, set()).add(_type(node.annotation))
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            self._assigned(node.optional_vars, node.context_expr)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self._arguments(node)
        elif isinstance(node, ast.ClassDef):
            self._methods[node.name] = {
                part.name for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
            }

    def _arguments(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Note what the body assigns from arguments: another function may have an argument of the same name."""
        every = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        types = {one.arg: _type(one.annotation) for one in every}
        for inner in node.body:
            if isinstance(inner, ast.Assign) and isinstance(inner.value, ast.Name) and inner.value.id in types:
                self._given[id(inner.value)] = types[inner.value.id]

    def _assigned(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._values[target.id] = value
        key = _key(target)
        if key and isinstance(value, ast.Call):  # X(...) or X.open(...)
            function = value.func
            made = function.value if isinstance(function, ast.Attribute) else function
            self._types.setdefault(key, set()).add(made.id if isinstance(made, ast.Name) else "")
        elif key:
            given = self._given.get(id(value)) or (f"={value.id}" if isinstance(value, ast.Name) else "")
            self._types.setdefault(key, set()).add(given)

    def _declared(self, target: ast.expr, annotation: ast.expr) -> None:
        key = _key(target)
        if key:
            self._types.setdefault(key, set()).add(_type(annotation))

    def original(self, node: ast.expr) -> str:
        """The last name of what is called, under the name that it was imported by."""
        if isinstance(node, ast.Attribute):
            return node.attr
        if isinstance(node, ast.Name):
            return self._imports.get(node.id, node.id).rpartition(".")[2]
        return ""

    def module(self, node: ast.expr) -> str:
        """The module that an expression names; empty when it names none that is known."""
        if isinstance(node, ast.Name):
            return self._imports.get(node.id, "")
        if isinstance(node, ast.Attribute):
            head = self.module(node.value)
            return f"{head}.{node.attr}" if head else ""
        return ""

    def of_driver(self, node: ast.expr) -> bool:
        """Whether an expression names a module of a driver."""
        return self.module(node).partition(".")[0] in DRIVERS

    def is_own(self, node: ast.expr, method: str) -> bool:
        """Whether a value is a module of one's own code, or declared as a class of it, wherever it is declared."""
        module = self.module(node)
        if module:
            return self._is_ours(module)
        if isinstance(node, ast.Name) and node.id == "self":
            return any(method in methods for methods in self._methods.values())
        types = self._types_of(_key(node), 0)
        return all(kind in self._methods or self._is_ours(self._imports.get(kind, "")) for kind in types)

    def _types_of(self, key: str, depth: int) -> set[str]:
        """The classes that a place is declared as; `""` is one that is not known."""
        found: set[str] = set()
        for kind in self._types.get(key, {""}):
            if kind.startswith("="):  # the same as another name
                found |= self._types_of(kind[1:], depth + 1) if depth < MAX_DEPTH else {""}
            else:
                found.add(kind)
        return found

    def _is_ours(self, module: str) -> bool:
        """Whether it is of the own package, and not of the room."""
        if module.startswith("."):
            return self._room.partition(".")[0] not in module.split(".")
        return (
            bool(self._package)
            and module.startswith(f"{self._package}.")
            and not module.startswith(f"{self._package}.{self._room}")
        )

    def text(self, node: ast.expr, depth: int = 0) -> str | None:
        """The text that an expression is, where that can be read off; None otherwise."""
        found: str | None = None
        if depth > MAX_DEPTH:
            return None
        if isinstance(node, ast.Constant):
            found = _constant(node.value)
        elif isinstance(node, ast.Name):
            found = self.text(self._values[node.id], depth + 1) if node.id in self._values else None
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            found = self._joined([node.left, node.right], "", depth)
        elif isinstance(node, ast.JoinedStr):
            found = self._joined(node.values, "", depth)
        elif isinstance(node, ast.FormattedValue):
            found = self.text(node.value, depth + 1)
        elif isinstance(node, ast.Subscript) and _is_reverse(node.slice):
            turned = self.text(node.value, depth + 1)
            found = None if turned is None else turned[::-1]
        elif isinstance(node, ast.Call):
            found = self._method(node, depth)
        return found

    def _method(self, node: ast.Call, depth: int) -> str | None:
        """`"".join([...])` and the methods of a text that take nothing."""
        if not isinstance(node.func, ast.Attribute):
            return None
        own = self.text(node.func.value, depth + 1)
        if own is None:
            return None
        if node.func.attr == "join" and len(node.args) == 1 and isinstance(node.args[0], ast.List | ast.Tuple):
            return self._joined(node.args[0].elts, own, depth)
        if node.args:
            return None
        return {"lower": own.lower(), "strip": own.strip(), "casefold": own.casefold()}.get(node.func.attr)

    def _joined(self, parts: list[ast.expr], between: str, depth: int) -> str | None:
        texts = [self.text(part, depth + 1) for part in parts]
        return None if None in texts else between.join(text for text in texts if text is not None)

    def reached(self, function: ast.expr) -> bool:
        """Whether what is called came from `getattr` by a name that is not known, at once or by way of a name."""
        if isinstance(function, ast.Name) and function.id in self._values:
            function = self._values[function.id]
        if not (
            isinstance(function, ast.Call) and self.original(function.func) == "getattr" and len(function.args) > 1
        ):
            return False
        return self.text(function.args[1]) is None


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.alias):
        yield node.asname or node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name


def _constant(value: object) -> str | None:
    return value.decode("latin-1") if isinstance(value, bytes) else value if isinstance(value, str) else None


def _key(node: ast.expr) -> str:
    """`x` or `self.x`, as a place that has a declared type."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return f"self.{node.attr}"
    return ""


def _type(annotation: ast.expr | None) -> str:
    """The class of an annotation, `X | None` and quoted ones among them; empty when it says anything else."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        text = annotation.value.removesuffix("| None").strip()
        return text if text.isidentifier() else ""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.right, ast.Constant):
        return _type(annotation.left)
    return annotation.id if isinstance(annotation, ast.Name) else ""


def _is_reverse(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Slice) and isinstance(node.step, ast.UnaryOp) and node.lower is None and node.upper is None
    )
