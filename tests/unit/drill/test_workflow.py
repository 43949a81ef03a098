"""The workflow that runs the drills names every one of them, and flags that they have."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from stella import bootstrap
from stella.operations import fields_of

ROOT = Path(__file__).parents[3]


def test_every_drill_is_run_with_flags_that_it_has() -> None:
    flow = yaml.safe_load((ROOT / ".gitea/workflows/tenant-chaos.yml").read_text())
    job = flow["jobs"]["drill"]
    operations = {found.verb: found for found in bootstrap.load("drill")}
    assert set(job["strategy"]["matrix"]["drill"]) == set(operations)
    for step in job["steps"]:
        used = set(re.findall(r"--([a-z]+)", step.get("run", "")))
        for name, operation in operations.items():
            if step.get("if") == f"matrix.drill != '{name}'":
                continue
            assert used <= {field for field, *_ in fields_of(operation.request)}, name


def test_the_paths_that_start_it_are_there() -> None:
    flow = yaml.safe_load((ROOT / ".gitea/workflows/tenant-chaos.yml").read_text())
    for path in flow[True]["pull_request"]["paths"]:  # YAML 1.1 reads the word `on` as a truth
        assert (ROOT / path.removesuffix("/**")).exists()
