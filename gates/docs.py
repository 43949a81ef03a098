"""The docs gate: what documents say is what the program does, and they say nothing of the machine they were written on.

Rules:
- A `console` block whose command is help, `explain`, `make help` or `make figures` is run, and its text must be the
  real output.
- The generated reference must be what the operation table makes today.
- Links between documents must lead somewhere.
- Locks hold no address. Other texts name only hosts that are listed here, and no path of a person's machine.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

HOSTS = frozenset(
    {
        "127.0.0.1",  # loopback
        "api.osv.dev",  # appears as data of the OSV format
        "bucket",  # of s3://BUCKET/PREFIX, which names no host; like my-bucket below
        "cyclonedx.org",
        "example.com",
        "keepachangelog.com",
        "localhost",
        "my-bucket",
        "openvex.dev",  # names the OpenVEX format
        "ossf.github.io",
        "semver.org",
        "stella-ops.org",
        "www.apache.org",
        "www.rfc-editor.org",
        "www.w3.org",
    }
)
WIDTH = "100"  # columns that help is laid out for in the documents

_BLOCK = re.compile(r"^```console\n\$ (?P<command>[^\n]+)\n(?P<output>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)\s#]+)(?:#[^)\s]*)?\)")
_ADDRESS = re.compile(r"(?<![\w+.])[a-z][a-z0-9+]*://(?:[^\s/@'\"]*@)?([A-Za-z0-9.-]+)")
_LOCK_ADDRESS = re.compile(r"://| @ |^\s*-{1,2}(?:i\b|f\b|index|extra-index|find-links|trusted-host)", re.MULTILINE)
_MACHINE = re.compile(r"(?<![\w.])/(?:home|root|Users|work|tmp|mnt)/[\w.-]+")


class Example(NamedTuple):
    """A command shown in a document with the output shown under it."""

    command: str
    output: str
    line: int


def examples(text: str) -> Iterator[Example]:
    """Console blocks whose output must be real: help, `explain`, `make help`, `make figures`."""
    for block in _BLOCK.finditer(text):
        words = shlex.split(block["command"], comments=True)
        if "--help" in words or words[:2] in (["stella", "explain"], ["make", "help"], ["make", "figures"]):
            yield Example(block["command"], block["output"], text.count("\n", 0, block.start()) + 2)


def stale_examples(path: str, text: str, run: Callable[[str], str]) -> list[str]:
    """One line for each example whose output is not what `run` gives; trailing blanks do not count."""
    return [
        f"{path}:{shown.line}: `{shown.command}` prints something else today"
        for shown in examples(text)
        if _trimmed(run(shown.command)) != _trimmed(shown.output)
    ]


def _trimmed(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def dead_links(path: str, text: str, exists: Callable[[str], bool]) -> list[str]:
    """One line for each relative link to a file that is not there."""
    return [f"{path}: link to `{target}` leads nowhere" for target in _LINK.findall(text) if not exists(target)]


def lock_addresses(path: str, text: str) -> list[str]:
    """One line for each address or index option in a lock."""
    return [f"{path}:{_line(text, found)}: a lock holds no address" for found in _LOCK_ADDRESS.finditer(text)]


def foreign(path: str, text: str) -> list[str]:
    """One line for each address of a host that is not listed, and for each path of a machine."""
    hosts = [
        f"{path}:{_line(text, found)}: host `{found[1]}` is not in the list of gates/docs.py"
        for found in _ADDRESS.finditer(text)
        if found[1].lower() not in HOSTS and not found[1].endswith((".invalid", ".example"))
    ]
    machine = [
        f"{path}:{_line(text, found)}: `{found[0]}` is a path of one machine" for found in _MACHINE.finditer(text)
    ]
    return hosts + machine


def _line(text: str, found: re.Match[str]) -> int:
    return text.count("\n", 0, found.start()) + 1


def texts(top: Path) -> Mapping[str, str]:
    """Every document, lock, example and pipeline file by its path below `top`."""
    patterns = ("*.md", "docs/**/*.md", "requirements/*", "pyproject.toml", "Makefile", "examples/**/*", ".gitea/**/*")
    files = sorted({file for pattern in patterns for file in top.glob(pattern) if file.is_file()})
    return {str(file.relative_to(top)): file.read_text(encoding="utf-8") for file in files}


def real_output(top: Path) -> Callable[[str], str]:
    """A runner of shown commands with the tools of this checkout, laid out for WIDTH columns and without colour."""
    bin_folder = str(Path(sys.executable).parent)
    path = os.pathsep.join([bin_folder, os.environ.get("PATH", os.defpath)])
    environment = {**os.environ, "PATH": path, "COLUMNS": WIDTH, "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}

    def run(command: str) -> str:
        words = shlex.split(command, comments=True)
        # The commands come from the documents of this checkout and are limited to help.
        done = subprocess.run(words, cwd=top, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        return done.stdout + done.stderr

    return run


def problems_of(top: Path, run: Callable[[str], str]) -> list[str]:
    """Everything that is wrong with the documents below `top`, the generated reference apart."""
    found: list[str] = []
    for path, text in texts(top).items():
        if path.startswith("requirements/"):
            found += lock_addresses(path, text)
            continue
        found += foreign(path, text)
        if path.endswith(".md"):
            found += dead_links(path, text, lambda target, folder=(top / path).parent: (folder / target).exists())  # type: ignore[misc]
            found += stale_examples(path, text, run)
    return found


def reference_is_current(top: Path) -> bool:
    """Whether the generated reference is what the operation table makes; it says itself what is stale."""
    return (
        subprocess.run([sys.executable, "-m", "stella.cli.reference", "--check"], cwd=top, check=False).returncode == 0
    )


def main(top: Path, run: Callable[[str], str], current: Callable[[Path], bool]) -> int:
    """Print each problem; 1 when there is one."""
    problems = problems_of(top, run)
    for problem in problems:
        print(f"docs: {problem}", file=sys.stderr)
    if not current(top) or problems:
        return 1
    print("docs: examples, links, addresses and reference are right")
    return 0


if __name__ == "__main__":
    checkout = Path(__file__).resolve().parent.parent
    sys.exit(main(checkout, real_output(checkout), reference_is_current))
