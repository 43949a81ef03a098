"""Runs one import on a machine whose wall clock is wrong, which no setting of the product allows.

Rules:
- Only the wall clock is shifted, as a person or a dead battery would do it; the boot clock runs on.
- The process is sealed before anything else happens.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys

from stella import bootstrap
from stella.kernel.errors import StellaError
from stella.kernel.instant import Reading, Seconds
from stella.runtime import egress
from stella.runtime.clock import SystemClock
from stella.runtime.ports import Progress
from stella.site import service
from stella.site.model import ImportBundle


class WrongClock:
    """The clocks of this machine with the wall clock shifted."""

    def __init__(self, shift: Seconds) -> None:
        self._shift = shift

    def read(self) -> Reading:
        """The reading with a shifted wall clock."""
        reading = SystemClock().read()
        return Reading(reading.wall + self._shift, reading.boot_id, reading.boot_seconds)


class Quiet:
    """Progress that nobody watches."""

    def start(self, task: str, total: int | None, unit: str) -> None:
        """Ignore."""

    def advance(self, amount: int) -> None:
        """Ignore."""


def main(arguments: list[str]) -> int:
    """`SHIFT_SECONDS BUNDLE SITE`: prints the problem as JSON, or nothing when the import was accepted."""
    shift, bundle, site = arguments
    egress.seal()
    quiet: Progress = Quiet()
    context = bootstrap.make_context(bootstrap.configure("site.import", os.environ), quiet, os.environ)
    try:
        service.import_bundle(
            dataclasses.replace(context, clock=WrongClock(int(shift))), ImportBundle(bundle=bundle, dir=site)
        )
    except StellaError as problem:
        sys.stdout.write(json.dumps(problem.problem()))
        return int(problem.exit)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
