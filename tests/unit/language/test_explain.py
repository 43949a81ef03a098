"""An explanation: outcomes, their clauses, and what the finding has there."""

from __future__ import annotations

from stella.language.compile import compile_policy
from stella.language.explain import explain
from stella.language.explanation import Explanation, lines
from stella.language.groups import groups
from stella.language.interpret import Facts, Value, decide

TEXT = """policy "p" syntax "stella-dsl@1" {
  profile w { map source { source "GHSA" => 0.5 } }
  rule first priority 1 {
    when kev and env.exposure == "internet"
    then status := "blocked"
    because "anyone can reach it"
  }
  rule second priority 2 {
    when vex.any(status == "fixed" and trust >= 0.8) or cvss + profile.w.source > 9
    then severity := "Low" warn message "look again"
    else annotate seen "yes"
    because "somebody fixed it"
  }
  rule third priority 3 {
    when as_of < env.quietUntil
    then status := "deferred"
    because "it is quiet"
  }
}
"""


def told(values: dict[str, Value], *statements: dict[str, Value], more: tuple[str, ...] = ()) -> Explanation:
    policy = compile_policy(TEXT).policy
    assert policy is not None
    found, facts = groups(policy), Facts(values, statements, 1_000)
    return explain(found, decide(found, "affected", facts), facts, more)


def test_what_holds_is_shown_with_what_was_found() -> None:
    values: dict[str, Value] = {"kev": True, "env.exposure": "internet", "cvss": 9_000_000, "advisory.source": "GHSA"}
    shown = told(values | {"env.quietUntil": 2_000})
    assert (shown.status, shown.status_by, shown.severity, shown.severity_by) == ("blocked", "first", "Low", "second")
    assert shown.notes == ("warn: look again",)
    assert [(one.rule, one.branch, one.held) for one in shown.reasons] == [
        ("first", "then", "true"),
        ("second", "then", "true"),
        ("third", "then", "true"),
    ]
    assert [(one.text, one.held, one.found) for one in shown.reasons[0].clauses] == [
        ("kev", "true", "true"),
        ('env.exposure == "internet"', "true", "internet"),
    ]
    assert [(one.held, one.found) for one in shown.reasons[1].clauses] == [
        ("false", "no statement"),
        ("true", "cvss 9, advisory.source GHSA"),
    ]
    assert shown.reasons[2].clauses[0].found == "as_of 1970-01-01T00:16:40Z, env.quietUntil 1970-01-01T00:33:20Z"


def test_what_is_unknown_is_shown_with_what_is_missing() -> None:
    shown = told({"kev": True, "cvss": 0, "advisory.source": "x", "env.quietUntil": 0})
    assert shown.undecided
    assert [(one.rule, one.branch, one.held) for one in shown.reasons] == [
        ("first", "then", "unknown"),
        ("second", "else", "true"),
    ]
    assert shown.reasons[0].clauses[1].found == "missing"
    assert "undecided: a stronger rule that would decide otherwise is unknown" in lines(shown)


def test_each_statement_is_shown() -> None:
    shown = told({"kev": False}, {"status": "fixed"}, {"status": "fixed", "trust": 900_000})
    clause = next(one for one in shown.reasons if one.rule == "second").clauses[0]
    assert clause.found == (
        "statement 1 unknown (status fixed, trust missing); statement 2 true (status fixed, trust 0.9)"
    )


def test_a_rule_that_does_not_hold_is_shown_when_it_is_asked_for() -> None:
    assert "first" not in [one.rule for one in told({"kev": False}).reasons]
    shown = next(one for one in told({"kev": False}, more=("first",)).reasons if one.rule == "first")
    assert shown.held == "false"


def test_lines_say_what_and_why() -> None:
    assert lines(told({"kev": True, "env.exposure": "internet", "env.quietUntil": 0})) == [
        "status blocked, by rule first",
        "severity missing, as the advisory has it",
        "first is true: status := blocked",
        "  because anyone can reach it",
        '  when kev and env.exposure == "internet"',
        "    true    kev    found true",
        '    true    env.exposure == "internet"    found internet',
        "second is unknown: severity := Low; warn: look again",
        "  because somebody fixed it",
        '  when vex.any(status == "fixed" and trust >= 0.8) or cvss + weight(advisory.source "GHSA" => +0.5) > 9',
        '    false   vex.any(status == "fixed" and trust >= 0.8)    found no statement',
        '    unknown cvss + weight(advisory.source "GHSA" => +0.5) > 9    found cvss missing, advisory.source missing',
        "second (else) is unknown: seen: yes",
        "  because somebody fixed it",
        '  when not (vex.any(status == "fixed" and trust >= 0.8) or cvss + weight(advisory.source "GHSA" => +0.5) > 9)',
        '    false   vex.any(status == "fixed" and trust >= 0.8)    found no statement',
        '    unknown cvss + weight(advisory.source "GHSA" => +0.5) > 9    found cvss missing, advisory.source missing',
    ]
