"""`stella policy ci` as a pipeline runs it: each step says its verdict, and none hides another."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import junitparser
import pytest
import yaml

from stella import bootstrap
from stella.cli.main import run
from stella.operations import fields_of
from stella.policy.pipeline.reports import FORMATS
from stella.signing import cosign_pem
from tests.e2e.fleet import NO_VEX, OPEN, TODAY, Fleet, laid

ROOT = Path(__file__).parents[2]
FLOW = yaml.safe_load((ROOT / ".gitea/workflows/policy-simulate.yml").read_text())
FIXTURES = """[[fixture]]
name = "exploited"
expect = { status = "blocked", rule = "exploited" }
finding.kev = true

[[fixture]]
name = "harmless"
expect = { status = "affected" }
finding.kev = false
"""
REPORTS = ("markdown", "json", "sarif", "junit")


class Line(NamedTuple):
    """The command over a fleet, its snapshot and a folder `p` of policies, with those of today in `base`."""

    fleet: Fleet
    snapshot: str

    def __call__(self, *words: object) -> tuple[int, dict[str, Any]]:
        return self.fleet("policy", "ci", "p", "--inventory", self.snapshot, "--max-age", "any", *words)

    def steps(self, told: dict[str, Any]) -> list[tuple[str, str, str]]:
        return [(one["step"], one["file"], one["verdict"]) for one in told["steps"]]


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Line:
    fleet = laid(tmp_path, monkeypatch, capsys)
    for folder in ("p", "base"):
        fleet.text(f"{folder}/gate.stella", TODAY)
    fleet.text("p/gate.fixtures.toml", FIXTURES)
    return Line(fleet, fleet.load())


def reported(*more: str) -> list[str]:
    return [*more, *(f"--report={form}=out.{form}" for form in REPORTS)]


def test_all_that_was_asked_for_passes(line: Line) -> None:
    code, told = line("--from", "base", "--min-coverage", "100")
    assert (code, told["verdict"], told["reason"]) == (0, "passed", None), told
    assert line.steps(told) == [
        ("lint", "", "passed"),
        ("test", "", "passed"),
        ("simulate", "p/gate.stella", "passed"),
    ]
    assert told["simulated"][0]["total"]["changed"] == 0
    assert told["verified"] == []


def test_what_is_not_asked_for_is_not_there(line: Line) -> None:
    code, told = line.fleet("policy", "ci", "p")
    assert (code, [one["step"] for one in told["steps"]]) == (0, ["lint", "test"])


def test_a_policy_without_fixtures_does_not_pass(line: Line) -> None:
    (line.fleet.folder / "p/gate.fixtures.toml").unlink()
    code, told = line("--from", "base")
    assert (code, told["reason"]) == (6, "fixtures_missing")
    assert line.steps(told)[2][2] == "passed"  # one that fails hides no other


def test_what_does_not_compile_skips_the_rest_and_says_so(line: Line) -> None:
    line.fleet.text("p/gate.stella", TODAY.replace("kev and", "cvss > 99 and"))
    code, told = line("--from", "base", "--key", "x", *reported())
    assert (code, told["verdict"], told["reason"]) == (6, "failed", "lint_failed")
    assert [(step, verdict) for step, _, verdict in line.steps(told)] == [
        ("lint", "failed"),
        ("test", "skipped"),
        ("simulate", "skipped"),
        ("verify", "skipped"),
    ]
    xml = junitparser.JUnitXml.fromfile("out.junit")
    assert (xml.skipped, xml.failures) == (3, 2)


def test_a_limit_that_is_exceeded(line: Line) -> None:
    line.fleet.text("p/gate.stella", OPEN)
    code, told = line("--from", "base")
    assert (code, told["simulated"][0]["total"]["unblocked_kev"]) == (6, 1)
    assert ("simulate", "p/gate.stella", "failed") in line.steps(told)
    line.fleet.text("limits.toml", "max_unblocked_kev = 1\n")
    _, told = line("--from", "base", "--limits", "limits.toml")
    assert ("simulate", "p/gate.stella", "passed") in line.steps(told)


def test_a_stale_snapshot_is_a_verdict(line: Line) -> None:
    words = ("policy", "ci", "p", "--inventory", line.snapshot, "--from", "base")
    code, told = line.fleet(*words)
    assert (code, told["reason"], told["simulated"]) == (6, "inputs_stale", [])
    assert ("simulate", "p/gate.stella", "failed") in line.steps(told)


WRONG = {
    "limits that are none": (("--limits", "p/gate.stella"), 2, "POLICY-206"),
    "a report that is none": (("--report", "html=x"), 2, ""),
    "a percentage that is none": (("--min-coverage", "101"), 2, "POLICY-"),
    "a policy of today that is not there": (("--from", "nowhere.stella"), 4, ""),
    "no service": (("--from", "active"), 2, "POLICY-210"),
    "a trust folder that is not there": (("--trust", "nowhere"), 6, "SIGSTORE-024"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_the_request_is_no_verdict(line: Line, name: str) -> None:
    more, wanted, code = WRONG[name]
    found, problem = line(*more)
    assert (found, problem.get("code", "none").startswith(code)) == (wanted, True), problem


@pytest.fixture
def signed(line: Line, monkeypatch: pytest.MonkeyPatch) -> Line:
    monkeypatch.setattr(cosign_pem, "COST", 2)
    monkeypatch.setattr(cosign_pem, "COSTS", frozenset({2}))
    monkeypatch.setenv("STELLA_KEY_PASSPHRASE", "correct horse")
    assert run(["key", "create"]) == 0
    why = ["--reason", "rollout", "--ticket", "SEC-9"]
    sign = ["policy", "sign", "p/gate.stella", "--policy-id", "P-7", "--version", "3", *why]
    assert run([*sign, "--out", "p/gate.stella.attestation.sigstore"]) == 0
    return line


TRUST = ("--trust", ".stella/keys/trust")


def test_a_signature(signed: Line) -> None:
    code, told = signed("--from", "base", *TRUST)
    assert (code, told["verified"][0]["version"]) == (0, 3), told
    assert signed.steps(told)[-1] == ("verify", "p/gate.stella", "passed")


def test_a_signature_of_other_words_fails_and_so_does_none(signed: Line) -> None:
    signed.fleet.text("p/gate.stella", NO_VEX)
    code, told = signed("--from", "base", *TRUST, *reported())
    assert (code, told["reason"], told["verified"]) == (6, "subject_digest", [])
    assert signed.steps(told)[-1] == ("verify", "p/gate.stella", "failed")
    (run_,) = json.loads(Path("out.sarif").read_text())["runs"]
    assert [one["ruleId"] for one in run_["results"] if one["level"] == "error"] == ["policy-verify"]
    Path("p/gate.stella.attestation.sigstore").unlink()
    code, told = signed("--from", "base", *TRUST)
    assert (code, told["reason"]) == (6, "policy_unsigned")


def test_every_report_says_the_same(line: Line) -> None:
    line.fleet.text("p/gate.stella", OPEN)
    code, told = line("--from", "base", *reported())
    assert (code, told["reports"]) == (6, [f"out.{form}" for form in REPORTS])
    first = {form: Path(f"out.{form}").read_bytes() for form in REPORTS}
    text = first["markdown"].decode()
    assert text.startswith("<!-- stella policy ci -->\n\n### Policies: failed")
    assert "known to be exploited" in text
    assert json.loads(first["json"]) == told | {"reports": []}
    (run_,) = json.loads(first["sarif"])["runs"]
    assert "max_unblocked_kev" in [one["ruleId"] for one in run_["results"]]
    xml = junitparser.JUnitXml.fromfile("out.junit")
    steps = next(suite for suite in xml if suite.name == "stella policy ci")
    assert (steps.tests, steps.failures) == (len(told["steps"]), sum("failed" in one for one in line.steps(told)))
    line("--from", "base", *reported())
    assert {form: Path(f"out.{form}").read_bytes() for form in REPORTS} == first


def test_what_nobody_can_decide_is_said_where_a_step_passes(line: Line) -> None:
    line.fleet.text("p/gate.stella", TODAY.replace("when kev", 'when env.exposure == "internet" or kev'))
    _, told = line("--from", "base", *reported())
    assert told["simulated"][0]["after"]["undecided"] > 0
    (step,) = [one for one in told["steps"] if one["step"] == "simulate"]
    assert "cannot be decided" in step["told"]
    (case,) = [one for suite in junitparser.JUnitXml.fromfile("out.junit") for one in suite if one.name == "undecided"]
    assert case.is_skipped


def test_a_policy_is_held_against_that_of_the_same_place(line: Line) -> None:
    for team, text in (("a", TODAY), ("b", NO_VEX)):
        named = text.replace('"gate"', f'"{team}"')
        line.fleet.text(f"p/{team}/same.stella", named)
        line.fleet.text(f"p/{team}/same.fixtures.toml", FIXTURES)
        line.fleet.text(f"base/{team}/same.stella", named)
    _, told = line("--from", "base")
    assert [(one["after"]["file"], one["before"]["file"]) for one in told["simulated"]] == [
        ("p/a/same.stella", "base/a/same.stella"),
        ("p/b/same.stella", "base/b/same.stella"),
        ("p/gate.stella", "base/gate.stella"),
    ]
    assert all(one["total"]["changed"] == 0 for one in told["simulated"])


def test_a_policy_under_another_file_name_is_still_the_same(line: Line) -> None:
    for end in ("stella", "fixtures.toml"):
        (line.fleet.folder / f"p/gate.{end}").rename(line.fleet.folder / f"p/door.{end}")
    line.fleet.text("p/door.stella", OPEN)
    code, told = line("--from", "base")
    assert (code, told["simulated"][0]["before"]["file"]) == (6, "base/gate.stella")
    assert told["simulated"][0]["total"]["unblocked_kev"] == 1


def test_a_policy_that_is_taken_away_is_held_against_the_limits(line: Line) -> None:
    line.fleet.text("base/other.stella", TODAY.replace('"gate"', '"other"'))
    code, told = line("--from", "base")
    assert (code, told["reason"]) == (6, "threshold_exceeded")
    assert line.steps(told)[-1] == ("simulate", "base/other.stella", "failed")
    assert (told["simulated"][-1]["after"]["policy"], told["simulated"][-1]["total"]["unblocked_kev"]) == ("none", 2)
    line.fleet.text("limits.toml", "max_unblocked_kev = 2\n")
    assert line("--from", "base", "--limits", "limits.toml")[0] == 0
    _, told = line.fleet("policy", "ci", "p/gate.stella", "--from", "base", "--inventory", line.snapshot)
    assert len(told["steps"]) == 3  # of a single file nobody says that the others are gone


def test_a_new_policy_is_held_against_none(line: Line) -> None:
    line.fleet.text("p/new.stella", TODAY.replace('"gate"', '"new"'))
    line.fleet.text("p/new.fixtures.toml", FIXTURES)
    code, told = line("--from", "base")
    assert (code, told["simulated"][1]["before"]["policy"], told["simulated"][1]["total"]["newly_blocked"]) == (
        0,
        "none",
        2,
    )


def script(name: str) -> str:
    (step,) = (step for step in FLOW["jobs"]["simulate"]["steps"] if step.get("name") == name)
    return str(step["run"])


def test_the_workflow_uses_what_there_is() -> None:
    operation = next(found for found in bootstrap.load("policy") if found.name == "policy.ci")
    words = re.sub(r"\$\{\w+:\?[^}]*\}", "", script("Check"))
    assert set(re.findall(r"--([a-z][a-z-]+)", words)) <= {
        name.replace("_", "-") for name, *_ in fields_of(operation.request)
    }
    asked = dict(re.findall(r"--report (\w+)=\$OUT/(\S+)", words))
    assert asked.keys() == FORMATS.keys()
    (upload,) = (step["with"] for step in FLOW["jobs"]["simulate"]["steps"] if "upload-sarif" in step.get("uses", ""))
    assert upload["sarif_file"] == f"{FLOW['jobs']['simulate']['env']['OUT']}/{asked['sarif']}"
    for path in FLOW[True]["pull_request"]["paths"]:  # YAML 1.1 reads the word `on` as a truth
        assert (ROOT / path.removesuffix("/**")).exists()


@pytest.mark.parametrize(("text", "code"), [(TODAY, 0), (OPEN, 6)])
def test_its_script(line: Line, text: str, code: int) -> None:
    folder = line.fleet.folder
    line.fleet.text("p/gate.stella", text)
    line.fleet.text("p/limits.toml", "max_unblocked_kev = 0\n")
    line.fleet.text("out/base/p/gate.stella", TODAY)
    command = f'#!/bin/sh\nexec {sys.executable} -m stella "$@" --max-age any\n'
    line.fleet.text(".venv/bin/stella", command).chmod(0o755)
    given = os.environ | {"POLICIES": "p", "OUT": "out/s", "SNAPSHOT": line.snapshot, "PYTHONPATH": f"{ROOT}/src"}
    words = script("Check").replace("--min-coverage 90 --min-score 80", "")
    done = subprocess.run(
        ["bash", "-c", words],
        cwd=folder,
        env=given | {"GITHUB_STEP_SUMMARY": "summary"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "stella policy ci" in (folder / "summary").read_text()
    assert {path.name for path in (folder / "out/s").iterdir()} == {
        "comment.md", "policy.sarif", "policy.xml", "policy.json",
    }  # fmt: skip
