"""Public samples: what is known to be wrong in them is found, and nothing else."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from stella.inventory import making
from stella.inventory.errors import TooManyBad
from stella.inventory.loading import load_star
from stella.inventory.model import LoadInventory
from tests.fleets import context

DATA = Path(__file__).parents[4] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"public samples are not at {DATA}")


def test_public_samples(tmp_path: Path) -> None:
    for name in ("cyclonedx", "spdx", "openvex", "osv-pypi", "osv-go"):
        with tarfile.open(DATA / f"{name}.tar.xz") as packed:
            packed.extractall(tmp_path, filter="data")
    want = LoadInventory(
        dir=str(tmp_path / "store"),
        sbom=(str(tmp_path / "cyclonedx"), str(tmp_path / "spdx")),
        advisories=(str(tmp_path / "osv-pypi"), str(tmp_path / "osv-go")),
        vex=(str(tmp_path / "openvex"),),
        kev=str(DATA / "kev.json.gz"),
        as_of="2026-08-01T00:00:00Z",
    )
    with pytest.raises(TooManyBad, match="two packages have this SPDXID"):
        making.load(context(), want)
    skipping = LoadInventory(**{**{name: getattr(want, name) for name in want.__struct_fields__}, "skip_refused": True})
    result = making.load(context(), skipping)
    assert len(result.refused) == 2
    assert {one.reason: one.count for one in result.left} == {
        "bad_purl": 1,
        "broken_range": 1,
        "reference_cycle": 4,
        "refused": 2,
        "unordered_version": 2,
    }
    assert load_star(result.path).findings == result.figures.findings == 439
