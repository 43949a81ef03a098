"""Reports of a lint, as other programs read them: the same bytes each time, and nothing left out of the counts."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from junitparser import JUnitXml

from stella.language.codes import CODES
from stella.policy.pipeline.ci import ci
from stella.policy.pipeline.model import CheckPolicies
from stella.policy.text.errors import NoPolicies
from stella.policy.text.linting import lint
from stella.policy.text.model import LintPolicy, PolicyLinted
from stella.policy.text.reports import FORMATS
from stella.prover.verdicts import Limits
from stella.runtime.errors import BadReport
from tests.unit.policy.texts import context, lay, policy, rule

INVARIANT = 'invariant i { kev and cvss > 7 and epss > 0.9999 and cvss < 7.000002 => status == "blocked" }'
FILES = {
    "a.stella": policy(rule("kev and not kev"), rule("kvv", name="b", then='status := "Blocked"')),
    "b.stella": policy("profile w { x = 1 }", rule("kev"), rule("cvss > 7", name="b", then='status := "fixed"')),
    "c.stella": policy(rule("kev", name="fine")),
}


@pytest.fixture
def result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PolicyLinted:
    monkeypatch.chdir(lay(tmp_path, dict(FILES)))
    return lint(context(), LintPolicy(paths=(".",)))


def test_they_are_written_and_are_the_same_bytes_each_time(result: PolicyLinted, tmp_path: Path) -> None:
    assert {one.code for one in result.findings} == {"POL2001", "POL2003", "POL3004", "POL4002"}
    names = tuple(f"{form}={tmp_path}/out/{form}" for form in FORMATS)
    again = lint(context(), LintPolicy(paths=(".",), report=names))
    assert msgspec.structs.replace(again, reports=()) == result
    assert again.reports == tuple(f"{tmp_path}/out/{form}" for form in FORMATS)
    for form, make in FORMATS.items():
        data = (tmp_path / "out" / form).read_bytes()
        assert data == make(result)
        assert str(tmp_path).encode() not in data


def test_sarif(result: PolicyLinted) -> None:
    (run,) = json.loads(FORMATS["sarif"](result))["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(CODES)
    assert all(rule["help"]["text"] for rule in run["tool"]["driver"]["rules"])
    assert len(run["results"]) == len(result.findings)
    tie = next(one for one in run["results"] if one["ruleId"] == "POL3004")
    assert tie["level"] == "error"
    assert "kev=true" in tie["properties"]["example"]
    assert tie["locations"][0]["physicalLocation"]["region"] == {
        "startLine": 3,
        "startColumn": 8,
        "endLine": 3,
        "endColumn": 9,
    }


def test_junit(result: PolicyLinted, tmp_path: Path) -> None:
    (tmp_path / "r.xml").write_bytes(FORMATS["junit"](result))
    report = JUnitXml.fromfile(str(tmp_path / "r.xml"))
    cases = {(suite.name, case.name): case for suite in report for case in suite}
    assert cases.keys() >= {("a.stella", "policy"), ("a.stella", "rule b"), ("c.stella", "rule fine")}
    failed = {key for key, case in cases.items() if case.result}
    assert failed == {("a.stella", "rule b"), ("b.stella", "rule a")}
    assert "POL4002" in str(cases["b.stella", "policy"].system_out)
    strict = msgspec.structs.replace(result, strict=True)
    (tmp_path / "r.xml").write_bytes(FORMATS["junit"](strict))
    assert JUnitXml.fromfile(str(tmp_path / "r.xml")).failures == 3


def test_github(result: PolicyLinted) -> None:
    lines = FORMATS["github"](result).decode().splitlines()
    assert len(lines) == len(result.findings)
    assert lines[0].startswith(
        "::warning file=a.stella,line=3,col=28,endLine=3,endColumn=31,title=POL2001 unknown-name::"
    )
    assert "%0Aexample: " in next(line for line in lines if "POL3004" in line)


def test_markdown(result: PolicyLinted) -> None:
    text = FORMATS["markdown"](result).decode()
    assert text.startswith("<!-- stella policy lint -->\n\n### Policy lint: failed\n")
    assert f"{result.errors} errors, {result.warnings} warnings, {result.notes} notes in 3 files; 2 proved." in text
    assert text.index("| error |") < text.index("| warning |")
    many = msgspec.structs.replace(result, findings=result.findings * 2_000, errors=4_000)
    long = FORMATS["markdown"](many).decode()
    assert len(long) <= 65_536
    assert "4,000 errors" in long
    assert "more of 8,000" in long


def test_a_wrong_report_costs_no_lint(tmp_path: Path) -> None:
    with pytest.raises(BadReport):
        lint(context(), LintPolicy(paths=("nowhere",), report=("xml=x",)))
    with pytest.raises(NoPolicies):
        lint(context(), LintPolicy(paths=(str(tmp_path),), report=(f"junit={tmp_path}/x",)))
    assert not list(tmp_path.iterdir())


def test_what_was_not_proved_has_not_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stella.policy.text.proofs.LIMITS", Limits(total=0, inclusions=False))
    lay(tmp_path, {"a.stella": policy(rule("cvss > 7 and cvss < 7.000002 and epss > 0.5"), INVARIANT)})
    result = lint(context(), LintPolicy(paths=(str(tmp_path),)))
    assert {one.code for one in result.findings} == {"POL3009"}
    assert not result.files[0].proved
    cases = {case.name: case for suite in JUnitXml.fromstring(FORMATS["junit"](result)) for case in suite}
    assert cases["invariant i"].is_skipped
    assert b"0 proved" in FORMATS["markdown"](result)


def test_a_policy_too_wide_for_proofs_is_not_proved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stella.prover.graph.MAX_STEPS", 10)
    lay(tmp_path, {"a.stella": policy(rule("kev"), INVARIANT)})
    result = lint(context(), LintPolicy(paths=(str(tmp_path),)))
    assert [(one.code, one.line, one.subject) for one in result.findings] == [("POL3009", 1, "policy")]
    assert not result.files[0].proved
    checked = ci(context(), CheckPolicies(paths=(str(tmp_path),)))
    assert ("prove", "failed", "not_proved") in {(one.step, one.verdict, one.reason) for one in checked.steps}
    assert checked.verdict == "failed"
