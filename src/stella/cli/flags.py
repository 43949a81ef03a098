"""The switches of the command line itself: they may stand anywhere, and hold before anything else is understood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Flags(NamedTuple):
    """How to speak to the one who typed the command."""

    json: bool = False
    debug: bool = False
    no_input: bool = False


def split(arguments: Sequence[str]) -> tuple[Flags, list[str]]:
    """The switches, and the words without them; words after `--` are left alone."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    head = arguments[:end]
    flags = Flags(json="--json" in head, debug="--debug" in head, no_input="--no-input" in head)
    return flags, [word for word in head if word not in {"--json", "--debug", "--no-input"}] + list(arguments[end:])
