"""What the evidence of a simulation says to the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stella.inventory import making
from stella.language.compile import compile_policy
from stella.policy.examination.examining import Subject
from stella.policy.examination.foretelling import foretold
from tests.fleets import FleetFiles, context
from tests.unit.policy.texts import policy, rule


def verdicts(tmp_path: Path, when: str) -> dict[str, str]:
    snapshot = making.load(context(), FleetFiles(tmp_path).request()).path
    compiled = compile_policy(policy(rule(when))).policy
    assert compiled is not None
    version: Any = type("Found", (), {"digest": "a" * 64})()
    found = foretold(context(), snapshot, None, Subject(version, compiled, None, ()))
    return {one.kind: one.verdict for one in found.found}


@pytest.mark.parametrize(
    ("when", "verdict"),
    [("kev", "passed"), ("env.exposure == 'internet'".replace("'", '"'), "degraded")],
)
def test_what_nobody_can_decide_is_pending(tmp_path: Path, when: str, verdict: str) -> None:
    assert verdicts(tmp_path, when) == {"shadow": verdict, "simulation": verdict, "determinism": "passed"}
