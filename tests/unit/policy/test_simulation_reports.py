"""Reports of a simulation: the verdict first, and all counts whatever is left out."""

from __future__ import annotations

import json

import junitparser
import pytest
from msgspec.structs import replace

from stella.engine.moves import Moved, Shift
from stella.formats.markdown import LIMIT
from stella.policy.simulation import views as simulation_views
from stella.policy.simulation.model import FindingChanged, Level, LimitResult, PolicySimulated, Side
from stella.policy.simulation.reports import FORMATS, as_json, as_junit, as_markdown, as_sarif

FINDING = FindingChanged(
    finding=7,
    asset="billing",
    environment="prod",
    component="pkg:pypi/a@1",
    advisory="GHSA-1",
    kev=True,
    severity_before="Low",
    severity_after="High",
    status_before="blocked",
    status_after="affected",
    rule_before="old",
    rule_after="default",
)
RESULT = PolicySimulated(
    verdict="failed",
    reason="threshold_exceeded",
    before=Side("old.stella", "exploited", "a" * 64, 1),
    after=Side("new.stella", "exploited", "b" * 64, 2),
    snapshot="c" * 64,
    star="d" * 64,
    as_of="2026-11-01T00:00:00Z",
    exceptions=3,
    findings=1_000,
    degraded=0,
    total=Moved("all", 1_000, 30, 10, 20, 1),
    limits=(
        LimitResult("max_newly_blocked", "all", "10", "50", exceeded=False, asset="", top=()),
        LimitResult("max_unblocked_kev", "all", "1", "0", exceeded=True, asset="", top=(FINDING,)),
    ),
    statuses=(Level("affected", 900, 910), Level("blocked", 100, 90)),
    severities=(Level("High", 1_000, 1_000),),
    status_shifts=(Shift("blocked", "affected", 20),),
    severity_shifts=(Shift("High", "High", 1_000),),
    transitions=(Shift("old", "default", 20), Shift("default", "new", 10), Shift("default", "default", 970)),
    environments=(Moved("prod", 1_000, 30, 10, 20, 1),),
    assets_changed=1,
    movers=(Moved("billing", 40, 30, 10, 20, 1),),
    slow=(),
)


def test_the_comment_says_the_verdict_then_the_limits_then_what_changes() -> None:
    text = as_markdown(RESULT).decode()
    lines = text.splitlines()
    assert lines[0] == "<!-- stella policy simulate exploited -->"
    assert lines[2] == "### Policy exploited: failed, 1 of 2 limits exceeded"
    assert lines[4].startswith("30 of 1,000 findings change: 10 newly blocked, 20 unblocked, 1 of them")
    heads = ["Limits", "Status", "Severity", "Assets that change most", "From rule to rule", "the gravest", "What was"]
    places = [text.index(head) for head in heads]
    assert places == sorted(places)
    exceeded = "| unblocked, known to be exploited | all | 1 | 0 | exceeded |"
    assert text.index(exceeded) < text.index("| newly blocked | all | 10 | 50 | kept |")
    assert "| affected | 900 | 910 | \\+10 |" in text
    assert "| `old` | `default` | 20 |" in text
    assert "`GHSA-1` (KEV)" in text.replace("\\(", "(").replace("\\)", ")")
    assert "970" not in text  # findings that keep their rule are no transition


def test_rules_that_lose_as_many_findings_are_by_name() -> None:
    moves = (Shift("old", "new", 20), Shift("old", "default", 20), Shift("default", "new", 21))
    text = as_markdown(replace(RESULT, transitions=moves)).decode()
    places = [text.index(f"| `{one}` |") for one in ("default` | `new", "old` | `default", "old` | `new")]
    assert places == sorted(places)


def test_the_first_screen_is_short() -> None:
    text = as_markdown(RESULT).decode()
    assert len(text[: text.index("#### Status")].splitlines()) <= 15


def test_what_is_worth_less_is_said() -> None:
    text = as_markdown(replace(RESULT, degraded=5, slow=("a",))).decode()
    assert "Degraded: 5 findings" in text
    assert "Undecided: for 2 findings" in text
    assert "Slow: `a`" in text
    quiet = as_markdown(replace(RESULT, after=replace(RESULT.after, undecided=0))).decode()
    assert "Undecided" not in quiet
    assert "Degraded" not in quiet


def test_a_long_comment_is_trimmed_and_keeps_all_counts() -> None:
    many = tuple(Shift(f"rule-{i:05}", "default", i + 1) for i in range(5_000))
    movers = tuple(Moved(f"asset-{i:05}" + "x" * 200, 9, 9, 9, 9, 9) for i in range(2_000))
    text = as_markdown(replace(RESULT, transitions=many, movers=movers)).decode()
    assert len(text) <= LIMIT
    assert "From rule to rule (5,000)" in text.replace("\\(", "(").replace("\\)", ")")
    assert "more of 5,000" in text
    assert "`rule-04999`" in text  # the largest come first
    assert "30 of 1,000 findings change" in text
    assert "| unblocked, known to be exploited | all | 1 | 0 | exceeded |" in text
    assert "| blocked | 100 | 90 | \\-10 |" in text


def test_nothing_from_outside_forms_markup() -> None:
    bad = replace(FINDING, asset="`x`](http://e) @ada <b>", component="a|b")
    limits = (LimitResult("max_unblocked", "a|b<i>", "1", "0", exceeded=True, asset="", top=(bad,)),)
    text = as_markdown(replace(RESULT, limits=limits)).decode()
    assert "| `'x'](http://e) @ada <b>` | `a\\|b` |" in text
    assert "<i>" not in text
    assert "a|b" not in text


def test_json_is_the_result() -> None:
    told = json.loads(as_json(RESULT))
    assert told["schema"] == "stella.policy.simulate@1"
    assert told["reason"] == "threshold_exceeded"
    assert told["limits"][1]["top"][0]["finding"] == 7


def test_sarif_has_what_was_exceeded_at_the_proposed_policy() -> None:
    (run,) = json.loads(as_sarif(RESULT))["runs"]
    (one,) = run["results"]
    assert one["ruleId"] == "max_unblocked_kev"
    assert one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "new.stella"
    assert "1 exceeds the limit of 0" in one["message"]["text"]
    assert "billing (prod): pkg:pypi/a@1, GHSA-1, Low to High, KEV: blocked by old" in one["message"]["text"]
    assert len(run["tool"]["driver"]["rules"]) == 5


def test_junit_has_each_limit() -> None:
    xml = junitparser.JUnitXml.fromstring(as_junit(RESULT))
    (suite,) = list(xml)
    assert (suite.tests, suite.failures, suite.skipped) == (3, 1, 1)  # what is undecided never counts as passed
    assert [case.name for case in suite] == ["max_newly_blocked in all", "max_unblocked_kev in all", "undecided"]


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_result_gives_the_same_bytes(name: str) -> None:
    assert FORMATS[name](RESULT) == FORMATS[name](RESULT)


def test_a_person_sees_the_verdict_first() -> None:
    first, second, *rest = simulation_views.simulated(RESULT)
    assert getattr(first, "text", "") == "failed, 1 of 2 limits exceeded"
    assert getattr(second, "text", "").startswith("30 of 1,000")
    assert any(getattr(one, "title", "").endswith("the gravest") for one in rest)
