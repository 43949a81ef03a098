"""From text to tokens.

Rules:
- One regular expression says what a token is. A sign is an operator and never part of a number, or `a -1` is misread.
- Nothing is lost: comments are kept beside the tokens, so that the formatter can put them back.
- What is no token is a diagnostic, and reading goes on behind it.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from stella.language.diagnostics import Diagnostic, Span, found

Kind = Literal["name", "number", "text", "symbol", "end"]

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n\f\v]+)
    |(?P<comment>//[^\r\n]*|/\*(?:[^*]|\*(?!/))*\*/)
    |(?P<number>[0-9]+(?:\.[0-9]+)?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<text>"(?:[^"\\\r\n]|\\[^\r\n])*")
    |(?P<symbol>:=|==|!=|<=|>=|=>|[<>=.,:;+\-(){}\[\]])
    |(?P<half>"(?:[^"\\\r\n]|\\[^\r\n])*\\?|/\*[\s\S]*)""",
    re.VERBOSE,
)
_STRANGE = re.compile(r"""[^ \t\r\n\f\v0-9A-Za-z_":!=<>.,;+\-(){}\[\]/]+|[\s\S]""")
_PLAIN: dict[str | None, Kind] = {"name": "name", "number": "number", "symbol": "symbol"}
_ESCAPE = re.compile(r"\\(.)")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


class Token(NamedTuple):
    """A token: `text` is as it stands there, of a text what it says."""

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)


class Comment(NamedTuple):
    """A comment as it stands there. `beside` when something else of the text is on its line, before it."""

    text: str
    start: int
    end: int
    beside: bool


class Lexed(NamedTuple):
    """The tokens of a text; the last one is always the end."""

    tokens: tuple[Token, ...]
    comments: tuple[Comment, ...]
    diagnostics: tuple[Diagnostic, ...]


def lex(text: str) -> Lexed:
    """Read all tokens; never raises."""
    tokens: list[Token] = []
    comments: list[Comment] = []
    wrong: list[Diagnostic] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            strange = _STRANGE.match(text, place)
            end = strange.end() if strange else place + 1
            wrong.append(found("POL1001", f"`{text[place:end][:20]}` has no meaning here", Span(place, end)))
            place = end
            continue
        kind, said, start, place = match.lastgroup, match.group(), place, match.end()
        if kind in _PLAIN:
            tokens.append(Token(_PLAIN[kind], said, start, place))
        elif kind == "text":
            tokens.append(Token("text", _said(said[1:-1], start + 1, wrong), start, place))
        elif kind == "comment":
            line = text[text.rfind("\n", 0, start) + 1 : start]
            comments.append(Comment(said, start, place, beside=bool(line.strip())))
        elif kind == "half":
            what = 'the string has no closing `"`' if said[0] == '"' else "the comment has no closing `*/`"
            wrong.append(found("POL1002", what, Span(start, place)))
            if said[0] == '"':
                tokens.append(Token("text", said[1:], start, place))
    tokens.append(Token("end", "", len(text), len(text)))
    return Lexed(tuple(tokens), tuple(comments), tuple(wrong))


def _said(inside: str, start: int, wrong: list[Diagnostic]) -> str:
    if "\\" not in inside:
        return inside

    def one(match: re.Match[str]) -> str:
        letter = match.group(1)
        if letter not in ESCAPES:
            place = Span(start + match.start(), start + match.end())
            wrong.append(found("POL1001", f'`\\{letter}` is no escape; there are \\" \\\\ \\n \\r \\t', place))
        return ESCAPES.get(letter, letter)

    return _ESCAPE.sub(one, inside)


def quoted(text: str) -> str:
    """A text as the language writes it."""
    for letter, meant in (("\\", "\\"), ('"', '"'), ("n", "\n"), ("r", "\r"), ("t", "\t")):
        text = text.replace(meant, f"\\{letter}")
    return f'"{text}"'
