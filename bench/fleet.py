"""A made-up fleet and twenty rules, in the words of every engine that is measured.

Rules:
- Sizes of the dimensions are those of large inventories; keys are drawn evenly, which is the worst case for caches.
- A rule is a conjunction of tests; each engine gets the same tests, numbers as micros, so that all must agree.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from stella.inventory.star import NO_CODE, NO_VALUE, Coded, Evidence, Flags, Scaled, Star, Table, Values
from stella.language.model import (
    SYNTAX,
    Addend,
    All,
    Compared,
    Condition,
    Flagged,
    Mapped,
    Metadata,
    Not,
    OneOf,
    Options,
    Policy,
    Rule,
    SetSeverity,
    SetStatus,
    Sum,
)
from stella.language.names import COLUMNS, DIMENSIONS, EXPOSURE, MICRO, REACH, SEVERITY, VEX_STATUS, Dimension

SIZES: dict[Dimension, int] = {
    "asset": 5_000,
    "component": 20_000,
    "advisory": 200_000,
    "evidence": 8_080,
    "age": 400,
}
AS_OF = 1_790_000_000
ECOSYSTEMS = ("pypi", "npm", "golang", "cargo", "maven", "deb")
ENVIRONMENTS = ("prod", "staging", "dev")


class Test(NamedTuple):
    """A test of a column: `in`, `not in`, `>=`, `<` or `is`."""

    column: str
    sign: str
    value: Any


def fleet(findings: int, missing: float = 0.0) -> Star:
    """A star; each value is missing with that probability."""
    rng = np.random.default_rng(7)

    def words(count: int, some: tuple[str, ...]) -> Coded:
        codes = rng.integers(0, len(some), count, dtype=np.int32)
        codes[rng.random(count) < missing] = NO_CODE
        return Coded(codes, some)

    def numbers(count: int, high: int, power: int = 1) -> Scaled:
        values = (rng.random(count) ** power * high).astype(np.int64)
        values[rng.random(count) < missing] = NO_VALUE
        return Scaled(values)

    def flags(count: int, share: float) -> Flags:
        return Flags((rng.random(count) < share).astype(np.int8))

    def columns(dimension: Dimension) -> dict[str, Values]:
        count = SIZES[dimension]
        return {
            "asset": lambda: {
                "asset.id": Coded(np.arange(count, dtype=np.int32), tuple(f"asset-{i}" for i in range(count))),
                "env.name": words(count, ENVIRONMENTS),
                "env.exposure": words(count, EXPOSURE.words),
            },
            "component": lambda: {
                "component.ecosystem": words(count, ECOSYSTEMS),
                "component.direct": flags(count, 0.2),
            },
            "advisory": lambda: {
                "severity.normalized": words(count, SEVERITY.words),
                "cvss": numbers(count, 10 * MICRO),
                "epss": numbers(count, MICRO, 6),
                "kev": flags(count, 0.006),
                "fix.available": flags(count, 0.6),
            },
            "evidence": lambda: {
                "reach_state": words(count, REACH.words),
                "vex.latest.status": words(count, VEX_STATUS.words),
                "vex.latest.trust": numbers(count, MICRO),
            },
            "age": lambda: {"age.days": Scaled(np.arange(count, dtype=np.int64) * MICRO)},
        }[dimension]()

    tables: dict[Dimension, Table] = {name: Table(SIZES[name], columns(name)) for name in DIMENSIONS}
    none = Table(0, {})
    tables["evidence"] = Evidence(
        SIZES["evidence"], tables["evidence"].columns, np.zeros(SIZES["evidence"] + 1, np.int64), none
    )
    keys = {name: _keys(rng, SIZES[name], findings) for name in DIMENSIONS}
    return Star(tables, keys, f"{findings}-{missing}")


def _keys(rng: np.random.Generator, rows: int, findings: int) -> Any:
    kind = np.uint16 if rows < 2**16 else np.int32
    out = np.empty(findings, kind)
    for start in range(0, findings, 1 << 22):
        out[start : start + (1 << 22)] = rng.integers(0, rows, min(1 << 22, findings - start), dtype=kind)
    return out


def _share(value: float) -> int:
    return round(value * MICRO)


HIGH = ("High", "Critical")
OPEN = ("partner", "internet")
NEAR = ("reachable", "observed", "entrypoint")
RULES: tuple[tuple[str, tuple[Test, ...]], ...] = (
    ("blocked", (Test("kev", "is", True), Test("env.exposure", "in", OPEN))),
    ("not_affected", (Test("vex.latest.status", "in", ("not_affected",)), Test("vex.latest.trust", ">=", _share(0.8)))),
    ("fixed", (Test("vex.latest.status", "in", ("fixed",)), Test("vex.latest.trust", ">=", _share(0.6)))),
    ("blocked", (Test("epss", ">=", _share(0.5)), Test("env.name", "in", ("prod",)), Test("reach_state", "in", NEAR))),
    ("blocked", (Test("cvss", ">=", _share(9)), Test("reach_state", "in", ("entrypoint",)))),
    ("affected", (Test("kev", "is", True),)),
    ("deferred", (Test("env.name", "in", ("dev",)), Test("cvss", "<", _share(4)))),
    ("deferred", (Test("component.direct", "is", False), Test("epss", "<", _share(0.001)))),
    (
        "blocked",
        (
            Test("severity.normalized", "in", ("Critical",)),
            Test("age.days", ">=", _share(30)),
            Test("fix.available", "is", True),
        ),
    ),
    ("affected", (Test("severity.normalized", "in", HIGH), Test("component.ecosystem", "in", ("npm", "pypi")))),
    ("under_investigation", (Test("vex.latest.status", "in", ("under_investigation",)),)),
    ("ignored", (Test("reach_state", "in", ("unreachable",)), Test("severity.normalized", "not in", HIGH))),
    (
        "blocked",
        (Test("age.days", ">=", _share(180)), Test("cvss", ">=", _share(7)), Test("env.exposure", "in", ("internet",))),
    ),
    ("deferred", (Test("age.days", "<", _share(7)), Test("fix.available", "is", False))),
    ("affected", (Test("epss", ">=", _share(0.1)), Test("component.direct", "is", True))),
    ("ignored", (Test("env.exposure", "in", ("isolated",)), Test("cvss", "<", _share(7)))),
    ("affected", (Test("component.ecosystem", "in", ("golang",)), Test("reach_state", "in", NEAR))),
    ("deferred", (Test("component.ecosystem", "in", ("maven",)), Test("env.name", "in", ("staging", "dev")))),
    ("affected", (Test("cvss", ">=", _share(5)), Test("age.days", ">=", _share(90)))),
    ("ignored", (Test("epss", "<", _share(0.01)), Test("component.direct", "is", False))),
)
USED = tuple(dict.fromkeys(test.column for _, tests in RULES for test in tests))


def _test(test: Test) -> Condition:
    match test.sign:
        case "is":
            return Flagged(test.column) if test.value else Not(Flagged(test.column))
        case "in":
            return OneOf(test.column, test.value)
        case "not in":
            return Not(OneOf(test.column, test.value))
        case _:
            return Compared(Sum((Addend(test.column, MICRO),)), test.sign, test.value)  # type: ignore[arg-type]


def policy(*, edited: bool = False, residual: bool = False) -> Policy:
    """The twenty rules; `edited` moves one threshold, `residual` adds a score over three dimensions."""
    rules = []
    for number, (status, tests) in enumerate(RULES):
        asked = [_test(test) for test in tests]
        if edited and number == 3:
            asked[0] = _test(tests[0]._replace(value=_share(0.3)))
        rules.append(Rule(f"rule-{number:02}", number, All(tuple(asked)), (SetStatus(status),), (), "because"))
    if residual:
        score = Sum(
            (
                Addend("cvss", MICRO),
                Mapped("env.exposure", (("internet", MICRO), ("isolated", -MICRO))),
                Addend("vex.latest.trust", -MICRO),
            ),
            low=0,
            high=10 * MICRO,
        )
        condition = Compared(score, ">=", 9 * MICRO)
        rules.append(Rule("score", 99, condition, (SetSeverity("Critical"),), (), "because"))
    return Policy("P-7", SYNTAX, Metadata(), Options(False, "affected"), (), tuple(rules), ())


def flat(star: Star, findings: int) -> dict[str, Any]:
    """The columns that rules read, one value for each of the first findings."""
    found: dict[str, Any] = {}
    for name in USED:
        dimension = COLUMNS[name].dimension
        rows = star.keys[dimension][:findings]
        held = star.dimensions[dimension].columns[name]
        short = name.replace(".", "_")
        match held:
            case Coded(codes, words):
                found[short] = np.array(words, dtype=object)[codes[rows]]
            case Flags(values):
                found[short] = values[rows] == 1
            case Scaled(values):
                found[short] = values[rows]
    return found
