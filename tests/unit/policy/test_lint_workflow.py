"""The workflow that lints the policies asks for reports that there are, and does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stella import bootstrap
from stella.operations import fields_of
from stella.policy.text.reports import FORMATS
from tests.unit.policy.texts import lay, policy, rule

ROOT = Path(__file__).parents[3]
FLOW = yaml.safe_load((ROOT / ".gitea/workflows/policy-lint.yml").read_text())


def script() -> str:
    (step,) = (step for step in FLOW["jobs"]["lint"]["steps"] if step.get("name") == "Lint")
    return str(step["run"])


def test_it_asks_for_every_report_with_flags_that_there_are() -> None:
    operation = next(found for found in bootstrap.load("policy") if found.name == "policy.lint")
    assert set(re.findall(r"--([a-z]+)", script())) <= {name for name, *_ in fields_of(operation.request)}
    asked = dict(re.findall(r"--report (\w+)=\$OUT/(\S+)", script()))
    assert asked.keys() == FORMATS.keys()
    (upload,) = (step["with"] for step in FLOW["jobs"]["lint"]["steps"] if "upload-sarif" in step.get("uses", ""))
    assert upload["sarif_file"] == f"{FLOW['jobs']['lint']['env']['OUT']}/{asked['sarif']}"


def test_the_paths_that_start_it_are_there() -> None:
    for path in FLOW[True]["pull_request"]["paths"]:  # YAML 1.1 reads the word `on` as a truth
        assert (ROOT / path.removesuffix("/**")).exists()


@pytest.mark.parametrize(("text", "code"), [(policy(rule("kev")), 0), (policy(rule("cvss > 99")), 6)])
def test_its_script(text: str, code: int, tmp_path: Path) -> None:
    lay(tmp_path, {"p/a.stella": text, ".venv/bin/stella": f'#!/bin/sh\nexec {sys.executable} -m stella "$@"\n'})
    (tmp_path / ".venv/bin/stella").chmod(0o755)
    given = os.environ | {"POLICIES": "p", "OUT": "out", "GITHUB_STEP_SUMMARY": "summary", "PYTHONPATH": f"{ROOT}/src"}
    done = subprocess.run(
        ["bash", "-c", script()], cwd=tmp_path, env=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "policy.sarif",
        "policy.xml",
        "annotations.txt",
        "policy.md",
    }
    assert ("::error file=p/a.stella" in done.stdout) == bool(code)
    assert "Policy lint" in (tmp_path / "summary").read_text()
