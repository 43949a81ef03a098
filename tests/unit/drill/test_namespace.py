"""Packets are lost in a network of its own: the short drill each time, that of the outage every night."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stella.drill.errors import NoNamespace

ROOT = Path(__file__).parents[3]


@pytest.mark.network
def test_packets_are_dropped(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stella", "drill", "clock-skew", "--netns", "--speed", "10000", "--tenants", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TMPDIR": str(tmp_path)}
    found = subprocess.run([*command, "--json"], env=environment, capture_output=True, text=True, check=False)
    if found.returncode == NoNamespace.exit:
        pytest.skip(json.loads(found.stdout)["detail"])
    assert found.returncode == 0, found.stdout + found.stderr
    result = json.loads(found.stdout)
    assert result["mode"] == "packets"
    assert [event["detail"] for event in result["events"] if event["name"] == "outage.began"] == [
        "https://issuer-1.example.com: drop"
    ]
    assert list(tmp_path.iterdir()) == []
