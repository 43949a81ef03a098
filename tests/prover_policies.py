"""Random policies for the solver, and every finding that a small world has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, product
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
BANDS = (100_000, 4 * MICRO, 7 * MICRO, 9 * MICRO)
EDGES = (*BANDS, *(at * MICRO for at in range(1, 10)))  # wherever a sum of `Chance` can be cut
TAGS = ("ab", "AB", "x")
TEXTS = ("ab", "abc", "AB", "x")
STATUSES = ("blocked", "affected", "ignored")

STARTS = ("a", "ab", "abc", "A")


def _different_texts() -> tuple[str, ...]:
    """One text for each way of passing the tests of `env.runtime`, out of all short ones."""
    found: dict[tuple[object, ...], str] = {}
    for size in range(5):
        for letters in product("aAbBcCxXo", repeat=size):
            text = "".join(letters)
            low = text.lower()
            passed = (text in TEXTS and text, low in TEXTS and low, *map(text.startswith, STARTS))
            found.setdefault((*passed, *map(low.startswith, STARTS)), text)
    return tuple(found.values())


SMALL: Mapping[str, tuple[Value, ...]] = {
    "kev": (False, True),
    "fix.available": (False, True),
    "env.exposure": ("isolated", "internal", "partner", "internet"),
    "severity.normalized": ("None", "Low", "Medium", "High", "Critical"),
    "cvss": tuple(sorted({0, 10 * MICRO, *(cut + more for cut in EDGES for more in (-1, 0, 1, 2))})),
    "env.runtime": _different_texts(),
    "asset.tags": tuple(
        frozenset(one) for size in range(6) for one in combinations(("ab", "AB", "Ab", "x", "X"), size)
    ),
    "env.quietUntil": (0, DAY, 2 * DAY, 4 * DAY),
}
"""Values with which every condition of `Chance.leaf` comes out in every way in which it can."""
INSTANTS = (0, DAY - 1, DAY, 2 * DAY, 3 * DAY)
STATEMENT_VALUES: Mapping[str, tuple[Value, ...]] = {
    "status": ("affected", "not_affected", "under_investigation"),
    "verified": (False, True),
    "trust": (0, MICRO // 2, MICRO),
    "vendor": ("other", "ab", "AB", "abx"),
}


def policy(*rules: Rule, invariants: tuple[Invariant, ...] = (), default: str = "affected") -> Policy:
    """A checked policy of these rules, in their order."""
    ordered = tuple(sorted(rules, key=lambda one: (one.priority, one.name.encode())))
    return Policy("P-1", SYNTAX, Metadata(), Options(default_status=default), (), ordered, invariants)


def rule(name: str, when: Condition, *then: Action, priority: int = 0, otherwise: tuple[Action, ...] = ()) -> Rule:
    """A rule that blocks, unless something else is said."""
    return Rule(name, priority, when, then or (SetStatus("blocked"),), otherwise, "because")


class Chance:
    """Random conditions, rules and policies about a few columns."""

    def __init__(self, seed: int, columns: int = 2, *, evidence: bool = False) -> None:
        self.random = Random(seed)
        self.columns = tuple(self.random.sample(sorted(SMALL), columns))
        self.asked = self.random.choice(sorted(STATEMENT_VALUES)) if evidence else None

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
        if self.asked is not None and self.random.random() < 0.5:
            return self._about_evidence(self.asked)
        if self.random.random() < 0.02:
            return Constant(self.random.choice((True, False, None)))
        column = self.random.choice(self.columns)
        return Present(column) if self.random.random() < 0.08 else self._test(column)

    def _test(self, column: str) -> Condition:  # noqa: PLR0911  one for each kind of test
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
                    start = pick(STARTS)
                    return StartsWith(column, start.lower() if lower else start, lower, "ab" if default else None)
                words = tuple(sorted({one.lower() if lower else one for one in self.random.sample(TEXTS, 2)}))
                return OneOf(column, words, lower, "x" if default else None)
            case "asset.tags":
                lower = pick((True, False))
                return Has(column, tuple(sorted({one.lower() if lower else one for one in (pick(TAGS),)})), lower)
            case _:
                return Before(column) if pick((True, False)) else Before(instant=pick((DAY, 2 * DAY)))

    def _sum(self) -> Sum:
        kind = self.random.random()
        mine = Addend("cvss", MICRO, MICRO if self.random.random() < 0.2 else None)
        if kind < 0.3 and "env.runtime" in self.columns:
            return Sum((mine, Mapped("env.runtime", (("ab", 3 * MICRO), ("x", -3 * MICRO)))))
        if kind < 0.3 and "kev" in self.columns:
            return Sum((mine, Adjusted(((Flagged("kev"), 3 * MICRO), (Flagged("kev", default=False), -MICRO)))))
        if kind < 0.5:
            return Sum((mine,), constant=-MICRO, low=0, high=5 * MICRO)
        if kind < 0.6:
            return Sum((Addend("cvss", -MICRO),), constant=7 * MICRO)
        return Sum((mine,))

    def _about_evidence(self, column: str) -> Condition:
        pick = self.random.choice
        if pick((True, False, False)):
            return self._about_statement(LATEST + column, LATEST + "status")
        one = self._about_statement(column, "status")
        if pick((True, False)):
            one = pick((All, Any))((one, self._about_statement(column, "status")))
        if pick((True, False)):
            one = Not(one)
        return pick((Some, Every))(one)

    def _about_statement(self, column: str, status: str) -> Condition:
        pick = self.random.choice
        if column == status:
            return OneOf(column, (pick(("affected", "not_affected")),))
        if column.endswith("verified"):
            return Flagged(column, pick((None, None, False)))
        if column.endswith("trust"):
            return Compared(Sum((Addend(column, MICRO),)), pick((">=", "<", "==")), MICRO // 2)
        return pick((OneOf(column, ("ab",), pick((True, False))), StartsWith(column, "ab"), Present(column)))

    def _actions(self) -> tuple[Action, ...]:
        pick = self.random.choice
        kind = self.random.random()
        if kind < 0.6:
            return (SetStatus(pick(STATUSES)),)
        if kind < 0.75:
            return (SetStatus(pick(STATUSES)), SetSeverity(pick(("Low", "High"))))
        if kind < 0.85 and "cvss" in self.columns:
            return (BandSeverity(Sum((Addend("cvss", MICRO),))),)
        return (Ignore(Before(instant=DAY)),) if kind < 0.95 else (Warn("look"),)


def every_finding(chance: Chance, *also: str) -> Iterator[Facts]:
    """Every finding that conditions by this chance, and about more columns, can tell apart; missing is a value too."""
    columns = tuple(dict.fromkeys((*chance.columns, *also)))
    choices = [(None, *SMALL[column]) for column in columns]
    instants = INSTANTS if "env.quietUntil" in chance.columns else INSTANTS[1:3]
    for values in product(*choices):
        known = {column: value for column, value in zip(columns, values, strict=True) if value is not None}
        for statements in every_evidence(chance.asked):
            latest = {LATEST + name: value for name, value in statements[-1].items()} if statements else {}
            for instant in instants:
                yield Facts(known | latest, statements, instant)


def every_evidence(column: str | None) -> Iterator[tuple[dict[str, Value], ...]]:
    """All sets of statements that differ, with each of them as the latest."""
    yield ()
    if column is None:
        return
    kinds: list[dict[str, Value]] = [{}, *({column: value} for value in STATEMENT_VALUES[column])]
    for latest in kinds:
        others = [kind for kind in kinds if kind is not latest]
        for count in range(len(kinds)):
            for some in combinations(others, count):
                yield (*some, latest)
