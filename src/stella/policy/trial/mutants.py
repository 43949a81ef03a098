"""Mutants of a rule: the same rule with one small thing changed, such as somebody might mistype it.

Rules:
- One change each: an operator, a threshold by one step, `and` and `or`, `not`, a word less in a list, the word of an
  action, an action less. `vex.any` and `vex.all` are each other's.
- A step of a threshold is one in the last place that it is written with: 0.75 becomes 0.74 and 0.76, 7 becomes 6 and 8;
  an instant moves by a day, an hour, a minute or a second alike. A word becomes its neighbour.
- Changes are made to the checked rule, not to its text, so that a mutant costs no parsing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from stella.language.explain import shown_note
from stella.language.interpret import OPERATORS, RANKS
from stella.language.model import (
    Action,
    Addend,
    Adjusted,
    All,
    Annotate,
    Any,
    BandSeverity,
    Before,
    Compared,
    Condition,
    Constant,
    Every,
    Flagged,
    Has,
    Ignore,
    Mapped,
    Not,
    OneOf,
    Operator,
    Part,
    Ranked,
    RequireVex,
    Rule,
    SetSeverity,
    SetStatus,
    Some,
    Warn,
)
from stella.language.names import MICRO, SEVERITY, STATUS
from stella.language.wording import shown_condition, shown_sum

FLIPS: dict[Operator, tuple[Operator, Operator] | tuple[Operator]] = {
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "==": ("!=",),
    "!=": ("==",),
}
INSTANT_STEPS = (86400, 3600, 60, 1)
Node = TypeVar("Node")


class Mutant(NamedTuple):
    """A changed rule; `old` became `new`, or nothing."""

    rule: Rule
    old: Condition | Action
    new: Condition | Action | None

    @property
    def what(self) -> str:
        """The change in one line."""
        return f"{_said(self.old)} becomes {'nothing' if self.new is None else _said(self.new)}"


Change = tuple[Condition, Condition, Condition]  # the whole, and in it what became what


def mutants(rule: Rule) -> tuple[Mutant, ...]:
    """All mutants of a rule, each once."""
    found: dict[Rule, Mutant] = {}
    for whole, old, new in conditions(rule.when):
        found.setdefault(changed := replace(rule, when=whole), Mutant(changed, old, new))
    for field in ("then", "otherwise"):
        actions: tuple[Action, ...] = getattr(rule, field)
        for number, action in enumerate(actions):
            for one in _actions(action):
                made = (*actions[:number], *(() if one is None else (one,)), *actions[number + 1 :])
                found.setdefault(changed := replace(rule, **{field: made}), Mutant(changed, action, one))
    found.pop(rule, None)
    return tuple(found.values())


def conditions(condition: Condition, *, denied: bool = False) -> Iterator[Change]:
    """The changes of a condition. With `denied` it stands behind `not`, and needs no second one."""
    match condition:
        case All(items) | Any(items):
            if len(items) > 1:
                other: Condition = Any(items) if isinstance(condition, All) else All(items)
                yield other, condition, other
            for number, item in enumerate(items):
                for whole, old, new in conditions(item):
                    yield replace(condition, items=_with(items, number, whole)), old, new
        case Not(item):
            yield item, condition, item
            for whole, old, new in conditions(item, denied=True):
                yield Not(whole), old, new
        case Some(item) | Every(item):
            swapped: Condition = Every(item) if isinstance(condition, Some) else Some(item)
            yield swapped, condition, swapped
            yield from _negated(condition, denied=denied)
            for whole, old, new in conditions(item):
                yield replace(condition, item=whole), old, new
        case _:
            for new in _leaf(condition):
                yield new, condition, new
            if not isinstance(condition, Ranked | Compared | Constant):
                yield from _negated(condition, denied=denied)


def _negated(condition: Condition, *, denied: bool) -> Iterator[Change]:
    if not denied:
        yield Not(condition), condition, Not(condition)


def _with(items: Sequence[Node], number: int, item: Node) -> tuple[Node, ...]:
    return (*items[:number], item, *items[number + 1 :])


# tests


def _leaf(leaf: Condition) -> Iterator[Condition]:
    match leaf:
        case Constant(value):
            if value is not None:
                yield Constant(value=not value)
        case Ranked():
            yield from _ranked(leaf)
        case Compared():
            yield from _compared(leaf)
        case OneOf(_, words) | Has(_, words):
            if len(words) > 1:
                for number in range(len(words)):
                    yield replace(leaf, words=(*words[:number], *words[number + 1 :]))
        case Before(None, int() as instant):
            step = next(one for one in INSTANT_STEPS if instant % one == 0)
            yield Before(None, instant - step)
            yield Before(None, instant + step)
        case Flagged(_, bool() as default):
            yield replace(leaf, default=not default)


def _ranked(leaf: Ranked) -> Iterator[Condition]:
    ranks = RANKS[leaf.column]
    rank = ranks[leaf.word]
    beside = [replace(leaf, word=word) for word, other in ranks.items() if abs(other - rank) == 1]
    seen = {_chosen(leaf)}
    for one in (*(replace(leaf, operator=sign) for sign in FLIPS[leaf.operator]), *beside):
        if (chosen := _chosen(one)) not in seen:
            seen.add(chosen)
            yield one


def _chosen(leaf: Ranked) -> frozenset[str]:
    """The words that pass a test."""
    ranks, sign = RANKS[leaf.column], OPERATORS[leaf.operator]
    return frozenset(word for word, rank in ranks.items() if sign(rank, ranks[leaf.word]))


def _compared(leaf: Compared) -> Iterator[Condition]:
    for sign in FLIPS[leaf.operator]:
        yield replace(leaf, operator=sign)
    step = step_of(leaf.bound)
    yield replace(leaf, bound=leaf.bound - step)
    yield replace(leaf, bound=leaf.bound + step)
    parts = leaf.sum.parts
    for number, part in enumerate(parts):
        for other in _part(part):
            yield replace(leaf, sum=replace(leaf.sum, parts=_with(parts, number, other)))


def step_of(micros: int) -> int:
    """One in the last place that a decimal is written with, in micros."""
    step = MICRO
    while micros % step:
        step //= 10
    return step


def _part(part: Part) -> Iterator[Part]:
    """A weight with the other sign."""
    match part:
        case Addend():
            return
        case Mapped(_, weights):
            for number, (word, weight) in enumerate(weights):
                yield replace(part, weights=_with(weights, number, (word, -weight)))
        case Adjusted(cases):
            for number, (condition, weight) in enumerate(cases):
                yield Adjusted(_with(cases, number, (condition, -weight)))


# actions


def _actions(action: Action) -> Iterator[Action | None]:
    match action:
        case SetStatus(word):
            yield SetStatus(_next(word, STATUS.words))
        case SetSeverity(word):
            yield SetSeverity(_next(word, SEVERITY.words))
        case BandSeverity(total):
            for step in (-MICRO, MICRO):
                yield BandSeverity(replace(total, constant=total.constant + step))
        case Ignore(until):
            yield from (Ignore(one) for one in _leaf(until) if isinstance(one, Before))
        case RequireVex(vendors, justifications):
            for number in range(len(vendors)):
                yield replace(action, vendors=(*vendors[:number], *vendors[number + 1 :]))
            for number in range(len(justifications)):
                yield replace(action, justifications=(*justifications[:number], *justifications[number + 1 :]))
            yield None
        case Warn() | Annotate():
            yield None


def _next(word: str, words: tuple[str, ...]) -> str:
    """The next word; of the last one, that before it."""
    place = words.index(word)
    return words[place + 1] if place + 1 < len(words) else words[place - 1]


def _said(node: Condition | Action) -> str:
    match node:
        case SetStatus(word):
            return f"status := {word}"
        case SetSeverity(word):
            return f"severity := {word}"
        case BandSeverity(total):
            return f"severity := severity_band({shown_sum(total)})"
        case Ignore(until):
            return f"ignore while {shown_condition(until)}"
        case Warn() | Annotate() | RequireVex():
            return f"`{shown_note(node)}`"
        case _:
            return f"`{shown_condition(node)}`"
