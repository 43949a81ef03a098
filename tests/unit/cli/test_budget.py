"""What showing help may import: the promise that `--help` answers at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "asyncio",
    "cryptography",
    "hdiffpatch",
    "http.client",
    "json",
    "logging",
    "rich",
    "rfc3161_client",
    "shutil",
    "socket",
    "ssl",
    "stella.runtime.files",
    "subprocess",
    "tempfile",
    "tomllib",
    "tuf",
    "unittest",
    "urllib.request",
    "zstandard",
}
ROOT_HEAVY = HEAVY | {"msgspec", "stella.operations", "stella.mirror", "stella.site", "pathlib", "hashlib"}
MAX_ROOT = 125  # 117 on Python 3.11: those of the interpreter, of click, and nine of ours
MAX_NOUN = 175  # 160 on Python 3.11: msgspec and the models of the noun come on top

LIST = "import sys; from stella.cli.main import run; run(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"


def imported(*words: str) -> set[str]:
    ended = subprocess.run([sys.executable, "-c", LIST, *words], capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout.startswith("Usage: stella")
    return set(ended.stderr.split())


def test_root_help_imports_click_and_the_standard_library() -> None:
    modules = imported("--help")
    assert modules & ROOT_HEAVY == set()
    assert len(modules) <= MAX_ROOT, sorted(modules)


@pytest.mark.parametrize("words", [("mirror", "--help"), ("mirror", "create", "--help"), ("site", "import", "--help")])
def test_help_of_a_noun_imports_its_models_only(words: tuple[str, ...]) -> None:
    modules = imported(*words)
    assert modules & HEAVY == set()
    assert len(modules) <= MAX_NOUN, sorted(modules)


def test_the_list_sees_a_heavy_import() -> None:
    assert {"msgspec", "stella.operations", "stella.mirror"} <= imported("mirror", "--help")
