"""The tenancy lint beside ruff S608, bandit B608 and semgrep: what each finds of sixteen shapes, and what it costs.

Rules:
- One file for each shape, so that a finding anywhere in it counts, and four files in which a finding is wrong.
- Recall is measured on those files; time on the product's own sources, as CPU seconds of a process of its own.
- Only rules about SQL count for a peer. What is not there is skipped, with the reason; semgrep is taken where it is
  installed, since it comes with half a gigabyte and rules from a network.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from measure import PLAIN, run
from peers import installed
from shapes import BAD, GOOD

from stella.lint.python import lint as look

TOP = Path(__file__).resolve().parents[1]
ROUNDS = 5
BANDIT = "bandit==1.9.4"
TAINT = """\
rules:
  - id: sql
    mode: taint
    languages: [python]
    severity: ERROR
    message: sql
    pattern-sources:
      - pattern: $X
    pattern-sinks:
      - patterns:
          - pattern: $C.execute($Q, ...)
          - focus-metavariable: $Q
"""

Finder = Callable[[Path], set[str]]  # the names of the files below a folder in which a tool finds something


def lint(work: Path) -> dict[str, object]:
    """Recall, false alarms and seconds of each tool."""
    folder = work / "shapes"
    folder.mkdir(parents=True)
    for number, text in enumerate([*BAD.values(), *GOOD.values()]):
        (folder / f"{number:02}.py").write_text(text)
    tools, skipped = _tools(work)
    bad = {f"{number:02}.py" for number in range(len(BAD))}
    out: dict[str, object] = {"shapes": len(BAD), "shapes_ms": _alone()}
    rounds = [{name: run(command, TOP, PLAIN).cpu for name, (command, _) in tools.items()} for _ in range(ROUNDS)]
    for name, (_, finder) in tools.items():
        found = finder(folder)
        out[name] = {
            "found": len(found & bad),
            "wrong": len(found - bad),
            "cpu_s": round(statistics.median(one[name] for one in rounds), 3),
            "times_as_long_as_stella": round(statistics.median(one[name] / one["stella"] for one in rounds), 2),
        }
    return out | ({"skipped": skipped} if skipped else {})


def _alone() -> float:
    """Milliseconds for the shapes without the start of a process; the best of many."""
    data = [text.encode() for text in BAD.values()]
    times = []
    for _ in range(20):
        begin = time.perf_counter()
        for text in data:
            list(look(text))
        times.append(time.perf_counter() - begin)
    return round(1000 * min(times), 2)


def _tools(work: Path) -> tuple[dict[str, tuple[list[str], Finder]], dict[str, str]]:
    ours = [sys.executable, "-m", "stella", "lint", "tenancy", "--no-squawk"]
    ruff = [str(Path(sys.executable).parent / "ruff"), "check", "--isolated", "--no-cache", "--exit-zero", "--select"]
    tools: dict[str, tuple[list[str], Finder]] = {
        "stella": ([*ours, "src"], _json([*ours, "--json"], lambda log: [row["file"] for row in log["findings"]])),
        "ruff S608": (
            [*ruff, "S608", "src"],
            _json([*ruff, "S608", "--output-format", "json"], lambda log: [row["filename"] for row in log]),
        ),
    }
    skipped: dict[str, str] = {}
    place = installed(work / "bandit", [BANDIT])
    if isinstance(place, str):
        skipped["bandit B608"] = place
    else:
        bandit = [str(place / "bandit"), "-q", "--exit-zero", "-t", "B608", "-r"]
        wanted = _json([*bandit, "-f", "json"], lambda log: [row["filename"] for row in log["results"]])
        tools["bandit B608"] = ([*bandit, "src"], wanted)
    semgrep = shutil.which("semgrep")
    if semgrep is None:
        skipped["semgrep"] = "it is not installed"
    else:
        rules = work / "taint.yaml"
        rules.write_text(TAINT)
        line = [semgrep, "scan", "--quiet", "--metrics", "off", "--config", str(rules)]
        tools["semgrep taint"] = (
            [*line, "src"],
            _json([*line, "--json"], lambda log: [row["path"] for row in log["results"]]),
        )
    return tools, skipped


def _json(command: list[str], files: Callable[..., list[str]]) -> Finder:
    def find(folder: Path) -> set[str]:
        done = subprocess.run([*command, str(folder)], cwd=TOP, capture_output=True, text=True, check=False)
        return {Path(file).name for file in files(json.loads(done.stdout))}

    return find
