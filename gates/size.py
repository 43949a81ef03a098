"""The size gate: modules and functions stay small enough to be read at one sitting.

Rules:
- Hard limits hold for every Python file: lines in a file, lines in a function. What is made from the operation table is
  as long as the table, so its files have no limit; its functions have.
- The band (median module, 95th percentile of functions) holds for the product alone; medians count non-blank lines.
- The report is printed whether the gate passes or not, so that drift is seen before it fails.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

MAX_FILE = 500  # lines; more is two things in one file
MAX_FUNCTION = 80  # lines; more does not fit on a screen
MEDIAN_MODULE = 150  # non-blank lines; the upper end of the band that well-kept code bases share
P95_FUNCTION = 45  # lines
PRODUCT = "src"
MADE = "src/stella/client/api/"  # from the operation table
OTHERS = ("tests", "gates", "bench")


class Function(NamedTuple):
    """A function by name, first line and length in lines."""

    name: str
    line: int
    length: int


class Module(NamedTuple):
    """A file with its lines, its non-blank lines and its functions."""

    path: str
    lines: int
    filled: int
    functions: tuple[Function, ...]


def measure(path: str, text: str) -> Module:
    """Measure one file; raises SyntaxError. A function's length includes its decorators, as a reader sees it."""
    lines = text.splitlines()
    functions = tuple(
        Function(node.name, first, (node.end_lineno or first) - first + 1)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for first in [min([node.lineno, *(mark.lineno for mark in node.decorator_list)])]
    )
    return Module(path, len(lines), sum(1 for line in lines if line.strip()), functions)


def over_limit(modules: Iterable[Module]) -> list[str]:
    """One line for each file or function above a hard limit."""
    found: list[str] = []
    for module in modules:
        if module.lines > MAX_FILE and not module.path.startswith(MADE):
            found.append(f"{module.path}: {module.lines} lines, limit {MAX_FILE}")
        found += [
            f"{module.path}:{part.line}: {part.name} has {part.length} lines, limit {MAX_FUNCTION}"
            for part in module.functions
            if part.length > MAX_FUNCTION
        ]
    return found


def percentile(values: Sequence[int], share: int) -> int:
    """The value that `share` percent of the values do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[-(-len(ordered) * share // 100) - 1] if ordered else 0


def out_of_band(product: Sequence[Module]) -> tuple[str, list[str]]:
    """The report line and what is outside the band. Empty modules (package markers) do not count."""
    modules = [module.filled for module in product if module.functions or module.filled > 1]
    lengths = [part.length for module in product for part in module.functions]
    median = statistics.median(modules) if modules else 0
    tail = percentile(lengths, 95)
    report = (
        f"size: {len(modules)} modules, {sum(modules)} lines, median {median:g} (limit {MEDIAN_MODULE}), "
        f"largest {max(modules, default=0)}; {len(lengths)} functions, "
        f"median {statistics.median(lengths) if lengths else 0:g}, p95 {tail} (limit {P95_FUNCTION}), "
        f"longest {max(lengths, default=0)}"
    )
    problems = []
    if median > MEDIAN_MODULE:
        problems.append(f"{PRODUCT}: median module has {median:g} lines, limit {MEDIAN_MODULE}")
    if tail > P95_FUNCTION:
        problems.append(f"{PRODUCT}: p95 of functions is {tail} lines, limit {P95_FUNCTION}")
    return report, problems


def read(top: Path, folder: str) -> list[Module]:
    """Measure every Python file below `top/folder`, sorted by path."""
    files = sorted((top / folder).rglob("*.py"))
    return [measure(str(file.relative_to(top)), file.read_text(encoding="utf-8")) for file in files]


def main(top: Path) -> int:
    """Print the report, then each problem; 1 when there is one."""
    product = read(top, PRODUCT)
    others = [module for folder in OTHERS for module in read(top, folder)]
    report, problems = out_of_band(product)
    print(report)
    problems += over_limit([*product, *others])
    for problem in problems:
        print(f"size: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent.parent))
