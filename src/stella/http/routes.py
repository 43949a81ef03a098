"""Paths to handlers.

Rules:
- A path without parameters is one look-up; others walk a tree of their parts. A literal part comes before a parameter.
- A parameter in braces takes one part; a last one that ends with `...` takes all the rest.
- Parts are taken from the path after its percent escapes are gone, so an escaped slash is a slash.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from stella.http.errors import MethodRefused, NoResource
from stella.http.table import RESOURCES, Resource

if TYPE_CHECKING:
    from stella.http.exchange import Answer, Request

Handler = Callable[["Request"], Awaitable["Answer"]]


class Route(NamedTuple):
    """One method of one path. `scope` is empty for what needs no token; `name` is what logs and metrics call it.

    With `own` the handler asks for the scope, and only for what is not the principal's own.
    """

    method: str
    path: str
    name: str
    scope: str
    handle: Handler
    own: bool = False


def of_table(handlers: Mapping[str, Handler], rows: Sequence[Resource] = RESOURCES) -> list[Route]:
    """Routes of the service's own resources by the names of their rows."""
    named = {found.name: found for found in rows}
    return [
        Route(found.method, found.path.replace("{path}", "{path...}"), name, found.scope, handle, found.own)
        for name, handle in handlers.items()
        for found in (named[name],)
    ]


class _Node:
    __slots__ = ("literals", "methods", "parameter", "rest")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.methods: dict[str, Route] = {}
        self.parameter: _Node | None = None
        self.rest: _Node | None = None


class Routes:
    """A table of routes. Raises ValueError for a method and path entered twice."""

    def __init__(self, routes: list[Route]) -> None:
        self.every = tuple(routes)
        self._plain: dict[str, dict[str, Route]] = {}
        self._tree = _Node()
        for route in routes:
            methods = self._plain.setdefault(route.path, {}) if "{" not in route.path else self._place(route.path)
            if route.method in methods:
                raise ValueError(f"{route.method} {route.path} is entered twice")
            methods[route.method] = route

    def _place(self, path: str) -> dict[str, Route]:
        node = self._tree
        for part in path.split("/")[1:]:
            if part.endswith("...}"):
                node.rest = node.rest or _Node()
                node = node.rest
            elif part.startswith("{"):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(part, _Node())
        return node.methods

    def find(self, method: str, path: str) -> tuple[Route, tuple[str, ...]]:
        """The route and the values of its parameters, in order; raises NoResource or MethodRefused."""
        methods = self._plain.get(path)
        values: tuple[str, ...] = ()
        if methods is None:
            methods, values = _walk(self._tree, path.split("/")[1:], ())
        if not methods:
            raise NoResource(path=path)
        route = methods.get(method) or (methods.get("GET") if method == "HEAD" else None)
        if route is None:
            raise MethodRefused(path=path, method=method, allowed=", ".join(allowed(methods)))
        return route, values


def allowed(methods: dict[str, Route]) -> list[str]:
    """Methods that a path takes."""
    return sorted({*methods, *({"HEAD"} if "GET" in methods else ())})


def _walk(node: _Node, parts: list[str], values: tuple[str, ...]) -> tuple[dict[str, Route], tuple[str, ...]]:
    if not parts:
        return node.methods, values
    head, *tail = parts
    if head in node.literals:
        found = _walk(node.literals[head], tail, values)
        if found[0]:
            return found
    if node.parameter is not None and head:
        found = _walk(node.parameter, tail, (*values, head))
        if found[0]:
            return found
    if node.rest is not None and head:
        return node.rest.methods, (*values, "/".join(parts))
    return {}, ()
