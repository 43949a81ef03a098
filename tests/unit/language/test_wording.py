"""A condition as text: it checks to the very condition again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.language.model import Adjusted, All, Any, Compared, Condition, Constant, Flagged, Has, Mapped, Sum
from stella.language.parser import parse_expression
from stella.language.resolve import Resolver
from stella.language.wording import shown_condition, shown_instant

LEAVES = (
    "kev",
    "coalesce(kev, true)",
    "exists(kev)",
    "env.name == null",
    "cvss >= 7.5",
    "cvss != 5",
    "-cvss > -7",
    "cvss + epss > 2",
    "percent_of(50, cvss) - epss > -1",
    "percent_of(12.5, coalesce(cvss, 5)) <= 1",
    "normalize_cvss(cvss + 1) >= 50",
    "risk_score() < 70",
    'severity_band(cvss) >= "High"',
    'severity.normalized > "Low"',
    'coalesce(severity.normalized, "High") <= "Medium"',
    'env.exposure in ["internet", "partner"]',
    'advisory.id == "GHSA-\\"1\\""',
    'advisory.id not in ["a", "b"]',
    'coalesce(lowercase(env.name), "prod") == "PROD"',
    'starts_with(lowercase(component.purl), "pkg:pypi/")',
    '"MIT" in component.licenses',
    '"mit" not in lowercase(component.licenses)',
    'sbom.has_tag("image:latest-tag")',
    "as_of < env.quietUntil",
    'as_of >= "2027-01-31T00:00:00Z"',
    "vex.any(true)",
    'vex.any(status == "fixed" and trust >= 0.8)',
    'vex.all(not verified or justification == "component_not_present")',
    'vex.latest.status == "fixed"',
)
EXPRESSIONS = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        inner.map(lambda one: f"not ({one})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda some: "(" + ") and (".join(some) + ")"),
        st.lists(inner, min_size=2, max_size=3).map(lambda some: "(" + ") or (".join(some) + ")"),
    ),
    max_leaves=8,
)


def checked(text: str) -> Condition:
    alone, resolver = parse_expression(text), Resolver(strict=True)
    condition = resolver.condition(alone.expression)
    assert not [*alone.diagnostics, *resolver.diagnostics], text
    return condition


@pytest.mark.parametrize("text", LEAVES)
def test_each_test_comes_back(text: str) -> None:
    condition = checked(text)
    assert checked(shown_condition(condition)) == condition


@given(EXPRESSIONS)
def test_whatever_is_said_comes_back(text: str) -> None:
    condition = checked(text)
    assert checked(shown_condition(condition)) == condition


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (Constant(value=None), "unknown"),
        (All(()), "true"),
        (Any(()), "false"),
        (All((Flagged("kev"),)), "kev"),
        (Has("component.licenses", ()), "false"),
        (Has("component.licenses", ("a", "b")), '"a" in component.licenses or "b" in component.licenses'),
        (
            Compared(Sum((Mapped("advisory.source", (("GHSA", 500_000),)),)), ">", 0),
            'weight(advisory.source "GHSA" => +0.5) > 0',
        ),
        (
            Compared(Sum((Adjusted(((Flagged("kev"), -500_000),)),), 0, None, 9_000_000), "==", 1),
            "clamp(weight(if kev then -0.5), none, 9) == 0.000001",
        ),
    ],
)
def test_what_no_text_checks_to_is_shown_too(condition: Condition, text: str) -> None:
    assert shown_condition(condition) == text


def test_an_instant_beyond_the_calendar_is_shown_by_its_seconds() -> None:
    assert shown_instant(0) == "1970-01-01T00:00:00Z"
    assert shown_instant(2**53) == f"second {2**53}"
