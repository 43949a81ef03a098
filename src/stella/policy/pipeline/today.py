"""Which policy of today each proposed one is held against.

Rules:
- A folder of today's policies stands for the folder that is checked: a file is held against the one of the same place.
- One that moved is found by its policy id. What is nowhere is new, and held against none.
- A policy of today that has no successor is held against none too: what it blocks would go out. It counts only where
  whole folders are checked, for of a single file nobody says that the others are gone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from stella.language.compile import MAX_SOURCE, compile_policy
from stella.policy.simulation.deciding import ACTIVE
from stella.policy.simulation.simulating import NONE
from stella.policy.text.errors import NoPolicies
from stella.policy.text.model import Linted
from stella.policy.text.sources import sources
from stella.runtime.files import read_file


class Pair(NamedTuple):
    """A policy of today and the one that is proposed; either may be `none`."""

    before: str
    after: str

    @property
    def file(self) -> str:
        """The file that a step about them speaks of."""
        return self.before if self.after == NONE else self.after


def pairs(given: str, paths: Sequence[str], proposed: Sequence[Linted]) -> list[Pair]:
    """Every proposed policy with that of today, then those that are gone; raises as `sources` and `read_file`."""
    if given in {ACTIVE, NONE} or not Path(given).is_dir():
        return [Pair(given, one.file) for one in proposed]
    left = _policies(given)
    found: dict[str, str] = {}
    for one in proposed:
        place = os.path.normpath(Path(given, _place(one.file, paths)))
        if place in left:
            found[one.file] = left.pop(place)
    moved = {_id(path): place for place, path in reversed(left.items())}
    for one in proposed:
        if one.file not in found and one.policy in moved:
            found[one.file] = left.pop(moved.pop(one.policy))
    gone = left.values() if all(Path(path).is_dir() for path in paths) else ()
    return [Pair(found.get(one.file, NONE), one.file) for one in proposed] + [Pair(path, NONE) for path in gone]


def _policies(folder: str) -> dict[str, str]:
    try:
        return {os.path.normpath(path): str(path) for path in sources([folder])}
    except NoPolicies:
        return {}


def _place(file: str, paths: Sequence[str]) -> str:
    """Where a file is below the folder that was given; its name where it was given itself."""
    for path in sorted(paths, key=len, reverse=True):
        if Path(path).is_dir() and Path(file).is_relative_to(path):
            return str(Path(file).relative_to(path))
    return Path(file).name


def _id(path: str) -> str:
    compiled = compile_policy(read_file(Path(path), MAX_SOURCE))
    return compiled.policy.policy_id if compiled.policy is not None else ""
