"""Random policies over the types of a checked policy: every kind of leaf, else branches, bands, exceptions.

The same seed gives the same policy. Values come from `stars`, so that conditions are true of some findings.
"""

from __future__ import annotations

import random

from stella.language.model import (
    SYNTAX,
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
    ExceptionRule,
    Flagged,
    Has,
    Ignore,
    Mapped,
    Metadata,
    Not,
    OneOf,
    Options,
    Part,
    Policy,
    Present,
    Ranked,
    RequireVex,
    Rule,
    SetSeverity,
    SetStatus,
    Some,
    StartsWith,
    Sum,
    Warn,
)
from stella.language.names import COLUMNS, MICRO, SEVERITY, STATEMENT, STATUS, Column, Dimension
from tests.stars import INSTANTS, TEXTS, decimals, words

SIGNS = ("<", "<=", ">", ">=", "==", "!=")
WEIGHTS = (-2 * MICRO, -500_000, 0, 1, 500_000, MICRO)


def random_policy(rng: random.Random, rules: int = 6, depth: int = 3) -> Policy:
    """A policy with up to so many rules."""
    made = [_rule(rng, f"rule-{i}", depth) for i in range(rng.randint(1, rules))]
    made.sort(key=lambda rule: (rule.priority, rule.name.encode()))
    default = rng.choice(("affected", "under_investigation", "blocked"))
    return Policy("P-7", SYNTAX, Metadata(), Options(False, default), (), tuple(made), ())


def random_exceptions(rng: random.Random, most: int = 3) -> tuple[ExceptionRule, ...]:
    """Exceptions, some of them expired, some permanent."""
    return tuple(
        ExceptionRule(
            f"exception-{i}",
            random_condition(rng, 2),
            rng.choice(STATUS.words),
            "accepted",
            "somebody",
            rng.choice((*INSTANTS, None)),
        )
        for i in range(rng.randint(0, most))
    )


def random_condition(rng: random.Random, depth: int, columns: dict[str, Column] = COLUMNS) -> Condition:
    """A condition over some columns, of the dimension `columns` or of all."""
    if depth <= 0 or rng.random() < 0.3:
        return random_leaf(rng, columns)
    items = tuple(random_condition(rng, depth - 1, columns) for _ in range(rng.choice((2, 2, 3))))
    match rng.randrange(5):
        case 0 | 1:
            return All(items)
        case 2 | 3:
            return Any(items)
        case _:
            return Not(items[0])


def random_leaf(rng: random.Random, columns: dict[str, Column]) -> Condition:
    """A leaf over some columns."""
    outside = columns is not STATEMENT
    pick = rng.randrange(20)
    if pick == 0:
        return Constant(rng.choice((True, False, None)))
    if pick == 1:
        return Before(instant=rng.choice(INSTANTS))
    if pick in {2, 3, 4}:
        return Compared(random_sum(rng, columns), rng.choice(SIGNS), rng.choice((*WEIGHTS, 7 * MICRO, 4 * MICRO)))
    if pick in {5, 6} and outside and any(column.dimension == "evidence" for column in columns.values()):
        return rng.choice((Some, Every))(random_condition(rng, 2, STATEMENT))
    column = rng.choice(list(columns.values()))
    return Present(column.name) if pick == 7 else _leaf(rng, column)


def _leaf(rng: random.Random, column: Column) -> Condition:  # noqa: PLR0911  one for each type
    name = column.name
    match column.type:
        case "flag":
            return Flagged(name, rng.choice((None, None, True, False)))
        case "decimal":
            return Compared(Sum((Addend(name, MICRO),)), rng.choice(SIGNS), rng.choice(decimals(column)))
        case "instant":
            return Before(column=name)
        case "texts":
            return Has(name, tuple(rng.sample(TEXTS, rng.randint(0, 3))), rng.random() < 0.3)
        case _:
            pool = words(column)
            default = rng.choice((None, None, rng.choice(pool)))
            if column.words is not None and column.words.ordered and rng.random() < 0.5:
                return Ranked(name, rng.choice(SIGNS[:4]), rng.choice(pool), default)
            if rng.random() < 0.3:
                return StartsWith(name, rng.choice(("p", "pkg:", "CVE-", "")), rng.random() < 0.3, default)
            return OneOf(name, tuple(rng.sample(pool, rng.randint(0, 3))), rng.random() < 0.3, default)


def random_sum(rng: random.Random, columns: dict[str, Column] = COLUMNS) -> Sum:
    """A sum; of several dimensions when the columns are."""
    parts = tuple(_part(rng, columns) for _ in range(rng.choice((1, 1, 2, 3))))
    low, high = rng.choice(((None, None), (None, None), (0, 10 * MICRO), (0, None), (None, 7 * MICRO), (MICRO, 0)))
    return Sum(parts, rng.choice((0, 0, 500_000, -MICRO)), low, high)


def _part(rng: random.Random, columns: dict[str, Column]) -> Part:
    numbers = [column for column in columns.values() if column.type == "decimal"]
    texts = [column for column in columns.values() if column.type in {"text", "word"}]
    match rng.randrange(4):
        case 0 if texts:
            column = rng.choice(texts)
            pool = rng.sample(words(column), rng.randint(0, 3))
            return Mapped(column.name, tuple((word, rng.choice(WEIGHTS)) for word in pool))
        case 1:
            one = rng.choice(list(columns.values()))
            near = {n: c for n, c in columns.items() if c.dimension == one.dimension}
            near = STATEMENT if columns is STATEMENT else near
            cases = tuple((_simple(rng, near), rng.choice(WEIGHTS)) for _ in range(rng.randint(1, 2)))
            return Adjusted(cases)
        case _ if numbers:
            return Addend(
                rng.choice(numbers).name, rng.choice((MICRO, MICRO, 333_333, -500_000)), rng.choice((None, 0))
            )
        case _:
            return Mapped(rng.choice(texts).name, ())


def _simple(rng: random.Random, columns: dict[str, Column]) -> Condition:
    leaf = _leaf(rng, rng.choice(list(columns.values())))
    return Not(leaf) if rng.random() < 0.3 else leaf


def near(dimension: Dimension) -> dict[str, Column]:
    """The columns of one dimension."""
    return {name: column for name, column in COLUMNS.items() if column.dimension == dimension}


def _rule(rng: random.Random, name: str, depth: int) -> Rule:
    otherwise = _actions(rng) if rng.random() < 0.3 else ()
    return Rule(name, rng.randint(0, 3), random_condition(rng, depth), _actions(rng), otherwise, "a reason")


def _actions(rng: random.Random) -> tuple[Action, ...]:
    made: list[Action] = []
    if rng.random() < 0.7:
        made.append(SetStatus(rng.choice(STATUS.words)))
    elif rng.random() < 0.5:
        until = Before(instant=rng.choice(INSTANTS)) if rng.random() < 0.5 else Before(column="env.quietUntil")
        made.append(Ignore(until))
    if rng.random() < 0.3:
        made.append(SetSeverity(rng.choice(SEVERITY.words)))
    elif rng.random() < 0.2:
        made.append(BandSeverity(random_sum(rng)))
    made += rng.sample([Annotate("team", "web"), Warn("look at it"), RequireVex((), ())], rng.randint(0, 2))
    return tuple(made)
