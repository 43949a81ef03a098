"""The system clock reads this machine's clocks and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from stella.runtime import clock


def test_a_reading_agrees_with_the_operating_system() -> None:
    before, reading, after = time.time(), clock.SystemClock().read(), time.time()
    assert int(before) <= reading.wall <= after
    assert reading.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert 0 <= time.clock_gettime(time.CLOCK_BOOTTIME) - reading.boot_seconds < 5
    assert isinstance(reading.wall, int)
    assert isinstance(reading.boot_seconds, int)


def test_no_variable_moves_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STELLA_CLOCK_OFFSET", "SOURCE_DATE_EPOCH", "FAKETIME"):
        monkeypatch.setenv(name, "-30d")
    assert abs(clock.SystemClock().read().wall - time.time()) < 5


def test_without_a_boot_id_no_other_process_shares_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "BOOT_ID", tmp_path / "absent")
    found = clock.SystemClock()
    assert found.read().boot_id.startswith(f"process-{os.getpid()}-")
    assert found.read().boot_id == found.read().boot_id
