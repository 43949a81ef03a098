"""The policy language: parsing beside lark, and what checking, naming and formatting a policy cost.

Rules:
- Both parsers read the same texts, turn by turn in one run; each time is CPU time of the parser alone, and each ratio
  the median of the rounds' own ratios.
- lark has the same grammar, and its fastest parser and lexer; it finds one error of a file, ours finds all.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from peers import installed

from stella.language.compile import compile_policy
from stella.language.format import formatted
from stella.language.ir import digest
from stella.language.parser import parse

HERE = Path(__file__).resolve().parent
LARK = "lark==1.3.1"
SIZES = (20, 1000)  # rules
ROUNDS = 15
RULE = """\
  // rule {n}
  rule r{n} priority {n} {{
    when severity.normalized >= "High" and (kev or epss >= 0.5)
      and not vex.any(status == "not_affected" and trust >= 0.8)
    then status := "blocked"
    because "reason number {n}"
  }}
"""


def text_of(rules: int) -> str:
    """A policy of so many rules."""
    return 'policy "p" syntax "stella-dsl@1" {\n' + "\n".join(RULE.format(n=n) for n in range(rules)) + "}\n"


def language(work: Path) -> dict[str, object]:
    """Milliseconds by number of rules, and how many times as long lark takes to parse."""
    work.mkdir(parents=True, exist_ok=True)
    place = installed(work / "lark", [LARK])
    out: dict[str, object] = {}
    peer = None if isinstance(place, str) else _peer(place)
    for size in SIZES:
        file = work / f"{size}.stella"
        file.write_text(text_of(size))
        rounds = [_round(file, peer) for _ in range(ROUNDS)]
        found = _alone(file.read_text())
        found["parse_ms"] = round(1000 * statistics.median(mine for mine, _ in rounds), 2)
        if peer:
            found["lark_ms"] = round(1000 * statistics.median(other for _, other in rounds), 2)
            found["lark_takes_times_as_long"] = round(statistics.median(other / mine for mine, other in rounds), 1)
        out[f"{size}_rules"] = found
    return out | ({"skipped": place} if isinstance(place, str) else {})


def _round(file: Path, peer: Callable[[Path], float] | None) -> tuple[float, float]:
    text = file.read_text()
    return _cpu(lambda: parse(text)), peer(file) if peer else 0.0


def _alone(text: str) -> dict[str, float]:
    compiled = compile_policy(text)
    policy, tree = compiled.policy, compiled.tree
    if policy is None or tree is None:
        raise SystemExit("the policy of the bench does not compile")
    steps: dict[str, Callable[[], object]] = {
        "compile_ms": lambda: compile_policy(text),
        "digest_ms": lambda: digest(policy),
        "format_ms": lambda: formatted(tree, compiled.lexed),
    }
    return {name: round(1000 * min(_cpu(step) for _ in range(5)), 2) for name, step in steps.items()}


def _cpu(step: Callable[[], object]) -> float:
    begin = time.process_time()
    step()
    return time.process_time() - begin


def _peer(place: Path) -> Callable[[Path], float]:
    peer = subprocess.Popen(
        [str(place / "python"), str(HERE / "language_peer.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    asks, answers = peer.stdin, peer.stdout
    if asks is None or answers is None:
        raise SystemExit("the peer cannot be asked")

    def ask(file: Path) -> float:
        print(file, file=asks, flush=True)
        return float(answers.readline())

    return ask
