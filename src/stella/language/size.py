"""How many terms a condition has in disjunctive normal form, without making it."""

from __future__ import annotations

from stella.language.model import Adjusted, All, Any, Compared, Condition, Every, Mapped, Not, Part, Some

MAX_TERMS = 4096  # alternatives of a whole policy that fit into masks


def spread(part: Part) -> int:
    """How much a part of a sum says: its weights, tests and words."""
    match part:
        case Mapped(_, weights):
            return 1 + len(weights)
        case Adjusted(cases):
            return 1 + sum(_said(condition) for condition, _ in cases)
        case _:
            return 1


def _said(condition: Condition) -> int:
    match condition:
        case All(items) | Any(items):
            return 1 + sum(map(_said, items))
        case Not(item) | Some(item) | Every(item):
            return 1 + _said(item)
        case Compared(total):
            return 1 + sum(map(spread, total.parts))
        case _:
            return 1 + len(getattr(condition, "words", ()))


def terms(condition: Condition) -> int:
    """Terms of the condition or of its negation, whichever are more; MAX_TERMS + 1 stands for all above."""
    return max(_count(condition))


def alternatives(condition: Condition) -> int:
    """Terms of the condition alone; MAX_TERMS + 1 stands for all above."""
    return _count(condition)[0]


def _count(condition: Condition) -> tuple[int, int]:
    """Terms of the condition, and of its negation: of an `and` the first multiply and the second add up."""
    match condition:
        case Not(item):
            straight, negated = _count(item)
            return negated, straight
        case All(items):
            product, total = 1, 0
            for straight, negated in map(_count, items):
                product, total = min(product * straight, MAX_TERMS + 1), min(total + negated, MAX_TERMS + 1)
            return product, total
        case Any(items):
            product, total = 1, 0
            for straight, negated in map(_count, items):
                product, total = min(product * negated, MAX_TERMS + 1), min(total + straight, MAX_TERMS + 1)
            return total, product
        case _:
            return 1, 1
