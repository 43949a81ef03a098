"""From text to tokens.

Rules:
- One regular expression says what a token is. A sign is an operator and never part of a number, or `a -1` is misread.
- Nothing is lost: comments are kept beside the tokens, so that the formatter can put them back.
- What is no token is a diagnostic, and reading goes on behind it.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

import msgspec

from stella.language.diagnostics import MAX_DIAGNOSTICS, Diagnostic, Span, found

Kind = Literal["name", "number", "text", "symbol", "end"]

# Nothing of it goes back over what it has read, so that a hostile text costs no more than its length.
_TOKEN = re.compile(
    r"""[ \t\r\n\f\v]*+(?:
    (?P<name>[A-Za-z_][A-Za-z0-9_]*+)
    |(?P<symbol>:=|==|!=|<=|>=|=>|[<>=.,:;+\-(){}\[\]])
    |(?P<text>"[^"\\\r\n]*+(?:\\[^\r\n][^"\\\r\n]*+)*+")
    |(?P<number>[0-9]++(?:\.[0-9]++)?+)
    |(?P<comment>//[^\r\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)
    |(?P<half>"(?:[^"\\\r\n]++|\\[^\r\n])*+\\?+|/\*[\s\S]*+)
    |(?P<strange>[^ \t\r\n\f\v0-9A-Za-z_":!=<>.,;+\-(){}\[\]/]++|[\s\S])
    |\Z)""",
    re.VERBOSE,
)
_PLAIN: dict[str, Kind] = {"name": "name", "symbol": "symbol", "number": "number"}
_END_OF_LINE = re.compile(r"[\r\n]")
_EMPTY_LINE = re.compile(r"[ \t]*+(?>\r\n|\r|\n)[ \t]*+[\r\n]")
_HALVES = re.compile("[\ud800-\udfff]")  # of a pair of UTF-16: no characters, but a Python text can hold them
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


class Token(msgspec.Struct, frozen=True, gc=False):
    """A token: `text` is as it stands there, of a text what it says."""

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)


class Comment(NamedTuple):
    """A comment as it stands there.

    `beside` when something else of the text is on its line, before it; `apart` when an empty line is behind it.
    """

    text: str
    start: int
    end: int
    beside: bool
    apart: bool = False


class Lexed(NamedTuple):
    """The tokens of a text; the last one is always the end."""

    tokens: tuple[Token, ...]
    comments: tuple[Comment, ...]
    diagnostics: tuple[Diagnostic, ...]


def lex(text: str) -> Lexed:
    """Read all tokens; never raises."""
    wrong: list[Diagnostic] = []
    text = _whole(text, wrong)
    tokens: list[Token] = []
    comments: list[Comment] = []
    last = 0  # where the token or comment before ends
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind is None:
            break
        start, end = match.span(kind)
        said = text[start:end]
        plain = _PLAIN.get(kind)
        if plain is not None:
            tokens.append(Token(plain, said, start, end))
        elif kind == "text":
            tokens.append(Token("text", _said(said[1:-1], start + 1, wrong), start, end))
        elif kind == "comment":
            beside = last > 0 and not _END_OF_LINE.search(text, last, start)
            comments.append(Comment(said, start, end, beside, _EMPTY_LINE.match(text, end) is not None))
        elif kind == "strange":
            _say(wrong, "POL1001", f"`{said[:20]}` has no meaning here", Span(start, end))
        else:
            what = 'the string has no closing `"`' if said[0] == '"' else "the comment has no closing `*/`"
            _say(wrong, "POL1002", what, Span(start, end))
            if said[0] == '"':
                tokens.append(Token("text", said[1:], start, end))
        last = end
    tokens.append(Token("end", "", len(text), len(text)))
    return Lexed(tuple(tokens), tuple(comments), tuple(wrong))


def _say(wrong: list[Diagnostic], code: str, message: str, span: Span) -> None:
    if len(wrong) < MAX_DIAGNOSTICS:
        wrong.append(found(code, message, span))


def _whole(text: str, wrong: list[Diagnostic]) -> str:
    """The text without halves of characters; each of them is said."""
    if text.isascii():
        return text
    for half in _HALVES.finditer(text):
        _say(wrong, "POL1002", "half of a character, which UTF-8 cannot write", Span(half.start(), half.end()))
    return _HALVES.sub("\ufffd", text)


def _said(inside: str, start: int, wrong: list[Diagnostic]) -> str:
    if "\\" not in inside:
        return inside

    def one(match: re.Match[str]) -> str:
        letter = match.group(1)
        if letter not in ESCAPES:
            place = Span(start + match.start(), start + match.end())
            _say(wrong, "POL1001", f'`\\{letter}` is no escape; there are \\" \\\\ \\n \\r \\t', place)
        return ESCAPES.get(letter, letter)

    return _ESCAPE.sub(one, inside)


def quoted(text: str) -> str:
    """A text as the language writes it."""
    for letter, meant in (("\\", "\\"), ('"', '"'), ("n", "\n"), ("r", "\r"), ("t", "\t")):
        text = text.replace(meant, f"\\{letter}")
    return f'"{text}"'
