"""What the parser makes of a text: the same policy, with its words as they stand there and where they stand."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from stella.language.diagnostics import Span

Sign = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in"]
COMPARISONS: frozenset[str] = frozenset({"==", "!=", "<", "<=", ">", ">="})


class Name(msgspec.Struct, frozen=True, gc=False):
    """A name with its dots."""

    name: str
    span: Span


class Text(msgspec.Struct, frozen=True, gc=False):
    """A string."""

    value: str
    span: Span


class Number(msgspec.Struct, frozen=True, gc=False):
    """A number in micros, without its sign; `places` after the point were written."""

    micros: int
    places: int
    span: Span


class Atom(msgspec.Struct, frozen=True, gc=False):
    """`true`, `false` or `null`."""

    value: bool | None
    span: Span


class Listed(msgspec.Struct, frozen=True, gc=False):
    """`[a, b]`."""

    items: tuple[Expression, ...]
    span: Span


class Call(msgspec.Struct, frozen=True, gc=False):
    """`name(a, b)`."""

    name: str
    arguments: tuple[Expression, ...]
    name_span: Span
    span: Span


class Logic(msgspec.Struct, frozen=True, gc=False):
    """`a and b and c`, or `a or b or c`."""

    operator: Literal["and", "or"]
    items: tuple[Expression, ...]
    span: Span


class Negation(msgspec.Struct, frozen=True, gc=False):
    """`not a`."""

    item: Expression
    span: Span


class Comparison(msgspec.Struct, frozen=True, gc=False):
    """`a < b`, `a in b`."""

    operator: Sign
    left: Expression
    right: Expression
    span: Span
    operator_span: Span


class Arithmetic(msgspec.Struct, frozen=True, gc=False):
    """`a + b - c`; of each item, whether it is subtracted."""

    items: tuple[tuple[bool, Expression], ...]
    span: Span


class Wrong(msgspec.Struct, frozen=True, gc=False):
    """Where an expression should be, and was not; a diagnostic says so."""

    span: Span


Expression: TypeAlias = Name | Text | Number | Atom | Listed | Call | Logic | Negation | Comparison | Arithmetic | Wrong


class Entry(msgspec.Struct, frozen=True, gc=False):
    """`key = value`."""

    key: str
    value: Expression
    key_span: Span
    span: Span


class Assign(msgspec.Struct, frozen=True, gc=False):
    """`status := value`."""

    name: str
    value: Expression
    name_span: Span
    span: Span


class Say(msgspec.Struct, frozen=True, gc=False):
    """`warn message "..."`, or `annotate key "..."`."""

    verb: Literal["warn", "annotate"]
    key: str
    text: Text
    span: Span


class Until(msgspec.Struct, frozen=True, gc=False):
    """`ignore until value`."""

    value: Expression
    span: Span


class Require(msgspec.Struct, frozen=True, gc=False):
    """`requireVex { ... }`."""

    entries: tuple[Entry, ...]
    span: Span


ActionNode: TypeAlias = Assign | Say | Until | Require


class Weight(msgspec.Struct, frozen=True, gc=False):
    """One line of a `map` or an `env` block: when it holds, so much is added."""

    key: Text | None
    condition: Expression | None
    value: Expression
    span: Span


class Weights(msgspec.Struct, frozen=True, gc=False):
    """`map name { column "text" => number }` or `env name { if condition then number }`."""

    kind: Literal["map", "env"]
    name: str
    column: Name | None
    weights: tuple[Weight, ...]
    name_span: Span
    span: Span


class ProfileNode(msgspec.Struct, frozen=True, gc=False):
    """`profile name { ... }`."""

    name: str
    members: tuple[Weights | Entry, ...]
    name_span: Span
    span: Span


class EntriesNode(msgspec.Struct, frozen=True, gc=False):
    """`metadata { ... }` or `settings { ... }`."""

    kind: Literal["metadata", "settings"]
    entries: tuple[Entry, ...]
    span: Span


class RuleNode(msgspec.Struct, frozen=True, gc=False):
    """`rule name priority N { ... }`."""

    name: str
    priority: Expression | None
    when: Expression | None
    then: tuple[ActionNode, ...]
    otherwise: tuple[ActionNode, ...]
    because: Text | None
    name_span: Span
    span: Span
    then_span: Span
    else_span: Span | None


class InvariantNode(msgspec.Struct, frozen=True, gc=False):
    """`invariant name { a => b }`."""

    name: str
    given: Expression
    then: Expression
    name_span: Span
    span: Span


Member: TypeAlias = EntriesNode | ProfileNode | RuleNode | InvariantNode


class PolicyNode(msgspec.Struct, frozen=True, gc=False):
    """A whole policy."""

    name: Text
    syntax: Text
    members: tuple[Member, ...]
    span: Span
