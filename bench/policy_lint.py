"""The lint of policies: the start of a process without proofs, and with proofs by the number of rules.

Rules:
- Policies are made up, with rules as a team writes them: severity, a threshold, a namespace, what a vendor says. No
  rule takes all of another one's findings, so that every claim has to be proved.
- Cold is the first proof of a process, with the solver's start; warm the best of the next ones; an edit is one rule of
  a policy that was proved before. All are CPU milliseconds.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from measure import PLAIN, run

from stella.language.compile import compile_policy
from stella.policy.text.proofs import judged
from stella.prover.memory import Memory

RULES = (20, 100, 200, 500)
ROUNDS = 7
WARM = 3
RULE = """\
  rule team_{number} priority {priority} {{
    when severity.normalized >= "High" and epss >= 0.{percent:02} and asset.namespace == "team-{number}"
      and not vex.any(status == "not_affected" and trust >= 0.{tenth})
    then status := "blocked"
    because "team {number} has agreed to it"
  }}
"""


def text_of(rules: int, edited: int = -1) -> str:
    """A policy of so many rules; one of them with another threshold."""
    made = [
        RULE.format(
            number=number, priority=number + 1, percent=number % 80 + 10 + (number == edited), tenth=number % 9 + 1
        )
        for number in range(rules)
    ]
    return f'policy "bench" syntax "stella-dsl@1" {{\n{"".join(made)}}}\n'


def policy_lint(work: Path) -> dict[str, object]:
    """Milliseconds of a lint without proofs as a process, and of proofs by the number of rules."""
    work.mkdir(parents=True, exist_ok=True)
    out: dict[str, object] = {}
    for rules in RULES:
        path = work / f"{rules}.stella"
        path.write_text(text_of(rules))
        out[f"{rules} rules"] = {"start_cpu_ms": _start(path)} | _proofs(rules)
    return out


def _start(path: Path) -> float:
    line = [sys.executable, "-m", "stella", "policy", "lint", str(path), "--no-proofs"]
    return round(1000 * statistics.median(run(line, path.parent, PLAIN).cpu for _ in range(ROUNDS)), 1)


def _proofs(rules: int) -> dict[str, float]:
    text = text_of(rules)
    compiled = compile_policy(text)
    cold = _cost(lambda: judged(compiled))
    warm = min(_cost(lambda: judged(compiled)) for _ in range(WARM))
    memory = Memory()
    judged(compiled, memory=memory)
    edited = compile_policy(text_of(rules, rules // 2))
    return {
        "compile_ms": min(_cost(lambda: compile_policy(text)) for _ in range(WARM)),
        "proofs_cold_ms": cold,
        "proofs_warm_ms": warm,
        "proofs_edit_ms": _cost(lambda: judged(edited, memory=memory)),
    }


def _cost(once: Callable[[], object]) -> float:
    begin = time.process_time()
    once()
    return round(1000 * (time.process_time() - begin), 1)
