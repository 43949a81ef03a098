"""What something in a policy is: a name, a function, a word or a keyword, and what a diagnostic means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from stella.language.codes import CODES
from stella.language.diagnostics import Diagnostic, Span
from stella.language.functions import FUNCTIONS
from stella.language.lexer import Token, lex
from stella.language.names import COLUMNS, MICRO, OUTCOME, STATEMENT, Column, Words
from stella.policy.editor.completion import ACTIONS, CLAUSES, MEMBERS, METADATA, SETTINGS, described, words_of
from stella.policy.editor.cursor import cursor

KEYWORDS = MEMBERS | CLAUSES | SETTINGS | METADATA | {name: said for name, (_, said) in ACTIONS.items()}
KEYWORDS |= {
    "priority": "rules are asked from the smallest number on; of two alike, by name",
    "and": "true when both are, false when one is; else unknown",
    "or": "true when one is, false when both are; else unknown",
    "not": "the opposite; what is unknown stays unknown",
    "in": "is one of a list",
    "as_of": "the instant that the run is about",
}


class Hover(NamedTuple):
    """Markdown about a part of a text."""

    span: Span
    text: str


def hover(text: str, offset: int, diagnostics: Iterable[Diagnostic]) -> Hover | None:
    """What is at an offset; None for nothing."""
    tokens = lex(text).tokens[:-1]
    number = next((at for at, token in enumerate(tokens) if token.start <= offset < token.end), None)
    if number is None:
        number = next((at for at, token in enumerate(tokens) if token.end == offset), None)
    wrong = [one for one in diagnostics if one.span.start <= offset <= one.span.end]
    said = [_of_code(code) for code in dict.fromkeys(one.code for one in wrong)]
    if number is None:
        return Hover(wrong[0].span, "\n\n---\n\n".join(said)) if wrong else None
    span, name = _name_at(tokens, number)
    meant = _meant(text, tokens[number], span, name)
    if not meant and not said:
        return None
    return Hover(span, "\n\n---\n\n".join(([meant] if meant else []) + said))


def _name_at(tokens: tuple[Token, ...], number: int) -> tuple[Span, str]:
    """The whole dotted name that a token is part of."""
    first = last = number
    if tokens[number].kind != "name":
        return tokens[number].span, tokens[number].text
    while first >= 2 and tokens[first - 1].text == "." and tokens[first - 2].kind == "name":  # noqa: PLR2004  a dot and a name
        first -= 2
    while last + 2 < len(tokens) and tokens[last + 1].text == "." and tokens[last + 2].kind == "name":
        last += 2
    return Span(tokens[first].start, tokens[last].end), ".".join(one.text for one in tokens[first : last + 1 : 2])


def _meant(text: str, token: Token, span: Span, name: str) -> str:
    at = cursor(text, span.start + (token.kind == "text"))
    if token.kind == "text":
        words = words_of(at)
        return _of_words(words) if words is not None and token.text in words.words else ""
    if token.kind != "name":
        return ""
    in_condition = at.block in {"invariant", "env"} or at.clause in {"when", "if"}
    if in_condition and at.statement and name in STATEMENT:
        return _of_column(name, STATEMENT[name], "in a statement")
    if at.block == "invariant" and name in OUTCOME:
        return f"**{name}** — what the policy decides\n\n{_of_words(OUTCOME[name])}"
    if name in COLUMNS and name not in FUNCTIONS:
        return _of_column(name, COLUMNS[name], "")
    if name in FUNCTIONS:
        return f"```stella\n{FUNCTIONS[name]}\n```"
    return f"**{name}** — {KEYWORDS[name]}" if name in KEYWORDS else ""


def _of_column(name: str, column: Column, where: str) -> str:
    lines = [f"**{name}** — {column.help}", " ".join(filter(None, (described(column), where)))]
    if column.words is not None:
        lines.append(_of_words(column.words))
    elif column.type == "decimal" and column.high < 2**53 - 1:
        lines.append(f"from {column.low // MICRO} to {column.high // MICRO:,}")
    return "\n\n".join(lines)


def _of_words(words: Words) -> str:
    return (" < " if words.ordered else ", ").join(f"`{word}`" for word in words.words)


def _of_code(code: str) -> str:
    known = CODES[code]
    return f"**{code}** {known.name}: {known.what}\n\n{known.why}\n\n{known.fix}"
