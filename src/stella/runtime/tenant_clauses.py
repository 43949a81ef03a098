"""Relations, clauses and names: what a proof about tenants is made of. `tenant_scope` collects it from a statement.

Rules:
- A node stands for "this `tenant_id` is the tenant's, or NULL"; a clause says that one node holds when others do.
- A bare `tenant_id` means a node only where PostgreSQL could mean nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import postgast

COLUMN = "tenant_id"
HELD = 0  # the node of the tenant itself

Tree = Any  # the trees of the parser have no types
pg: Any = postgast.pg_query_pb2  # its enumerations


class Tables:
    """The names of the tenant tables."""

    def __init__(self, names: Collection[str]) -> None:
        self._whole = frozenset(names)
        self._last = frozenset(name.rpartition(".")[2] for name in names)

    def holds(self, relation: Tree) -> bool:
        """Whether a reference means one of them, as far as its text says."""
        if not relation.schemaname:
            return relation.relname in self._last
        return relation.relname in self._whole or self.name(relation) in self._whole

    @staticmethod
    def name(relation: Tree) -> str:
        return ".".join(filter(None, (relation.schemaname, relation.relname)))


def relations_of(tree: Tree) -> Iterator[Tree]:
    """Every reference to a table in a tree, names of CTEs among them; what FOR UPDATE OF names is none."""
    for name, found in postgast.walk(tree):
        if type(found).__name__ == "RangeVar" and name != "locked_rels":
            yield found


class Plain(NamedTuple):
    """What a bare `tenant_id` means: a node, and whether the column is surely there. (None, True) is ambiguous."""

    node: int | None
    sure: bool


NOTHING, AMBIGUOUS = Plain(None, sure=False), Plain(None, sure=True)


def either(one: Plain, other: Plain) -> Plain:
    """What a bare `tenant_id` means where both are in reach; PostgreSQL itself refuses what is ambiguous."""
    if NOTHING in {one, other}:
        return other if one == NOTHING else one
    if one.sure != other.sure:
        return one if one.sure else other
    return AMBIGUOUS


class Columns(NamedTuple):
    """What a query gives: its `tenant_id`, the nodes by position, and which of them it is, where positions are known."""

    plain: Plain
    places: tuple[int | None, ...] | None
    at: int | None = None


@dataclass
class Level:
    """The relations of one FROM."""

    names: dict[str, Plain] = field(default_factory=dict)
    nodes: set[int] = field(default_factory=set)
    plain: Plain = NOTHING


Levels = tuple[Level, ...]
Ctes = Mapping[str, Columns]


class Clauses:
    """The clauses of one statement, what must hold, and what is wrong whatever holds."""

    def __init__(self) -> None:
        self._count = HELD
        self._clauses: list[tuple[int, frozenset[int]]] = []
        self._needed: dict[int, str] = {}
        self.problems: list[str] = []

    def node(self) -> int:
        """A new node."""
        self._count += 1
        return self._count

    def add(self, head: int | None, *body: int) -> None:
        """`head` holds when all of `body` do."""
        if head is not None:
            self._clauses.append((head, frozenset(body)))

    def need(self, node: int, said: str) -> None:
        """A node must hold; `said` is the problem otherwise."""
        asked = self.node()  # a node may be asked for more than once, each time for its own reason
        self.add(asked, node)
        self._needed[asked] = said

    def open(self) -> Iterator[str]:
        """What is wrong, in the order of the statement."""
        yield from self.problems
        held, before = {HELD}, 0
        while before != len(held):
            before = len(held)
            held |= {head for head, body in self._clauses if body <= held}
        yield from (said for node, said in self._needed.items() if node not in held)


def conjuncts(node: Tree) -> Iterator[tuple[Tree, Tree]]:
    """The equalities that must all be true for a condition to be; rows are taken apart."""
    kind = node.WhichOneof("node")
    if kind == "bool_expr" and node.bool_expr.boolop == pg.AND_EXPR:
        for part in node.bool_expr.args:
            yield from conjuncts(part)
    elif kind == "a_expr" and node.a_expr.kind == pg.AEXPR_OP and _is_equals(node.a_expr.name):
        left, right = node.a_expr.lexpr, node.a_expr.rexpr
        if left.WhichOneof("node") == right.WhichOneof("node") == "row_expr":
            yield from zip(left.row_expr.args, right.row_expr.args, strict=False)
        else:
            yield left, right


def is_text(kind: Tree) -> bool:
    """Whether a cast to a type leaves a text as it is: one with a length cuts it off, one of a schema is anybody's."""
    names = [name.string.sval for name in kind.names]
    return (
        names[-1] in {"text", "varchar"}
        and names[:-1] in ([], ["pg_catalog"])
        and not (kind.typmods or kind.array_bounds)
    )


def _is_equals(names: Sequence[Tree]) -> bool:
    parts = [name.string.sval for name in names]
    return parts in (["="], ["pg_catalog", "="])
