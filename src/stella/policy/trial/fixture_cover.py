"""How much of a policy its fixtures show, as diagnostics: what `stella policy test` tells in full.

Rules:
- The limits are those that a policy should have when it is promoted; `stella policy test` takes others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from stella.kernel.errors import StellaError
from stella.language.compile import Compiled
from stella.language.diagnostics import Diagnostic, found
from stella.operations import Context
from stella.policy.trial.model import TestPolicy
from stella.policy.trial.testing import test
from stella.runtime.silent import Silent

MIN_COVERAGE = 100  # percent of the terms: one that no fixture reaches was never seen to work
MIN_SCORE = 80  # percent of the mutants


def cover(ctx: Context, path: Path, compiled: Compiled, *, prove: bool) -> Iterator[Diagnostic]:
    """What the fixtures beside a policy leave open, at its name."""
    place = compiled.places["policy"]
    quiet = dataclasses.replace(ctx, progress=Silent())
    try:
        (trial,) = test(quiet, TestPolicy(paths=(str(path),), prove=prove)).policies
    except StellaError as error:
        yield found("POL5002", f"the fixtures cannot be used: {error.message}", place)
        return
    if trial.failed:
        yield found("POL5002", f"{trial.failed} of {len(trial.fixtures)} fixtures fail", place)
    if trial.coverage < MIN_COVERAGE:
        said = f"the fixtures reach {trial.coverage} % of {trial.terms} terms, the limit is {MIN_COVERAGE} %"
        yield found("POL5002", said, place)
    if trial.score < MIN_SCORE:
        said = f"the fixtures notice {trial.score} % of {trial.mutants} mutants, the limit is {MIN_SCORE} %"
        yield found("POL5003", said, place)
