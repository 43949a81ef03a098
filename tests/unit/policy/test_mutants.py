"""Mutants: which there are of a rule, each once, and none that is the rule itself."""

from __future__ import annotations

import pytest

from stella.language.compile import compile_policy
from stella.language.model import Policy
from stella.policy.trial.mutants import mutants, step_of

NEGATED = ("not kev", "not fix.available")


def compiled(*members: str) -> Policy:
    policy = compile_policy('policy "p" syntax "stella-dsl@1" {\n' + "\n".join(members) + "\n}").policy
    assert policy is not None
    return policy


def rule(when: str = "kev", then: str = 'status := "blocked"', more: str = "") -> Policy:
    return compiled(more, f'rule a {{ when {when} then {then} because "b" }}')


def of_condition(when: str, more: str = "") -> list[str]:
    """What conditions of the mutants of a rule become, as text."""
    (found,) = rule(when, more=more).rules
    return [one.what.partition(" becomes ")[2].strip("`") for one in mutants(found) if one.rule.when != found.when]


@pytest.mark.parametrize(
    ("when", "wanted"),
    [
        ("kev", ["not kev"]),
        ("not kev", ["kev"]),
        ("coalesce(kev, true)", ["coalesce(kev, false)", "not coalesce(kev, true)"]),
        ("true", ["false"]),
        ("exists(kev)", ["kev == null"]),
        ("cvss >= 7.5", ["cvss > 7.5", "cvss < 7.5", "cvss >= 7.4", "cvss >= 7.6"]),
        ("cvss < 7", ["cvss <= 7", "cvss >= 7", "cvss < 6", "cvss < 8"]),
        ("cvss == 5", ["cvss != 5", "cvss == 4", "cvss == 6"]),
        ("epss > 0.85", ["epss >= 0.85", "epss <= 0.85", "epss > 0.84", "epss > 0.86"]),
        (
            'severity.normalized >= "High"',
            [
                'severity.normalized > "High"',
                'severity.normalized < "High"',
                'severity.normalized >= "Medium"',
            ],
        ),
        ('advisory.id == "a"', ['advisory.id != "a"']),
        (
            'advisory.id in ["a", "b"]',
            ['advisory.id == "b"', 'advisory.id == "a"', 'advisory.id not in ["a", "b"]'],
        ),
        ('as_of < "2027-01-31T00:00:00Z"', ['as_of < "2027-01-30T00:00:00Z"', 'as_of < "2027-02-01T00:00:00Z"',
                                             'as_of >= "2027-01-31T00:00:00Z"']),
        ('as_of < "2027-01-31T00:30:00Z"', ['as_of < "2027-01-31T00:29:00Z"', 'as_of < "2027-01-31T00:31:00Z"',
                                             'as_of >= "2027-01-31T00:30:00Z"']),
        ("vex.any(verified)", ["vex.all(verified)", "not vex.any(verified)", "not verified"]),
        ("kev and fix.available", ["kev or fix.available", *NEGATED]),
        ("not (kev or fix.available)", ["kev or fix.available", "kev and fix.available", *NEGATED]),
    ],
)  # fmt: skip
def test_mutants_of_a_condition(when: str, wanted: list[str]) -> None:
    assert of_condition(when) == wanted


def test_weights_change_their_sign() -> None:
    profile = 'profile w { map s { source "GHSA" => 0.5 } env e { if kev then -1 } }'
    found = of_condition("cvss + profile.w.s > 9", profile.replace("env e { if kev then -1 }", ""))
    assert 'cvss + weight(advisory.source "GHSA" => -0.5) > 9' in found
    assert "weight(if kev then +1) > 9" in of_condition("profile.w.e > 9", profile)


@pytest.mark.parametrize(
    ("then", "wanted"),
    [
        ('status := "affected"', ["status := affected becomes status := under_investigation"]),
        ('status := "blocked"', ["status := blocked becomes status := deferred"]),
        ('severity := "Critical"', ["severity := Critical becomes severity := High"]),
        (
            "severity := severity_band(cvss)",
            [
                "severity := severity_band(cvss) becomes severity := severity_band(cvss - 1)",
                "severity := severity_band(cvss) becomes severity := severity_band(cvss + 1)",
            ],
        ),
        (
            'ignore until "2027-01-31T00:00:00Z"',
            [
                'ignore while as_of < "2027-01-31T00:00:00Z" becomes ignore while as_of < "2027-01-30T00:00:00Z"',
                'ignore while as_of < "2027-01-31T00:00:00Z" becomes ignore while as_of < "2027-02-01T00:00:00Z"',
            ],
        ),
        ('warn message "look"', ["`warn: look` becomes nothing"]),
        ('annotate seen "yes"', ["`seen: yes` becomes nothing"]),
        (
            'requireVex { vendors = ["a"] }',
            [
                "`requireVex: vendors a; justifications any` becomes `requireVex: vendors any; justifications any`",
                "`requireVex: vendors a; justifications any` becomes nothing",
            ],
        ),
    ],
)
def test_mutants_of_an_action(then: str, wanted: list[str]) -> None:
    (found,) = rule(then=then).rules
    assert [one.what for one in mutants(found) if one.rule.when == found.when] == wanted


@pytest.mark.parametrize("when", ['severity.normalized >= "High" and (kev or cvss > 7) and kev', "not not kev"])
def test_each_mutant_is_there_once_and_changes_something(when: str) -> None:
    (found,) = rule(when).rules
    changed = [one.rule for one in mutants(found)]
    assert len(changed) == len(set(changed))
    assert found not in changed


@pytest.mark.parametrize(
    ("micros", "step"), [(0, 1_000_000), (7_000_000, 1_000_000), (750_000, 10_000), (-500_000, 100_000), (1, 1)]
)
def test_a_step_is_one_in_the_last_place(micros: int, step: int) -> None:
    assert step_of(micros) == step
