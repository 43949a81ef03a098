"""The nearest known word to a mistyped one, for hints."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

CUTOFF = 0.6  # below this similarity a guess misleads more than it helps


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like `word`, or None when nothing is like it."""
    spelled = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), spelled, n=1, cutoff=CUTOFF)
    return spelled[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """A hint: the nearest known word as a question, or `otherwise` when nothing is like it."""
    found = nearest(word, known)
    return f"did you mean `{found}`?" if found else otherwise
