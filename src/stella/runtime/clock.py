"""The clocks of this machine: the only code that reads one.

Rules:
- The wall clock is believed by nobody alone; the boot clock counts suspended time and cannot be set by hand.
- No variable and no setting moves a clock. Code that needs another time is given another Clock.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from stella.kernel.instant import Reading

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class SystemClock:
    """The Clock port over the operating system."""

    def __init__(self) -> None:
        self._boot_id = _boot_id()

    def read(self) -> Reading:
        return Reading(wall=int(time.time()), boot_id=self._boot_id, boot_seconds=_boot_seconds())


def _boot_seconds() -> int:
    return int(time.clock_gettime(time.CLOCK_BOOTTIME))


def _boot_id() -> str:
    """Id of this boot; where /proc hides it, an id that no other process shares, so that no time is carried over."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return f"process-{os.getpid()}-{_boot_seconds()}"
