"""Annotations: lines of a pipeline's log that GitHub and Gitea show beside the code.

Rules:
- The form is that of GitHub's workflow commands. What could end a line, or a property, is percent-encoded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

Level = Literal["error", "warning", "note"]
_COMMANDS: dict[Level, str] = {"error": "error", "warning": "warning", "note": "notice"}
_IN_PROPERTY = ":,"


class Annotation(NamedTuple):
    """One thing to show; lines and columns count from 1, an end of 0 is not said."""

    level: Level
    file: str
    line: int
    column: int
    title: str
    message: str
    end_line: int = 0
    end_column: int = 0


def log_lines(annotations: Iterable[Annotation]) -> bytes:
    """One line for each."""
    return "".join(f"{_line(one)}\n" for one in annotations).encode("utf-8", "backslashreplace")


def _line(one: Annotation) -> str:
    said = [f"file={_escaped(one.file, _IN_PROPERTY)}", f"line={one.line}", f"col={one.column}"]
    said += [f"endLine={one.end_line}", f"endColumn={one.end_column}"] if one.end_line else []
    said.append(f"title={_escaped(one.title, _IN_PROPERTY)}")
    return f"::{_COMMANDS[one.level]} {','.join(said)}::{_escaped(one.message)}"


def _escaped(text: str, more: str = "") -> str:
    for letter in "%\r\n" + more:
        text = text.replace(letter, f"%{ord(letter):02X}")
    return text
