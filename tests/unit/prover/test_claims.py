"""Each claim about a policy, with the policy that is just enough for it."""

from __future__ import annotations

import pytest

from stella.language.interpret import Facts
from stella.language.model import (
    Addend,
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
    Ignore,
    Invariant,
    Not,
    OneOf,
    OutcomeIs,
    Present,
    Ranked,
    SetSeverity,
    SetStatus,
    Some,
    Sum,
    Warn,
)
from stella.language.names import MICRO
from stella.prover.proofs import prove
from stella.prover.refactors import equivalent, holds
from stella.prover.verdicts import Proofs, Verdict
from tests.prover_policies import policy, rule

KEV = Flagged("kev")
FIX = Flagged("fix.available")
INTERNET = OneOf("env.exposure", ("internet",))
BLOCKED, IGNORED = SetStatus("blocked"), SetStatus("ignored")


def cvss(sign: str, tenths: int) -> Condition:
    return Compared(Sum((Addend("cvss", MICRO),)), sign, tenths * MICRO // 10)  # type: ignore[arg-type]


def only(proofs: Proofs, code: str) -> Verdict:
    (found,) = [one for one in proofs.bad if one.code == code]
    return found


def codes(proofs: Proofs) -> set[str]:
    return {one.code for one in proofs.bad}


def told(verdict: Verdict) -> str:
    assert verdict.example is not None
    return verdict.example.line()


def test_a_healthy_policy_has_nothing_bad() -> None:
    one = policy(rule("a", All((KEV, INTERNET))), rule("b", cvss(">=", 90), IGNORED, priority=1))
    proofs = prove(one)
    assert not proofs.bad
    assert not proofs.unproved
    assert {verdict.claim for verdict in proofs.verdicts} == {"never true", "always true", "never wins"}


@pytest.mark.parametrize(
    "when",
    [
        All((KEV, Not(KEV))),
        All((cvss(">=", 70), cvss("<", 70))),
        cvss(">", 100),
        cvss("<", 0),
        OneOf("env.runtime", ("Java",), lower=True),
        All((Present("cvss"), Not(Present("cvss")))),
        Some(All((Flagged("verified"), Not(Flagged("verified"))))),
        All((Every(Flagged("verified")), Some(Not(Flagged("verified"))))),
        All((Every(Flagged("verified")), Not(Present("vex.latest.verified")))),
        All((Not(Some(Flagged("verified"))), Every(Not(Present("verified"))))),
        Flagged("vex.latest.kev"),
    ],
)
def test_what_contradicts_itself_is_never_true(when: Condition) -> None:
    assert only(prove(policy(rule("a", when))), "POL3001").subject == "a"


@pytest.mark.parametrize(
    "when", [Constant(value=True), Any((Present("kev"), Not(Present("kev")))), Flagged("kev", default=True)]
)
def test_only_what_needs_no_evidence_is_always_true(when: Condition) -> None:
    assert ("POL3002" in codes(prove(policy(rule("a", when))))) == (not isinstance(when, Flagged))


def test_a_test_or_its_opposite_is_not_always_true_because_it_may_be_unknown() -> None:
    assert "POL3002" not in codes(prove(policy(rule("a", Any((KEV, Not(KEV)))))))


def test_a_rule_behind_a_wider_one_can_never_win() -> None:
    one = policy(rule("a", cvss(">=", 70)), rule("b", All((cvss(">=", 90), KEV)), IGNORED, priority=1))
    found = only(prove(one), "POL3003")
    assert (found.subject, found.by) == ("b", ("a",))
    assert told(found) == "cvss=9, kev=true -> status blocked"


def test_two_rules_can_shadow_a_third_one_together() -> None:
    one = policy(
        rule("a", cvss(">=", 70)),
        rule("b", cvss("<", 70), IGNORED),
        rule("c", KEV),
        rule("d", Present("cvss"), SetStatus("deferred"), priority=1),
    )
    found = only(prove(one), "POL3003")
    assert (found.subject, found.by) == ("d", ("a", "b"))


def test_rules_that_are_unknown_shadow_nothing() -> None:
    one = policy(rule("a", cvss(">=", 70)), rule("b", cvss("<", 70), IGNORED), rule("c", KEV, priority=1))
    assert "POL3003" not in codes(prove(one))


def test_status_and_severity_are_won_apart() -> None:
    one = policy(rule("a", KEV), rule("b", KEV, IGNORED, SetSeverity("High"), priority=1))
    found = only(prove(one), "POL3003")
    assert (found.subject, found.attribute) == ("b", "status")


def test_a_rule_that_only_notes_is_never_shadowed() -> None:
    one = policy(rule("a", KEV), rule("b", KEV, Annotate("team", "x"), priority=1))
    assert not prove(one).bad


def test_a_branch_that_is_never_taken() -> None:
    one = policy(rule("a", All((KEV, Not(KEV))), BLOCKED), rule("b", Present("kev"), otherwise=(IGNORED,), priority=1))
    found = prove(one)
    assert only(found, "POL3001").subject == "a"
    assert ("never true", "b", "else", "refuted") in [(v.claim, v.subject, v.branch, v.state) for v in found.verdicts]


def test_a_tie_is_shown_by_the_finding_for_which_it_matters() -> None:
    one = policy(rule("a", KEV), rule("b", INTERNET, IGNORED), rule("c", FIX, SetStatus("blocked")))
    assert [(found.subject, found.by) for found in prove(one).bad] == [("a", ("b",)), ("b", ("c",))]


def test_all_that_tie_are_named() -> None:
    one = policy(rule("a", KEV), rule("b", INTERNET, IGNORED), rule("c", FIX, SetStatus("deferred")))
    first = next(v for v in prove(one).bad if v.subject == "a")
    assert first.by == ("b", "c")
    assert told(first) == 'env.exposure="internet", kev=true -> status blocked'


@pytest.mark.parametrize(
    "other",
    [
        rule("b", INTERNET, BLOCKED),
        rule("b", INTERNET, IGNORED, priority=1),
        rule("b", Not(KEV), IGNORED),
        rule("b", INTERNET, SetSeverity("Low")),
    ],
)
def test_no_tie_where_nothing_is_ambiguous(other: object) -> None:
    assert "POL3004" not in codes(prove(policy(rule("a", KEV), other)))  # type: ignore[arg-type]


def test_a_stronger_rule_resolves_a_tie() -> None:
    one = policy(rule("z", KEV, SetStatus("fixed"), priority=-1), rule("a", KEV), rule("b", All((KEV, FIX)), IGNORED))
    assert "POL3004" not in codes(prove(one))


def test_exceptions_expire_at_their_instant() -> None:
    one = ExceptionRule("x", FIX, "deferred", "why", "who", 1000)
    assert only(prove(policy(rule("a", KEV)), (one,), 1000), "POL3005").claim == "expired"
    assert "POL3005" not in codes(prove(policy(rule("a", KEV)), (one,), 999))
    assert "POL3005" not in codes(prove(policy(rule("a", KEV)), (one,)))


def test_an_exception_that_never_matches() -> None:
    one = ExceptionRule("x", All((FIX, Not(FIX))), "deferred", "why", "who")
    found = only(prove(policy(rule("a", KEV)), (one,)), "POL3005")
    assert (found.claim, found.branch) == ("never true", "exception")


def test_an_exception_hides_what_is_exploited() -> None:
    one = ExceptionRule("x", FIX, "not_affected", "why", "who", 1000)
    found = only(prove(policy(rule("a", INTERNET)), (one,), 10), "POL3006")
    assert (found.subject, found.example and found.example.as_of) == ("x", 10)
    assert told(found) == "fix.available=true, kev=true, as of 1970-01-01T00:00:10Z -> status not_affected"


@pytest.mark.parametrize(
    ("when", "status"), [(Not(KEV), "not_affected"), (FIX, "blocked"), (All((FIX, INTERNET)), "ignored")]
)
def test_an_exception_hides_nothing_that_is_open_or_hidden_anyway(when: Condition, status: str) -> None:
    one = ExceptionRule("x", when, status, "why", "who")
    assert "POL3006" not in codes(prove(policy(rule("a", INTERNET, IGNORED)), (one,)))


def test_an_invariant_is_broken_by_a_finding_without_evidence() -> None:
    kept = Invariant("kept", KEV, OutcomeIs("status", ("blocked",)))
    one = policy(rule("a", All((KEV, cvss(">=", 0)))), invariants=(kept,))
    assert told(only(prove(one), "POL3007")) == "kev=true, cvss missing -> status affected"


def test_an_invariant_about_the_severity_that_the_advisory_has() -> None:
    high = Ranked("severity.normalized", ">=", "High")
    kept = Invariant("kept", high, OutcomeIs("severity", ("High", "Critical")))
    assert not prove(policy(rule("a", KEV), invariants=(kept,))).bad
    lowered = policy(rule("a", KEV, SetSeverity("Low")), invariants=(kept,))
    assert "severity Low" in told(only(prove(lowered), "POL3007"))


def test_a_severity_that_nobody_decided_is_unknown() -> None:
    kept = Invariant("kept", KEV, Not(OutcomeIs("severity", ("Low",))))
    found = only(prove(policy(rule("a", INTERNET), invariants=(kept,))), "POL3007")
    assert "severity.normalized" in told(found)


def test_statements_about_one_policy() -> None:
    one = policy(rule("a", All((KEV, INTERNET))))
    assert holds(one, All((KEV, INTERNET)), OutcomeIs("status", ("blocked",))).state == "proved"
    found = holds(one, KEV, OutcomeIs("status", ("blocked",)))
    assert (found.state, found.code, told(found)) == (
        "refuted",
        "POL3007",
        'env.exposure="isolated", kev=true -> status affected',
    )


def test_a_refactor_is_equivalent_until_it_is_not() -> None:
    one = policy(rule("a", Any((KEV, INTERNET))), rule("b", cvss(">=", 70), IGNORED, priority=1))
    two = policy(rule("x", KEV), rule("y", INTERNET), rule("z", Not(cvss("<", 70)), IGNORED, priority=1))
    three = policy(rule("x", KEV), rule("y", INTERNET), rule("z", cvss(">", 70), IGNORED, priority=1))
    assert equivalent(one, two).state == "proved"
    assert equivalent(one, three).state == "refuted"
    assert "cvss=7" in told(equivalent(one, three))


def test_a_default_status_makes_a_difference() -> None:
    found = equivalent(policy(rule("a", KEV)), policy(rule("a", KEV), default="deferred"))
    assert (found.code, found.is_bad, told(found)) == ("POL3008", True, "kev=false -> status deferred")


def test_what_is_undecided_can_be_compared_too() -> None:
    one, two = policy(rule("a", Constant(value=False))), policy(rule("a", All((KEV, Not(KEV)))))
    assert equivalent(one, two).state == "proved"
    assert told(equivalent(one, two, compared=("undecided",))) == "kev missing -> status affected"


def test_a_rule_that_ignores_until_an_instant() -> None:
    one = policy(rule("a", KEV, Ignore(Before(instant=1000))), rule("b", KEV, priority=1))
    kept = OutcomeIs("status", ("ignored",))
    assert holds(one, All((KEV, Before(instant=1000))), kept).state == "proved"
    assert holds(one, KEV, kept, as_of=999).state == "proved"
    assert told(holds(one, KEV, kept)) == "kev=true, as of 1970-01-01T00:16:40Z -> status blocked"


def test_bands_of_severity() -> None:
    one = policy(rule("a", KEV, BandSeverity(Sum((Addend("cvss", MICRO),)))))
    assert holds(one, All((KEV, cvss(">=", 90))), OutcomeIs("severity", ("Critical",))).state == "proved"
    assert "cvss=4" in told(holds(one, All((KEV, cvss(">=", 40))), OutcomeIs("severity", ("High", "Critical"))))


def test_rules_that_include_others() -> None:
    one = policy(
        rule("a", cvss(">=", 70)), rule("b", cvss(">=", 90), priority=1), rule("c", All((KEV, Not(KEV))), priority=2)
    )
    assert [(i.rule, i.included_in) for i in prove(one).inclusions] == [("b", "a")]


def test_the_empty_policy() -> None:
    assert prove(policy()).verdicts == ()
    assert equivalent(policy(), policy()).state == "proved"
    found = equivalent(policy(), policy(default="deferred"))
    assert told(found) == "any finding -> status deferred"
    assert found.example is not None
    assert found.example.facts() == Facts({})


def test_a_test_of_a_name_that_does_not_exist_is_unknown_and_not_false() -> None:
    for condition in (Not(Constant(value=None)), Any((Constant(value=None), Not(Constant(value=None))))):
        found = policy(rule("a", condition))
        assert holds(found, Flagged("kev"), OutcomeIs("status", ("blocked",))).state == "refuted"
        verdicts = {one.claim: one.state for one in prove(found).verdicts}
        assert verdicts["never true"] == "proved"
        assert verdicts["always true"] == "refuted"
    otherwise = policy(rule("a", Constant(value=None), Warn("look"), otherwise=(SetStatus("blocked"),)))
    assert holds(otherwise, Flagged("kev"), OutcomeIs("status", ("blocked",))).state == "refuted"
