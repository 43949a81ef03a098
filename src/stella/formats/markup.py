"""Pieces of markup that a page and its pictures share.

Rules:
- Every text from outside passes `safe`: it can neither open a tag, nor leave an attribute, nor turn the reading order.
- A verdict is told by icon, word and colour; the word alone is enough.
"""

from __future__ import annotations

from html import escape
from typing import Final, Literal

Verdict = Literal["passed", "refused", "failed", "warning", "open"]

# Verdict: the word that is shown, the class that colours it, and the icon as a path in a box of 16 by 16.
_VERDICTS: Final[dict[Verdict, tuple[str, str, str]]] = {
    "passed": ("passed", "good", "M3.5 8.5l3 3 6-7"),
    "refused": ("refused", "good", "M8 1.8l5.2 2v4c0 3.2-2.2 5.4-5.2 6.4-3-1-5.2-3.2-5.2-6.4v-4zM5.6 8h4.8"),
    "failed": ("failed", "bad", "M4 4l8 8M12 4l-8 8"),
    "warning": ("warning", "warn", "M8 2l6.4 11.5H1.6zM8 6.3v3.2M8 11.4v.2"),
    "open": ("not checked", "dim", "M4 8h8"),
}
NBSP: Final = "\u00a0"  # keeps a number and its unit on one line
VERDICTS: Final[tuple[Verdict, ...]] = tuple(_VERDICTS)


def safe(text: str) -> str:
    """Text for content and quoted attributes; characters that do not print are shown by their code, but for NBSP."""
    shown = (char if char.isprintable() or char == NBSP else f"\\u{ord(char):04x}" for char in text)
    return escape("".join(shown), quote=True)


def word_of(verdict: Verdict) -> str:
    """The word a person reads."""
    return _VERDICTS[verdict][0]


def tone_of(verdict: Verdict) -> str:
    """The class that gives the colour."""
    return _VERDICTS[verdict][1]


def icon_path(verdict: Verdict) -> str:
    """Outline of the icon in a box of 16 by 16."""
    return f'<path d="{_VERDICTS[verdict][2]}"/>'


def icon(verdict: Verdict) -> str:
    """The icon beside a word; hidden from screen readers, which read the word."""
    return f'<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">{icon_path(verdict)}</svg>'


def badge(verdict: Verdict) -> str:
    """Icon and word in the colour of the verdict."""
    return f'<span class="badge {tone_of(verdict)}">{icon(verdict)}{word_of(verdict)}</span>'
