"""What a snapshot is does not depend on the process that makes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import stella
from tests.fleets import AS_OF, FleetFiles, cyclonedx, not_affected, openvex


def test_the_digest_does_not_depend_on_how_texts_are_hashed(tmp_path: Path) -> None:
    files = FleetFiles(tmp_path)
    files.put("sboms/more.json", cyclonedx("more", *(f"pkg:pypi/django@4.{n}" for n in range(20))))
    for vendor in "abc":
        told = [not_affected("PYSEC-2026-1", f"pkg:pypi/django@4.{n}", timestamp=AS_OF) for n in range(20)]
        files.put(f"vex/{vendor}.json", openvex(*told, author=vendor))
    words = ["inventory", "load", "--sbom", "sboms", "--advisories", "osv", "--vex", "vex", "--assets", "assets.toml"]
    made = []
    for seed in ("1", "2"):
        source = str(Path(stella.__file__).parents[1])
        done = subprocess.run(
            [sys.executable, "-m", "stella", *words, "--json", "--as-of", AS_OF, "--dir", f"store-{seed}"],
            cwd=tmp_path,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": source, "PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            capture_output=True,
            check=True,
        )
        made.append(json.loads(done.stdout))
    assert made[0]["digest"] == made[1]["digest"]
    assert made[0]["figures"]["statements"] > 3


def test_what_only_looks_at_a_snapshot_loads_nothing_heavy() -> None:
    code = (
        "import sys, stella.inventory.operations, stella.inventory.service;"
        "print(sorted({'polars', 'numpy', 'yaml', 'packageurl'} & sys.modules.keys()))"
    )
    source = str(Path(stella.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": source}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
