"""Texts that stand for all texts: as many as a policy can tell apart.

Rules:
- Two texts that pass the same tests of a policy are one case; each case has one text that stands for it.
- Texts that no test names come first, the shortest first: they are the plainest examples.
- What a text passes is asked of the reference interpreter, never worked out a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

_ENDS = ("other", "x", "z", "q", "y", "1", "~", "#", "^", "|")
_PRIVATE = 0xE000  # where the private characters of Unicode begin
_SAME_LOWER = {"k": "\u212a", "\u00e5": "\u212b", "\u03c9": "\u2126", "\u03b8": "\u03f4", "\u00df": "\u1e9e"}
"""Characters whose lower case is that of another pair of letters (Unicode 15, UnicodeData.txt)."""


class Patterns(NamedTuple):
    """The words and prefixes that one column is compared with; those of `lower` with its lower-case form."""

    words: frozenset[str] = frozenset()
    prefixes: frozenset[str] = frozenset()
    lower_words: frozenset[str] = frozenset()
    lower_prefixes: frozenset[str] = frozenset()


def cases(patterns: Patterns) -> tuple[str, ...]:
    """One text for each case of a column."""
    named = patterns.words | patterns.lower_words
    plainest = _ended(patterns, "")
    candidates = {*named, plainest}
    candidates |= {_ended(patterns, prefix) for prefix in patterns.prefixes | patterns.lower_prefixes}
    mixed = (patterns.words or patterns.prefixes) and (patterns.lower_words or patterns.lower_prefixes)
    if mixed:
        candidates |= set(_departures(patterns))
    ordered = sorted(candidates, key=lambda text: (text in named, text != plainest, len(text), text))
    if not (patterns.lower_words or patterns.lower_prefixes):
        return tuple(ordered)
    seen: dict[tuple[object, ...], str] = {}
    for text in ordered:
        seen.setdefault(_passes(patterns, text), text)
    return tuple(seen.values())


def effort(patterns: Patterns) -> int:
    """How many steps `cases` takes, about."""
    exact, lower = patterns.words | patterns.prefixes, patterns.lower_words | patterns.lower_prefixes
    starts = len(patterns.prefixes) + len(patterns.lower_prefixes)
    steps = len(exact) + len(lower) + starts * (len(exact) + len(lower))
    if exact and lower:
        steps += (1 + sum(map(len, exact))) * len(lower)
    return steps // 4


def is_exact(patterns: Patterns) -> bool:
    """Whether `cases` surely has every case.

    Beyond ASCII a lower-case form can depend on the letters around it, so a mix of both kinds of tests may have more.
    """
    exact, lower = patterns.words | patterns.prefixes, patterns.lower_words | patterns.lower_prefixes
    return not (exact and lower) or all(text.isascii() for text in exact | lower)


def _passes(patterns: Patterns, text: str) -> tuple[object, ...]:
    low = text.lower()
    return (
        text if text in patterns.words else None,
        frozenset(prefix for prefix in patterns.prefixes if text.startswith(prefix)),
        low if low in patterns.lower_words else None,
        frozenset(prefix for prefix in patterns.lower_prefixes if low.startswith(prefix)),
    )


def _departures(patterns: Patterns) -> Iterator[str]:
    """Texts whose lower-case form goes on along a pattern after their own form has left all exact patterns."""
    live = {text[:size] for text in patterns.words | patterns.prefixes for size in range(len(text) + 1)} | {""}
    for low in patterns.lower_words | patterns.lower_prefixes:
        for head in live:
            yield from _leave(patterns, low, head, live)


def _leave(patterns: Patterns, low: str, head: str, live: set[str]) -> Iterator[str]:
    size = len(head.lower())
    if not low.startswith(head.lower()):
        return
    if size == len(low):
        yield from (head, _ended(patterns, head))
        return
    for letter in _variants(low[size:]):
        if head + letter not in live:
            rest = low[size + len(letter.lower()) :]
            yield from (head + letter + rest, _ended(patterns, head + letter + rest))


def _variants(rest: str) -> Iterable[str]:
    """All that can be written for the next letter of a lower-case text."""
    letter = rest[0]
    found = [letter, letter.upper(), _SAME_LOWER.get(letter, letter)]
    if rest.startswith("i\u0307"):
        found.append("\u0130")
    return [one for one in dict.fromkeys(found) if rest.startswith(one.lower())]


def _ended(patterns: Patterns, head: str) -> str:
    """A text that begins so, and goes on in a way in which no pattern does."""
    exact, lower = patterns.words | patterns.prefixes, patterns.lower_words | patterns.lower_prefixes
    used = {text[len(head)].lower() for text in exact if text.startswith(head) and len(text) > len(head)}
    low = head.lower()
    used |= {text[len(low)].lower() for text in lower if text.startswith(low) and len(text) > len(low)}
    for end in _ENDS:
        if end[0] not in used:
            return head + end
    code = _PRIVATE
    while chr(code) in used:
        code += 1
    return head + chr(code)
