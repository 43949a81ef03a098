"""`stella policy test`, `eval` and `simulate` as a person runs them: files, exit codes, reports."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import junitparser
import pytest

from stella.cli.main import run

PACKS = Path(__file__).parents[1] / "packs"
EXAMPLES = Path(__file__).parents[2] / "examples/policies"
DATA = Path(__file__).parents[3] / "shared/data"
PURL = "pkg:npm/lib@1.0.0"


@pytest.fixture(autouse=True)
def _empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


class Told:
    """What a command answers."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: object) -> tuple[int, dict[str, Any]]:
        self._capsys.readouterr()
        code = run(["policy", *map(str, words), "--json"])
        out, err = self._capsys.readouterr()
        return code, json.loads(out or err)

    def shown(self, *words: object) -> tuple[int, str]:
        self._capsys.readouterr()
        code = run(["policy", *map(str, words)])
        out, err = self._capsys.readouterr()
        return code, out + err


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    return Told(capsys)


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PACKS, tmp_path / "policies"))


def test_the_examples_are_covered_and_every_mistake_is_noticed(told: Told) -> None:
    code, result = told("test", EXAMPLES, "--min-coverage", "100", "--min-score", "90")
    assert (code, result["verdict"], result["reason"]) == (0, "passed", None)
    assert [(one["coverage"], one["score"]) for one in result["policies"]] == [(100, 100)] * 3


def test_a_changed_policy_fails_and_says_why(told: Told, pack: Path) -> None:
    path = pack / "exploited.stella"
    path.write_text(path.read_text().replace('severity.normalized >= "High"', 'severity.normalized > "High"'))
    code, result = told("test", path, "--report", "junit=out.xml", "--report", "markdown=out.md")
    assert (code, result["reason"]) == (6, "fixture_failed")
    (policy,) = result["policies"]
    (wrong,) = [one for one in policy["fixtures"] if not one["passed"]]
    assert wrong["name"] == "so is a high one"
    assert {"what": "status", "expected": "blocked", "found": "affected"} in wrong["mismatches"]
    assert any("found High" in line for line in wrong["explanation"])
    xml = junitparser.JUnitXml.fromfile("out.xml")
    assert sum(suite.failures for suite in xml) == 1
    text = Path("out.md").read_text()
    assert "Policy test: failed" in text
    assert "so is a high one" in text
    code, shown = told.shown("test", path)
    assert code == 6
    assert "found High" in shown


@pytest.mark.parametrize(
    ("flags", "reason"), [(("--min-coverage", "90"), "coverage_low"), (("--min-score", "90"), "score_low"), ((), None)]
)
def test_too_few_fixtures_are_told_by_their_figures(
    told: Told, pack: Path, flags: tuple[str, ...], reason: str | None
) -> None:
    path = pack / "hygiene.fixtures.toml"
    path.write_text(path.read_text().partition('[[fixture]]\nname = "an image')[0])
    code, result = told("test", pack / "hygiene.stella", *flags, "--report", "junit=out.xml")
    assert (code, result["reason"]) == (6 if reason else 0, reason)
    (policy,) = result["policies"]
    assert policy["covered"] == policy["terms"] - len(policy["uncovered"]) == 1
    assert policy["killed"] == policy["mutants"] - len(policy["survivors"]) > 0
    assert sum(suite.failures for suite in junitparser.JUnitXml.fromfile("out.xml")) == (1 if reason else 0)


def test_proposals_are_written_and_cover_what_was_not(told: Told, pack: Path) -> None:
    for path in pack.glob("*.fixtures.toml"):
        path.unlink()
    code, result = told("test", pack, "--write", pack)
    assert (code, result["reason"]) == (6, "fixtures_missing")
    assert [Path(one["proposed"]).name for one in result["policies"]] == [
        "exploited.fixtures.toml",
        "hygiene.fixtures.toml",
        "vex-aware.fixtures.toml",
    ]
    code, result = told("test", pack, "--min-coverage", "100")
    assert code == 0, result


BAD = {
    "no policy": ({}, "POLICY-300", 2),
    "a policy that is none": ({"p.stella": "policy"}, "POLICY-302", 2),
    "fixtures of another kind": ({"p.stella": None, "p.fixtures.yaml": "x"}, "POLICY-202", 2),
    "fixtures that are none": ({"p.stella": None, "p.fixtures.toml": "x"}, "POLICY-202", 2),
    "a rule that is not there": (
        {"p.stella": None, "p.fixtures.toml": '[[fixture]]\nname = "a"\nexpect = { rule = "inside" }'},
        "POLICY-203",
        2,
    ),
    "no instant": (
        {
            "p.stella": 'as_of < "2027-01-01T00:00:00Z"',
            "p.fixtures.toml": '[[fixture]]\nname = "a"\nexpect = { status = "fixed" }',
        },
        "POLICY-204",
        2,
    ),
    "a name in both files": (
        {
            "p.stella": None,
            "p.fixtures.toml": '[[fixture]]\nname = "a"\nexpect = { status = "fixed" }',
            "p.fixtures.json": '{"fixture": [{"name": "a", "expect": {"status": "fixed"}}]}',
        },
        "POLICY-205",
        2,
    ),
}  # fmt: skip


def policy(when: str = "kev", name: str = "p", more: str = "") -> str:
    rule = f'rule a priority 9 {{ when {when} then status := "blocked" because "b" }}'
    return f'policy "{name}" syntax "stella-dsl@1" {{ {more} {rule} }}'


@pytest.mark.parametrize("name", BAD)
def test_bad_input_has_its_code(told: Told, tmp_path: Path, name: str) -> None:
    files, wanted, exit_code = BAD[name]
    folder = tmp_path / "bad"
    folder.mkdir()
    for file, text in files.items():  # type: ignore[attr-defined]
        whole = policy(text or "kev") if file == "p.stella" and text != "policy" else text
        (folder / file).write_text(whole)
    code, problem = told("test", folder)
    assert (code, problem["code"]) == (exit_code, wanted)


@pytest.mark.parametrize("flag", ["--min-coverage", "--min-score"])
def test_a_percentage_is_at_most_all(told: Told, flag: str) -> None:
    code, problem = told("test", EXAMPLES, flag, "101")
    assert (code, problem["code"]) == (2, "POLICY-209")


def test_one_finding_is_evaluated_and_explained(told: Told, tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text('{"finding": {"kev": true, "severity": {"normalized": "High"}}}')
    code, result = told("eval", PACKS / "exploited.stella", "--finding", "f.json", "--as-of", "2026-11-01T00:00:00Z")
    assert code == 0
    told_of = result["explanation"]
    assert (told_of["status"], told_of["status_by"], result["as_of"]) == (
        "blocked",
        "exploited_inside",
        "2026-11-01T00:00:00Z",
    )
    (reason,) = [one for one in told_of["reasons"] if one["held"] == "true"]
    assert [one["found"] for one in reason["clauses"]] == ["true", "High"]
    code, shown = told.shown("eval", PACKS / "exploited.stella", "--finding", "f.json")
    assert (code, shown.splitlines()[0]) == (0, "status blocked, by rule exploited_inside")


def test_an_exception_counts_as_long_as_it_lasts(told: Told, tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text("[finding]\nkev = true\nseverity.normalized = 'High'\n")
    (tmp_path / "e.toml").write_text(
        "[[exception]]\nname = 'e'\nwhen = 'kev'\njustification = 'j'\nauthor = 'a'\nexpires = 2026-11-01T00:00:00Z\n"
    )
    words = ("eval", PACKS / "exploited.stella", "--finding", "f.toml", "--exceptions", "e.toml", "--as-of")
    assert told(*words, "2026-10-31T23:59:59Z")[1]["explanation"]["status"] == "ignored"
    assert told(*words, "2026-11-01T00:00:00Z")[1]["explanation"]["status"] == "blocked"


@pytest.mark.parametrize(
    ("finding", "code"), [("{", "POLICY-202"), ('{"finding": {"kv": 1}}', "POLICY-203"), ('{"as_of": 3}', "POLICY-204")]
)
def test_a_bad_finding_has_its_code(told: Told, tmp_path: Path, finding: str, code: str) -> None:
    (tmp_path / "f.json").write_text(finding)
    found, problem = told("eval", PACKS / "exploited.stella", "--finding", "f.json")
    assert (found, problem["code"]) == (2, code)


def test_bad_exceptions_have_their_code(told: Told, tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text("{}")
    (tmp_path / "e.toml").write_text("[[exception]]\nname = 'e'\n")
    found, problem = told("eval", PACKS / "exploited.stella", "--finding", "f.json", "--exceptions", "e.toml")
    assert (found, problem["code"]) == (2, "POLICY-302")
