"""Random policies for the solver, and every finding that a small world has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from random import Random

from stella.language.interpret import Facts, Value
from stella.language.model import (
    SYNTAX,
    Action,
    Addend,
    Adjusted,
    All,
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
    Invariant,
    Mapped,
    Metadata,
    Not,
    OneOf,
    Options,
    OutcomeIs,
    Policy,
    Present,
    Ranked,
    Rule,
    SetSeverity,
    SetStatus,
    Some,
    StartsWith,
    Sum,
    Warn,
)
from stella.language.names import LATEST, MICRO

DAY = 86_400
CUTS = (2 * MICRO, 5 * MICRO)
TEXTS = ("ab", "abc", "AB", "x")
STATUSES = ("blocked", "affected", "ignored")

SMALL: Mapping[str, tuple[Value, ...]] = {
    "kev": (False, True),
    "fix.available": (False, True),
    "env.exposure": ("isolated", "internal", "partner", "internet"),
    "severity.normalized": ("None", "Low", "Medium", "High", "Critical"),
    "cvss": tuple(sorted({0, 10 * MICRO, *(cut + more for cut in CUTS for more in (-1, 0, 1))})),
    "env.runtime": ("other", *TEXTS, "Abc", "aBz", "abz", "Ab"),
    "asset.tags": tuple(frozenset(one) for one in ((), ("ab",), ("AB",), ("x",), ("ab", "x"), ("Ab",))),
    "env.quietUntil": (DAY, 2 * DAY),
}
"""Values with which every condition of `Chance.leaf` comes out in every way in which it can."""
INSTANTS = (0, DAY - 1, DAY, 2 * DAY, 3 * DAY)
STATEMENTS: tuple[dict[str, Value], ...] = (
    {},
    {"status": "affected"},
    {"status": "not_affected", "verified": True},
    {"status": "not_affected", "verified": False},
    {"status": "not_affected"},
    {"status": "fixed", "verified": True},
)


def policy(*rules: Rule, invariants: tuple[Invariant, ...] = (), default: str = "affected") -> Policy:
    """A checked policy of these rules, in their order."""
    ordered = tuple(sorted(rules, key=lambda one: (one.priority, one.name.encode())))
    return Policy("P-1", SYNTAX, Metadata(), Options(default_status=default), (), ordered, invariants)


def rule(name: str, when: Condition, *then: Action, priority: int = 0, otherwise: tuple[Action, ...] = ()) -> Rule:
    """A rule that blocks, unless something else is said."""
    return Rule(name, priority, when, then or (SetStatus("blocked"),), otherwise, "because")


class Chance:
    """Random conditions, rules and policies about a few columns."""

    def __init__(self, seed: int, columns: int = 3, *, evidence: bool = True) -> None:
        self.random = Random(seed)
        self.columns = tuple(self.random.sample(sorted(SMALL), columns))
        self.evidence = evidence and self.random.random() < 0.5

    def policy(self, rules: int) -> Policy:
        """A policy with one invariant."""
        made = [self.rule(f"r{at}") for at in range(rules)]
        then = Any((OutcomeIs("status", tuple(sorted(self.random.sample(STATUSES, 2)))), self.condition(1)))
        return policy(
            *made,
            invariants=(Invariant("one", self.condition(1), then),),
            default=self.random.choice(("affected", "deferred")),
        )

    def rule(self, name: str) -> Rule:
        """Any rule."""
        otherwise = self._actions() if self.random.random() < 0.2 else ()
        return rule(
            name, self.condition(2), *self._actions(), priority=self.random.choice((0, 0, 1, 2)), otherwise=otherwise
        )

    def condition(self, depth: int) -> Condition:
        """Any condition about a finding."""
        kind = self.random.random()
        if depth == 0 or kind < 0.2:
            return self.leaf()
        if kind < 0.3:
            return Not(self.condition(depth - 1))
        items = tuple(self.condition(depth - 1) for _ in range(self.random.choice((1, 2, 2, 3))))
        return All(items) if kind < 0.7 else Any(items)

    def leaf(self) -> Condition:
        """Any test."""
        if self.evidence and self.random.random() < 0.35:
            return self._about_evidence()
        if self.random.random() < 0.02:
            return Constant(self.random.random() < 0.5)
        column = self.random.choice(self.columns)
        return Present(column) if self.random.random() < 0.08 else self._test(column)

    def _test(self, column: str) -> Condition:
        pick = self.random.choice
        default = self.random.random() < 0.2
        match column:
            case "kev" | "fix.available":
                return Flagged(column, pick((True, False)) if default else None)
            case "cvss":
                return Compared(self._sum(), pick(("<", "<=", ">", ">=", "==", "!=")), pick(CUTS))
            case "env.exposure" | "severity.normalized":
                words = [str(word) for word in SMALL[column]]
                if pick((True, False)):
                    return Ranked(column, pick(("<", "<=", ">", ">=")), pick(words), pick(words) if default else None)
                return OneOf(column, tuple(sorted(self.random.sample(words, 2))))
            case "env.runtime":
                lower = pick((True, False))
                if pick((True, False)):
                    start = pick(("a", "ab", "abc", "A"))
                    return StartsWith(column, start.lower() if lower else start, lower, "ab" if default else None)
                words = tuple(sorted({one.lower() if lower else one for one in self.random.sample(TEXTS, 2)}))
                return OneOf(column, words, lower, "x" if default else None)
            case "asset.tags":
                lower = pick((True, False))
                return Has(column, tuple(sorted({one.lower() if lower else one for one in (pick(TEXTS),)})), lower)
            case _:
                return Before(column) if pick((True, False)) else Before(instant=pick((DAY, 2 * DAY)))

    def _sum(self) -> Sum:
        kind = self.random.random()
        mine = Addend("cvss", MICRO, MICRO if self.random.random() < 0.2 else None)
        if kind < 0.6:
            return Sum((mine,))
        if kind < 0.7:
            return Sum((mine,), constant=-MICRO, low=0, high=5 * MICRO)
        if kind < 0.8:
            return Sum((Mapped("env.runtime", (("ab", MICRO), ("x", -MICRO))),), constant=2 * MICRO)
        return Sum((Adjusted(((Flagged("kev"), 3 * MICRO), (Flagged("fix.available"), 2 * MICRO))),))

    def _about_evidence(self) -> Condition:
        pick = self.random.choice
        one = pick((OneOf("status", ("not_affected",)), OneOf("status", ("affected", "fixed")), Flagged("verified")))
        if pick((True, False)):
            one = pick((All, Any))((one, Flagged("verified", pick((None, False)))))
        if pick((True, False)):
            one = Not(one)
        kind = self.random.random()
        if kind < 0.2:
            return OneOf(LATEST + "status", (pick(("affected", "not_affected")),))
        return Some(one) if kind < 0.6 else Every(one)

    def _actions(self) -> tuple[Action, ...]:
        pick = self.random.choice
        kind = self.random.random()
        if kind < 0.6:
            return (SetStatus(pick(STATUSES)),)
        if kind < 0.75:
            return (SetStatus(pick(STATUSES)), SetSeverity(pick(("Low", "High"))))
        if kind < 0.85:
            return (BandSeverity(Sum((Addend("cvss", MICRO),))),)
        return (Ignore(Before(instant=DAY)),) if kind < 0.95 else (Warn("look"),)


def every_finding(columns: tuple[str, ...], *, evidence: bool) -> Iterator[Facts]:
    """Every finding of the small world: each of these columns missing or with each of its values."""
    choices = [(None, *SMALL[column]) for column in columns]
    for values in product(*choices):
        known = {column: value for column, value in zip(columns, values, strict=True) if value is not None}
        for statements in every_evidence() if evidence else ((),):
            latest = {LATEST + name: value for name, value in statements[-1].items()} if statements else {}
            for instant in INSTANTS:
                yield Facts(known | latest, statements, instant)


def every_evidence() -> Iterator[tuple[dict[str, Value], ...]]:
    """No statement, one, two or three."""
    for count in range(4):
        yield from product(STATEMENTS, repeat=count)
