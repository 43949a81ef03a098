"""The switches of the command line itself: they may stand anywhere, and hold before anything else is understood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Flags(NamedTuple):
    """How to speak to the one who typed the command."""

    json: bool = False
    debug: bool = False
    no_input: bool = False
    server: str | None = None  # None: what the settings say; empty: this process


def split(arguments: Sequence[str]) -> tuple[Flags, list[str]]:
    """The switches, and the words without them; words after `--` are left alone."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    head, server = _take("--server", list(arguments[:end]))
    flags = Flags("--json" in head, "--debug" in head, "--no-input" in head, server)
    return flags, [word for word in head if word not in {"--json", "--debug", "--no-input"}] + list(arguments[end:])


def _take(flag: str, words: list[str]) -> tuple[list[str], str | None]:
    """The words without the flag and its value, and the value; a flag without one is left for click to refuse."""
    for place, word in enumerate(words):
        if word == flag and place + 1 < len(words):
            return words[:place] + words[place + 2 :], words[place + 1]
        if word.startswith(f"{flag}="):
            return words[:place] + words[place + 1 :], word.partition("=")[2]
    return words, None
