"""Texts of policies, and ways to run the operations on them."""

from __future__ import annotations

from pathlib import Path

from stella.kernel.instant import parse_time
from stella.operations import Context
from stella.runtime.settings import Settings
from stella.testing import ManualClock, SilentProgress, counted_entropy

TODAY = "2026-12-01T00:00:00Z"


def context(at: str = TODAY) -> Context:
    """A context at an instant."""
    return Context(ManualClock(parse_time(at)), counted_entropy("x"), SilentProgress(), Settings(), lambda _: b"", "me")


def policy(*members: str, name: str = "p") -> str:
    """A policy of some members, each on its own line; the first one is line 2."""
    inside = "\n".join(f"  {member}" for member in members)
    return f'policy "{name}" syntax "stella-dsl@1" {{\n{inside}\n}}\n'


def rule(when: str, *, name: str = "a", priority: int = 1, then: str = 'status := "blocked"', more: str = "") -> str:
    """A rule on one line."""
    return f'rule {name} priority {priority} {{ when {when} then {then} {more} because "why" }}'


def lay(top: Path, files: dict[str, str | bytes]) -> Path:
    """Files in a folder."""
    for name, content in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return top


GOOD = policy(rule("kev"))
EXCEPTION = """[[exception]]
name = "{name}"
when = '{when}'
justification = "ticket SEC-1"
author = "ada"
expires = {expires}
"""
