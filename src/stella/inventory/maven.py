"""The order of Maven versions: the POM reference, "Version Order Specification", as Maven 4 has it.

Rules:
- A version becomes nested tokens once; comparing reads them alone.
- Numbers stand above lists, lists above words, and whatever is missing counts as zero or as the release.
"""

from __future__ import annotations

import functools
import re
from typing import TypeAlias

MAX_LENGTH = 256  # characters; Maven's own limit, which bounds nesting and digits

Token: TypeAlias = "int | str | tuple[str, int] | list[Token]"  # noqa: S105  # a part of a version

_WORDS = ("alpha", "beta", "milestone", "rc", "snapshot", "", "sp")
_RELEASES = frozenset({"ga", "final", "release"})
_SHORT = {"a": "alpha", "b": "beta", "m": "milestone"}  # when a digit follows
_RELEASE = str(_WORDS.index(""))
_SEPARATORS = frozenset(".-")
_PIECES = re.compile(r"[0-9]+|[^0-9.-]+|[.-]", re.ASCII)


@functools.total_ordering
class MavenKey:
    """A Maven version that can be compared; raises ValueError for an empty or an endless one."""

    __slots__ = ("tokens",)

    def __init__(self, version: str) -> None:
        if not 0 < len(version) <= MAX_LENGTH:
            raise ValueError("empty or longer than Maven allows")
        self.tokens = _tokens(version.lower())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MavenKey) and _compare(self.tokens, other.tokens) == 0

    def __lt__(self, other: MavenKey) -> bool:
        return _compare(self.tokens, other.tokens) < 0

    __hash__ = None  # type: ignore[assignment]  # equal versions may be spelled differently


def _tokens(version: str) -> list[Token]:
    """Nest the tokens: a hyphen, and each change between digits and letters, opens a list."""
    nest = _Nest()
    pieces: list[str] = _PIECES.findall(version)
    place = 0
    while place < len(pieces):
        piece = pieces[place]
        place += 1
        if piece in _SEPARATORS:  # nothing stands before it
            nest.add(0)
        else:
            number = _number(piece)
            if number:
                nest.add(int(piece))
            else:
                word, digits, place = _word(pieces, place, piece)
                if digits is not None or place >= len(pieces):
                    nest.deeper()
                nest.add(word if digits is None else (word, digits))
                number = digits is not None
            if place >= len(pieces):
                break
            if number and pieces[place] not in _SEPARATORS:  # from digits to letters
                nest.deeper()
                continue
            piece = pieces[place]
            place += 1
        if piece == "-":
            nest.deeper()
    return nest.whole()


class _Nest:
    """Lists within lists, of which the innermost is being filled."""

    def __init__(self) -> None:
        self._stack: list[list[Token]] = [[]]

    def add(self, token: Token) -> None:
        self._stack[-1].append(token)

    def deeper(self) -> None:
        """Open a list, unless the innermost is still empty."""
        if self._stack[-1]:
            inner: list[Token] = []
            self._stack[-1].append(inner)
            self._stack.append(inner)

    def whole(self) -> list[Token]:
        """The outermost list, with nothing in it that counts for nothing."""
        for one in reversed(self._stack):
            _normalize(one)
        return self._stack[0]


def _number(piece: str) -> bool:
    """Digits of ASCII alone are numbers."""
    return piece.isascii() and piece.isdigit()


def _word(pieces: list[str], place: int, word: str) -> tuple[str, int | None, int]:
    """A word with the number that follows it at once or after one hyphen, and the place after both."""
    after = place + 1 if pieces[place : place + 1] == ["-"] else place
    number = None
    if after < len(pieces) and _number(pieces[after]):
        number, place = int(pieces[after]), after + 1
        word = _SHORT.get(word, word)
    return "rc" if word == "cr" else word, number, place


def _normalize(tokens: list[Token]) -> None:
    """Drop zeros and empty words at the end and before words."""
    for i in reversed(range(len(tokens))):
        if tokens[i] in (0, "", []):
            after = tokens[i + 1] if i + 1 < len(tokens) else ""
            first = after[0] if isinstance(after, list) and after else after
            if isinstance(after, str) or (isinstance(after, list) and isinstance(first, str | tuple)):
                del tokens[i]
    if len(tokens) == 1 and isinstance(tokens[0], list):
        tokens[:] = tokens[0]


def _rank(word: str) -> str:
    if word in _RELEASES:
        return _RELEASE
    return str(_WORDS.index(word)) if word in _WORDS else f"{len(_WORDS)}-{word}"


def _sign(left: str | int, right: str | int) -> int:
    return (left > right) - (left < right)  # type: ignore[operator]  # both are of one kind


def _absent(token: Token) -> int:
    """How a token stands to nothing at all."""
    if isinstance(token, int):
        return _sign(token, 0)
    if isinstance(token, str):
        return _sign(_rank(token), _RELEASE)
    if isinstance(token, tuple):
        return _sign(_rank(token[0]), _RELEASE) or _sign(token[1], 0)
    return next((found for one in token if (found := _absent(one))), 0)


def _compare(left: Token, right: Token) -> int:
    if isinstance(left, int) or isinstance(right, int):
        if isinstance(left, int) and isinstance(right, int):
            return _sign(left, right)
        return 1 if isinstance(left, int) else -1
    if isinstance(left, list) and isinstance(right, list):
        return _lists(left, right)
    if isinstance(left, list):
        found = _compare(left[0], right) if left else -_absent(right)
        return found or next((more for one in left[1:] if (more := _absent(one))), 0)
    if isinstance(right, list):
        return -_compare(right, left)
    return _words(left, right)


def _lists(left: list[Token], right: list[Token]) -> int:
    for i in range(max(len(left), len(right))):
        if i >= len(left):
            found = -_absent(right[i])
        else:
            found = _compare(left[i], right[i]) if i < len(right) else _absent(left[i])
        if found:
            return found
    return 0


def _words(left: str | tuple[str, int], right: str | tuple[str, int]) -> int:
    one, other = (token if isinstance(token, str) else token[0] for token in (left, right))
    found = _sign(_rank(one), _rank(other))
    if found or (isinstance(left, str) and isinstance(right, str)):
        return found
    if isinstance(left, tuple) and isinstance(right, tuple):
        return _sign(left[1], right[1])
    if _rank(one) != _RELEASE:
        return 1 if isinstance(left, tuple) else -1
    return _sign(left[1], 0) if isinstance(left, tuple) else -_sign(right[1], 0)
