"""What a policy means, by hand: tables of truth, the strongest rule, and what is not known."""

from __future__ import annotations

from itertools import permutations, product

import pytest

from stella.language.compile import compile_policy
from stella.language.groups import BANDS, groups
from stella.language.interpret import Decision, Facts, Truth, Value, amount, decide, truth
from stella.language.model import (
    Addend,
    Adjusted,
    All,
    Any,
    Before,
    Compared,
    Condition,
    Constant,
    Every,
    ExceptionRule,
    Flagged,
    Has,
    Mapped,
    Not,
    OneOf,
    OutcomeIs,
    Present,
    Ranked,
    Some,
    StartsWith,
    Sum,
)
from stella.language.names import MICRO, SEVERITY

VALUES: tuple[Truth, ...] = (True, False, None)
T, F, U = VALUES


def held(condition: Condition, *statements: dict[str, Value], as_of: int = 0, **values: Value) -> Truth:
    return truth(
        condition, Facts({name.replace("__", "."): value for name, value in values.items()}, statements, as_of)
    )


@pytest.mark.parametrize(
    ("one", "other", "both", "either"),
    [
        (T, T, T, T),
        (T, F, F, T),
        (T, U, U, T),
        (F, T, F, T),
        (F, F, F, F),
        (F, U, F, U),
        (U, T, U, T),
        (U, F, F, U),
        (U, U, U, U),
    ],
)
def test_the_tables_of_kleene(one: Truth, other: Truth, both: Truth, either: Truth) -> None:
    pair = (Constant(one), Constant(other))
    assert (held(All(pair)), held(Any(pair))) == (both, either)
    assert held(Not(Constant(one))) is {T: F, F: T, U: U}[one]


def test_neither_the_order_nor_the_number_of_parts_matters() -> None:
    for three in product(VALUES, repeat=3):
        parts = tuple(map(Constant, three))
        for order in permutations(parts):
            assert held(All(order)) is held(All((parts[0], All(parts[1:]))))
            assert held(Any(order)) is held(Not(All(tuple(Not(part) for part in parts))))
    assert held(All(())) is True
    assert held(Any(())) is False


LEAVES: list[tuple[Condition, str, Value, Value]] = [
    (Flagged("kev"), "kev", True, False),
    (OneOf("env.name", ("prod",)), "env.name", "prod", "Prod"),
    (OneOf("env.name", ("prod",), lower=True), "env.name", "PROD", "dev"),
    (StartsWith("asset.id", "a"), "asset.id", "ab", "ba"),
    (StartsWith("asset.id", "a", lower=True), "asset.id", "AB", "BA"),
    (Ranked("env.exposure", ">=", "partner"), "env.exposure", "partner", "internal"),
    (Ranked("env.exposure", ">", "partner"), "env.exposure", "internet", "partner"),
    (Ranked("env.exposure", "<=", "partner"), "env.exposure", "partner", "internet"),
    (Ranked("env.exposure", "<", "partner"), "env.exposure", "internal", "partner"),
    (Has("asset.tags", ("a", "b")), "asset.tags", frozenset({"b", "c"}), frozenset()),
    (Has("asset.tags", ("a",), lower=True), "asset.tags", frozenset({"A"}), frozenset({"B"})),
    (Compared(Sum((Addend("cvss", MICRO),)), ">=", 7 * MICRO), "cvss", 7 * MICRO, 7 * MICRO - 1),
    (Compared(Sum((Addend("cvss", MICRO),)), "==", 7 * MICRO), "cvss", 7 * MICRO, 7 * MICRO + 1),
    (Compared(Sum((Mapped("env.name", (("prod", MICRO),)),)), ">", 0), "env.name", "prod", "other"),
    (Compared(Sum((Adjusted(((Flagged("kev"), MICRO),)),)), ">", 0), "kev", True, False),
    (Before("env.quietUntil"), "env.quietUntil", 101, 100),
]


@pytest.mark.parametrize(("leaf", "name", "yes", "no"), LEAVES)
def test_a_test_of_what_is_missing_is_unknown_and_so_is_its_negation(
    leaf: Condition, name: str, yes: Value, no: Value
) -> None:
    def ask(condition: Condition, **values: Value) -> Truth:
        return held(condition, as_of=100, **{key.replace(".", "__"): value for key, value in values.items()})

    assert (ask(leaf, **{name: yes}), ask(leaf, **{name: no}), ask(leaf)) == (True, False, None)
    assert (ask(Not(leaf), **{name: yes}), ask(Not(leaf), **{name: no}), ask(Not(leaf))) == (False, True, None)
    assert (ask(Present(name), **{name: no}), ask(Present(name))) == (True, False)


def test_a_default_stands_for_what_is_missing() -> None:
    assert held(Flagged("kev", default=True)) is True
    assert held(Flagged("kev", default=True), kev=False) is False
    assert held(OneOf("env.name", ("prod",), lower=True, default="PROD")) is True
    assert held(StartsWith("env.name", "p", default="x")) is False
    assert held(Ranked("env.exposure", ">=", "partner", default="internet")) is True
    assert held(Compared(Sum((Addend("cvss", MICRO, 3),)), "==", 3)) is True


def test_an_instant_has_come_at_its_very_second() -> None:
    assert [held(Before(None, 100), as_of=second) for second in (99, 100, 101)] == [True, False, False]


A, B, NOTHING = {"verified": True}, {"verified": False}, dict[str, Value]()


@pytest.mark.parametrize(
    ("statements", "some", "every"),
    [
        ((), False, None),
        ((A,), True, True),
        ((B,), False, False),
        ((NOTHING,), None, None),
        ((A, B), True, False),
        ((A, NOTHING), True, None),
        ((B, NOTHING), None, False),
        ((B, B), False, False),
        ((A, A), True, True),
    ],
)
def test_any_and_all_of_no_one_and_several_statements(
    statements: tuple[dict[str, Value], ...], some: Truth, every: Truth
) -> None:
    assert held(Some(Flagged("verified")), *statements) is some
    assert held(Every(Flagged("verified")), *statements) is every
    assert held(Some(Constant(value=True)), *statements) is bool(statements)


def test_a_statement_sees_nothing_of_its_finding() -> None:
    assert held(Some(Flagged("kev")), NOTHING, kev=True) is None


def test_an_outcome_that_is_not_there_is_unknown() -> None:
    is_low = OutcomeIs("severity", ("Low",))
    assert [truth(is_low, Facts({}, outcome=one)) for one in ({}, {"severity": "Low"}, {"severity": "High"})] == [
        None,
        True,
        False,
    ]


# sums

KNOWN: dict[str, Value] = {"cvss": 7_300_001, "advisory.source": "GHSA", "kev": True}
GHSA, KEV = Mapped("advisory.source", (("GHSA", 5),)), Adjusted(((Flagged("kev"), 7), (Not(Flagged("kev")), 11)))


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (Sum((), 3), 3),
        (Sum((Addend("cvss", MICRO), GHSA, KEV), 1), 7_300_014),
        (Sum((Addend("cvss", MICRO // 2),)), 3_650_000),
        (Sum((Addend("cvss", -MICRO // 2),)), -3_650_001),  # toward minus infinity
        (Sum((Addend("cvss", 10 * MICRO),), 0, 0, 50 * MICRO), 50 * MICRO),
        (Sum((Addend("cvss", -MICRO),), 0, 0, 50 * MICRO), 0),
        (Sum((Addend("epss", MICRO), GHSA)), None),
        (Sum((Mapped("env.name", ()),)), None),
        (Sum((Adjusted(((Flagged("kev"), 1), (Flagged("fix.available"), 1))),)), None),
        (Sum((Adjusted(()),), 4), 4),
    ],
)
def test_a_sum_is_missing_when_a_part_of_it_is(total: Sum, expected: int | None) -> None:
    assert amount(total, Facts(KNOWN)) == expected


# decisions


def decided(rules: str, *statements: dict[str, Value], as_of: int = 0, **values: Value) -> Decision:
    text = f'policy "p" syntax "stella-dsl@1" {{ settings {{ default_status = "deferred" }} {rules} }}'
    compiled = compile_policy(text, strict=True)
    assert compiled.policy is not None, compiled.diagnostics
    facts = Facts({name.replace("__", "."): value for name, value in values.items()}, statements, as_of)
    return decide(groups(compiled.policy), compiled.policy.settings.default_status, facts)


TWO = """
  rule strong priority 1 { when kev then status := "blocked" warn "one" because "x" }
  rule weak priority 2 { when fix.available then status := "fixed" severity := "Low" annotate a "two" because "x" }
"""


@pytest.mark.parametrize(
    ("kev", "fix", "status", "severity", "notes", "undecided"),
    [
        (T, T, "blocked", "Low", 2, False),
        (T, F, "blocked", "High", 1, False),
        (T, U, "blocked", "High", 1, False),
        (F, T, "fixed", "Low", 1, False),
        (F, F, "deferred", "High", 0, False),
        (F, U, "deferred", "High", 0, True),
        (U, T, "fixed", "Low", 1, True),
        (U, F, "deferred", "High", 0, True),
        (U, U, "deferred", "High", 0, True),
    ],
)
def test_the_first_rule_wins_each_attribute_and_every_rule_is_heard(
    kev: Truth, fix: Truth, status: str, severity: str, notes: int, *, undecided: bool
) -> None:
    values: dict[str, Value] = {"severity__normalized": "High"}
    values |= {name: value for name, value in (("kev", kev), ("fix__available", fix)) if value is not None}
    found = decided(TWO, **values)
    assert (found.status, found.severity, len(found.notes), found.undecided) == (status, severity, notes, undecided)


def test_a_stronger_unknown_rule_of_the_same_status_leaves_nothing_open() -> None:
    rules = TWO.replace('"fixed"', '"blocked"')
    assert not decided(rules, fix__available=True).undecided


def test_else_is_for_what_is_known_to_be_false() -> None:
    rules = 'rule a { when kev then status := "blocked" else status := "not_affected" because "x" }'
    assert [decided(rules, **values).status for values in ({"kev": True}, {"kev": False}, {})] == [
        "blocked",
        "not_affected",
        "deferred",
    ]
    assert decided(rules).undecided


def test_what_is_ignored_for_a_time_is_decided_anew_at_its_end() -> None:
    rules = 'rule a { when kev then ignore until "1970-01-01T00:01:40Z" status := "blocked" because "x" }'
    assert [decided(rules, kev=True, as_of=second).status for second in (99, 100)] == ["ignored", "blocked"]
    until = 'rule a { when kev then ignore until env.quietUntil because "x" }'
    assert decided(until, kev=True, as_of=5).undecided
    assert decided(until, kev=True, as_of=5, env__quietUntil=6).status == "ignored"
    assert not decided(until, kev=False, as_of=5).undecided


EDGES = [edge + step for edge in BANDS for step in (-1, 0, 1)]


@pytest.mark.parametrize("score", [-5 * MICRO, *EDGES, 10 * MICRO, 50 * MICRO])
def test_bands_have_no_gap_and_no_overlap(score: int) -> None:
    made = 'profile p { map m { source "a" => 0 } } rule a { when kev then severity := severity_band(%s) because "x" }'
    sums = f"cvss + {score / MICRO:.6f}" if score >= 0 else f"cvss - {-score / MICRO:.6f}"
    expected = SEVERITY.words[max([i for i, edge in enumerate(BANDS) if edge <= score], default=0)]
    found = decided(made % sums + ' rule use { when profile.p.m == 0 then warn "" }', kev=True, cvss=0)
    assert found.severity == expected
    for sign, wins in (("==", "=="), (">=", "<="), ("<", ">"), ("<=", ">="), (">", "<"), ("!=", "!=")):
        for word in SEVERITY.words:
            rule = f'rule a {{ when severity_band({sums}) {sign} "{word}" then status := "fixed" because "x" }}'
            turned = f'rule a {{ when "{word}" {wins} severity_band({sums}) then status := "fixed" because "x" }}'
            order = SEVERITY.words.index(expected) - SEVERITY.words.index(word)
            holds = {
                "==": order == 0,
                ">=": order >= 0,
                "<": order < 0,
                "<=": order <= 0,
                ">": order > 0,
                "!=": order != 0,
            }
            assert (decided(rule, cvss=0).status == "fixed") is holds[sign]
            assert decided(turned, cvss=0).status == decided(rule, cvss=0).status
            assert decided(rule).undecided


def test_a_score_with_a_missing_part_gives_no_severity() -> None:
    rules = 'rule a { when kev then severity := severity_band(cvss) because "x" }'
    found = decided(rules, kev=True, severity__normalized="Medium")
    assert (found.severity, found.severity_by) == ("Medium", None)


# exceptions


def test_exceptions_go_first_in_the_order_of_their_names_and_end_at_their_second() -> None:
    compiled = compile_policy('policy "p" syntax "stella-dsl@1" {' + TWO + "}", strict=True)
    assert compiled.policy is not None
    rules = [
        ExceptionRule("b", Flagged("kev"), "deferred", "because b", "alice", 200),
        ExceptionRule("a", Flagged("kev"), "ignored", "because a", "alice", 100),
    ]
    made = groups(compiled.policy, rules)
    assert [(one.rule, one.branch) for one in made[:3]] == [("a", "exception"), ("b", "exception"), ("strong", "then")]
    found = {second: decide(made, "affected", Facts({"kev": True}, as_of=second)) for second in (99, 100, 199, 200)}
    assert {second: one.status for second, one in found.items()} == {
        99: "ignored",
        100: "deferred",
        199: "deferred",
        200: "blocked",
    }
    assert found[99].true == (0, 1, 2)  # what overlaps is all recorded
    assert decide(made, "affected", Facts({}, as_of=0)).undecided
    assert decide(made, "affected", Facts({}, as_of=300)).unknown == (2, 3)


def test_a_permanent_exception_has_no_end() -> None:
    compiled = compile_policy('policy "p" syntax "stella-dsl@1" {' + TWO + "}", strict=True)
    assert compiled.policy is not None
    made = groups(compiled.policy, [ExceptionRule("a", Flagged("kev"), "ignored", "j", "alice")])
    assert decide(made, "affected", Facts({"kev": True}, as_of=2**40)).status == "ignored"
