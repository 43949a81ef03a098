"""What a command about the text of a policy may load: an answer in a tenth of a second needs no data plane."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import stella

SOURCES = str(Path(stella.__file__).parents[1])
HEAVY = {"asyncio", "cryptography", "duckdb", "hypothesis", "lsprotocol", "numba", "numpy", "polars", "pygls", "rich"}
HEAVY |= {"sqlglot", "ssl", "urllib.request", "xml.sax", "z3", "stella.engine.board", "stella.prover.proofs"}
EXAMPLE = str(Path(__file__).parents[3] / "examples/policies/exploited.stella")
RUN = """
import contextlib, sys
from stella.cli.main import run
with contextlib.redirect_stdout(sys.stderr):
    code = run(sys.argv[1:])
print(code, *sys.modules)
"""


def loaded(*words: str) -> set[str]:
    given = os.environ | {"PYTHONPATH": SOURCES}
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words], env=given, capture_output=True, text=True, timeout=60, check=True
    )
    code, *modules = done.stdout.split()
    assert code == "0", done.stderr
    return set(modules)


@pytest.mark.parametrize(
    "words",
    [
        ("policy", "--help"),
        ("policy", "lint", EXAMPLE, "--no-proofs"),
        ("policy", "fmt", EXAMPLE, "--check"),
        ("policy", "compile", EXAMPLE, "--digest"),
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_loaded(words: tuple[str, ...]) -> None:
    assert loaded(*words) & HEAVY == set()


def test_the_list_sees_what_is_heavy() -> None:
    assert loaded("policy", "lint", EXAMPLE) & HEAVY == {"stella.prover.proofs", "z3"}
