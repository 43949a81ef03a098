"""The command line with the fake slice, as a process: `python tests/unit/cli/fake_stella.py fake say word`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from stella import bootstrap
from stella.cli.main import main

bootstrap.NOUNS["fake"] = bootstrap.Noun("tests.unit.cli.fake_slice", "A slice for tests.")
main()
