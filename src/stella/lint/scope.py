"""What the names of a Python file stand for, as far as its text alone says.

Rules:
- Nothing is guessed: a name that is bound twice in a file stands for nothing known, and where a `*` is imported no
  definition is believed. What a name may be imported as counts all the same, since default is to deny.
- A class of one's own code is one that this file defines or imports from its own top package, the modules of the room
  apart: what those hand on may be the driver's.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from stella.lint.names import DRIVERS, OTHERS, OWN_TAKERS, TAKERS

HARMLESS = (frozenset(sys.stdlib_module_names) | OTHERS) - DRIVERS  # modules whose `copy` or `connect` is no database's
MAX_TEXT = 10_000  # characters of a text that is put together; no name is as long
MAX_DEPTH = 20  # of a text that is put together; more is a finding of its own sort


class Names:
    """The names of one file. `made` are the plain functions and classes that it defines and never binds again."""

    def __init__(self, nodes: Sequence[ast.AST], package: str, room: str) -> None:
        self._package = package
        self._room = room.replace("/", ".")
        self._imports: dict[str, str] = {}
        self._values: dict[str, ast.expr] = {}
        self._texts: dict[str, str | None] = {}
        self._types: dict[str, set[str]] = {}
        self._aliases: dict[str, set[str]] = {}  # all that a name is imported as, where it is bound twice too
        self._classes: dict[str, ast.ClassDef] = {}
        self._given: dict[int, str] = {}  # the declared class of what an assignment takes from an argument
        bound: Counter[str] = Counter()
        defined: set[str] = set()
        methods = {id(part) for node in nodes if isinstance(node, ast.ClassDef) for part in node.body}
        for node in nodes:
            if id(node) not in methods:  # those are reached by their class alone
                for name in _bound(node):
                    bound[name] += 1
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.decorator_list:
                    defined.add(node.name)
            self._look(node)
        for name, sources in self._aliases.items():  # the same import twice is one
            bound[name] += len(sources)
        self.bound = frozenset(bound)
        body = nodes[0].body if nodes and isinstance(nodes[0], ast.Module) else []
        self._steady = {part.name for part in body if isinstance(part, ast.FunctionDef | ast.ClassDef)}
        self.made = frozenset(name for name in defined if bound[name] == 1 and "*" not in bound)
        self._values = {name: value for name, value in self._values.items() if bound[name] == 1}
        self._imports = {name: value for name, value in self._imports.items() if bound[name] == 1}

    def _look(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            tops = ((alias, alias.name.partition(".")[0]) for alias in node.names)
            self._imported({alias.asname or top: alias.name if alias.asname else top for alias, top in tops})
        elif isinstance(node, ast.ImportFrom):
            head = "." * node.level + (node.module or "")
            self._imported({alias.asname or alias.name: f"{head}.{alias.name}" for alias in node.names})
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            self._assigned(node.targets[0], node.value)
        elif isinstance(node, ast.NamedExpr):
            self._assigned(node.target, node.value)
        elif isinstance(node, ast.AnnAssign):
            self._declared(node.target, node.annotation)
        elif isinstance(node, ast.arg):
            self._types.setdefault(node.arg, set()).add(_type(node.annotation))
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            self._assigned(node.optional_vars, node.context_expr)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self._arguments(node)
        elif isinstance(node, ast.ClassDef):
            self._classes[node.name] = node

    def _imported(self, names: dict[str, str]) -> None:
        self._imports |= names
        for name, full in names.items():
            self._aliases.setdefault(name, set()).add(full)

    def _arguments(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Note what the body assigns from arguments: another function may have an argument of the same name."""
        every = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        types = {one.arg: _type(one.annotation) for one in every}
        for inner in node.body:
            if isinstance(inner, ast.Assign) and isinstance(inner.value, ast.Name) and inner.value.id in types:
                self._given[id(inner.value)] = types[inner.value.id]

    def _assigned(self, target: ast.expr, value: ast.expr) -> None:
        key = _key(target)
        if key:
            self._values[key] = value
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

    def originals(self, node: ast.expr) -> frozenset[str]:
        """The last names of what is called, under each name that it may have been imported by."""
        if isinstance(node, ast.Attribute):
            return frozenset({node.attr})
        if isinstance(node, ast.Name):
            return frozenset(full.rpartition(".")[2] for full in self._aliases.get(node.id, {node.id}))
        return frozenset()

    def always(self, name: str) -> bool:
        """Whether a definition of the file takes the place of a builtin wherever it is called."""
        return name in self.made and name in self._steady

    def sources(self, name: str) -> frozenset[str]:
        """What a name may be imported from."""
        return frozenset(self._aliases.get(name, ()))

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

    def harmless(self, module: str) -> bool:
        """Whether a module is one of the standard library, or another that speaks no SQL."""
        return module.partition(".")[0] in HARMLESS

    def is_ours(self, name: str) -> bool:
        """Whether a name is defined here, or imported from the own package."""
        sources = self._aliases.get(name, set())
        return name in self.made or (bool(sources) and all(map(self._is_ours, sources)))

    def foreign(self, name: str) -> bool:
        """Whether a name is imported from where nobody looks: not the own package, nor the standard library."""
        return any(not (self._is_ours(full) or self.harmless(full)) for full in self._aliases.get(name, ()))

    def is_own(self, node: ast.expr, method: str) -> bool:
        """Whether a value is a module of one's own code, or declared as a class of it, wherever it is declared."""
        module = self.module(node)
        if module:
            return self._is_ours(module)
        if isinstance(node, ast.Name) and node.id == "self":
            return self._defines(self._around.get(id(node), ""), method)
        return all(self._is_known(kind, method) for kind in self._types_of(_key(node), 0))

    @functools.cached_property
    def _around(self) -> dict[int, str]:
        """The class in which each `self` stands; one within another comes later, and is the nearer."""
        found: dict[int, str] = {}
        for name, kind in self._classes.items():
            found |= {id(part): name for part in ast.walk(kind) if isinstance(part, ast.Name) and part.id == "self"}
        return found

    def _defines(self, name: str, method: str) -> bool:
        body = self._classes[name].body if name in self._classes else ()
        return any(isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and part.name == method for part in body)

    def _is_known(self, kind: str, method: str, depth: int = 0) -> bool:
        """Whether a class is of one's own code; what it does not define itself is that of the classes that it is of."""
        if kind not in self._classes:
            source = self._imports.get(kind, "")
            return self._is_ours(source) or (depth > 0 and (kind in _PLAIN or self.harmless(source)))
        if self._defines(kind, method):
            return True
        bases = [base.value if isinstance(base, ast.Subscript) else base for base in self._classes[kind].bases]
        return depth < MAX_DEPTH and all(self._is_base(base, method, depth) for base in bases)

    def _is_base(self, base: ast.expr, method: str, depth: int) -> bool:
        if isinstance(base, ast.Name):
            return self._is_known(base.id, method, depth + 1)
        module = self.module(base)
        return bool(module) and (self._is_ours(module) or self.harmless(module))

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
            found = self._named(node.id, depth)
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

    def _named(self, name: str, depth: int) -> str | None:
        """The text of a name, found once: names that are made of names, each twice, would take for ever."""
        if name in self._values and name not in self._texts:
            self._texts[name] = None  # as long as it is asked of itself
            self._texts[name] = self.text(self._values[name], depth + 1)
        return self._texts.get(name)

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
        known = [text for text in texts if text is not None]
        whole = sum(map(len, known)) + len(between) * len(known) <= MAX_TEXT
        return between.join(known) if whole and len(known) == len(texts) else None

    def value(self, node: ast.expr) -> ast.expr:
        """What a name, or an attribute of `self`, was bound to, where that is known; else itself."""
        if isinstance(node, ast.NamedExpr):
            return node.value
        return self._values.get(_key(node), node)

    def reached(self, function: ast.expr) -> bool:
        """Whether what is called came from `getattr` by a name that is not known, at once or by way of a name."""
        made = self.value(function)
        if not isinstance(made, ast.Call):
            return False
        if isinstance(made.func, ast.Call) and "attrgetter" in self.originals(made.func.func):
            return any(self.text(name) is None for name in made.func.args)
        called = self.originals(made.func)
        if called & TAKERS and len(made.args) > 1:
            return self.text(made.args[1]) is None
        return bool(called & OWN_TAKERS and made.args) and self.text(made.args[-1]) is None


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name | ast.Attribute) and not isinstance(node.ctx, ast.Load):
        yield _key(node)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
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


_PLAIN = frozenset({"object", "Exception", "Protocol", "ABC", "NamedTuple", "TypedDict", "Generic"})


def _is_reverse(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Slice) and isinstance(node.step, ast.UnaryOp) and node.lower is None and node.upper is None
    )
