"""Random policies as text, by the grammar of docs/policy/language.md.

Rules:
- `Grammar` makes texts from the EBNF itself. `Texts` knows types too, and makes what compiles.
- The same source of chance gives the same text, so a seed names a policy; `policies` is the same for hypothesis.
- `Texts.policy` makes what compiles without an error: names, types and domains are right. `Texts.program` makes what
  only the grammar allows. `Texts.laid` puts any white space and comments between tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import Any

from hypothesis import strategies as st

from stella.language.lexer import lex, quoted
from stella.language.model import SYNTAX
from stella.language.names import COLUMNS, JUSTIFICATION, MICRO, SEVERITY, STATEMENT, STATUS, Column

Tokens = list[str]

WORDS = ("prod", "Prod", "staging", "GHSA", "CVE", "image:latest-tag", "a", "CWE-79", "")
COMPARED = ("==", "!=", "<", "<=", ">", ">=")
INSTANTS = ("2026-01-01T00:00:00Z", "2026-06-30T12:00:00Z", "2027-01-31T23:59:59Z")
PERCENTS = ("10", "20", "50", "100", "200")


class Texts:
    """A maker of policies from a source of chance."""

    def __init__(self, random: Random, size: int = 3) -> None:
        self.random = random
        self.size = size  # how many of each thing, and how deep
        self.profiles: dict[str, list[str]] = {}  # names of what `profile.` has: parts and numbers alike

    # chance

    def one(self, *of: str) -> str:
        return self.random.choice(of)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def some(self, most: int) -> range:
        return range(self.random.randint(0, most))

    # a policy that compiles

    def policy(self) -> Tokens:
        """The tokens of a policy without an error."""
        blocks = [["metadata", "{", *self._metadata(), "}"]] if self.chance(0.5) else []
        if self.chance(0.7):
            blocks.append(["settings", "{", *self._settings(), "}"])
        blocks += [self._profile(f"p{number}") for number in self.some(2)]
        rest = [self._rule(f"r{number}") for number in range(self.random.randint(1, self.size + 1))]
        rest += [self._invariant(f"i{number}") for number in self.some(2)]
        self.random.shuffle(rest)
        inside = [token for block in (*blocks, *rest) for token in block]
        return ["policy", quoted(self.one("p", 'a "b"', "é\n")), "syntax", quoted(SYNTAX), "{", *inside, "}"]

    def _end(self) -> Tokens:
        return [";"] if self.chance(0.2) else []

    def _metadata(self) -> Tokens:
        tokens = ["description", self.one("=", ":"), self.text(), *self._end()]
        if self.chance(0.5):
            tokens += ["tags", self.one("=", ":"), *self.texts()]
        return tokens + (["owner", "=", self.text(), *self._end()] if self.chance(0.3) else [])

    def _settings(self) -> Tokens:
        tokens = ["shadow", self.one("=", ":"), self.one("true", "false"), *self._end()]
        return [*tokens, "default_status", "=", quoted(self.one(*STATUS.words)), *self._end()]

    def _profile(self, name: str) -> Tokens:
        tokens = ["profile", name, "{"]
        names = []
        for number in self.some(2):
            names.append(f"profile.{name}.n{number}")
            tokens += [f"n{number}", "=", *self.constant(), *self._end()]
        for number in self.some(2):
            about = self.one("source", "vendor", "env.name", "env.exposure", "vex.latest.justification")
            known = COLUMNS.get(about)
            keys = known.words.words if known and known.words else WORDS
            tokens += ["map", f"m{number}", "{"]
            for key in self.random.sample(keys, self.random.randint(1, 3)):
                tokens += [about, quoted(key), "=>", *self.constant(), *self._end()]
            tokens.append("}")
            names.append(f"profile.{name}.m{number}")
        for number in self.some(2):
            tokens += ["env", f"e{number}", "{"]
            about = self.one("asset", "component", "advisory")
            columns = [column for column in COLUMNS.values() if column.dimension == about]
            for _ in range(self.random.randint(1, 2)):
                tokens += ["if", *self.test(self.random.choice(columns)), "then", *self.constant(), *self._end()]
            tokens.append("}")
            names.append(f"profile.{name}.e{number}")
        self.profiles[name] = names
        return [*tokens, "}"]

    def _rule(self, name: str) -> Tokens:
        clauses = [
            ["when", *self.condition(self.size)],
            ["then", *self.actions()],
            ["because", quoted(self.one("it is so", 'they say "no"'))],
        ]
        if self.chance(0.4):
            clauses.append(["else", *self.actions()])
        if self.chance(0.3):
            self.random.shuffle(clauses)
        priority = ["priority", str(self.random.randint(0, 5))] if self.chance(0.7) else []
        inside = [token for clause in clauses for token in (*clause, *self._end())]
        return ["rule", name, *priority, "{", *inside, "}"]

    def actions(self) -> Tokens:
        """One to four actions, none of them twice where that is wrong."""
        made = [
            ["status", ":=", quoted(self.one(*STATUS.words))],
            ["severity", ":=", quoted(self.one(*SEVERITY.words))]
            if self.chance(0.5)
            else ["severity", ":=", "severity_band", "(", *self.number(), ")"],
            ["ignore", "until", self.one("env.quietUntil", *map(quoted, INSTANTS))],
            ["warn", *(["message"] if self.chance(0.7) else []), self.text()],
            ["annotate", self.one("ticket", "owner"), self.text()],
            ["requireVex", "{", "vendors", "=", *self.texts(), "justifications", "=", *self._justifications(), "}"],
        ]
        chosen = self.random.sample(made, self.random.randint(1, 4))
        return [token for action in chosen for token in (*action, *self._end())]

    def _justifications(self) -> Tokens:
        return self._listed([quoted(self.one(*JUSTIFICATION.words)) for _ in self.some(2)])

    def _invariant(self, name: str) -> Tokens:
        then = self.one('status == "blocked"', 'status != "ignored"', 'severity >= "High"', 'status in ["fixed"]')
        return ["invariant", name, "{", *self.condition(1), "=>", *(_tokens(then)), *self._end(), "}"]

    # expressions of the right type

    def condition(self, depth: int, statement: bool = False) -> Tokens:
        """A condition; with `statement` one of the names of a statement."""
        if depth <= 0 or self.chance(0.3):
            return self._leaf(statement=statement)
        match self.random.randrange(5):
            case 0:
                return ["not", *self._closed(self.condition(depth - 1, statement))]
            case 1 if not statement:
                inside = self.condition(depth - 1, statement=True) if self.chance(0.9) else []
                return [self.one("vex.any", "vex.all"), "(", *inside, ")"]
            case _:
                word = self.one("and", "or")
                parts = [self._closed(self.condition(depth - 1, statement)) for _ in range(self.random.randint(2, 3))]
                return [token for part in parts for token in (word, *part)][1:]

    def _closed(self, tokens: Tokens) -> Tokens:
        return ["(", *tokens, ")"]

    def _leaf(self, *, statement: bool) -> Tokens:
        known = STATEMENT if statement else COLUMNS
        pick = self.random.random()
        if pick < 0.04:
            return [self.one("true", "false")]
        if not statement and pick < 0.2:
            return self._scored()
        if not statement and pick < 0.25:
            return ["as_of", self.one("<", ">="), self.one("env.quietUntil", *map(quoted, INSTANTS))]
        if not statement and pick < 0.3:
            return ["severity_band", "(", *self.number(), ")", *self._word(SEVERITY.words, ordered=True)]
        return self.test(self.random.choice(list(known.values())))

    def test(self, column: Column) -> Tokens:  # noqa: PLR0911  a match over kinds returns from each
        """A test of one column, of any form that there is for its type."""
        name = column.name
        if self.chance(0.1):
            return self.random.choice([["exists", "(", name, ")"], [name, self.one("==", "!="), "null"]])
        match column.type:
            case "flag":
                value = [name] if self.chance(0.7) else ["coalesce", "(", name, ",", self.one("true", "false"), ")"]
                return value + ([self.one("==", "!="), self.one("true", "false")] if self.chance(0.3) else [])
            case "decimal":
                return self._swapped(self._decimal(column), self.one(*COMPARED), self._threshold(column))
            case "instant":
                return self._swapped([name], self.one(">", "<="), ["as_of"])
            case "texts":
                inside = [name] if self.chance(0.7) else ["lowercase", "(", name, ")"]
                return [quoted(self.one(*WORDS)), *self.one("in", "not in").split(), *inside]
            case "word":
                words = column.words or SEVERITY
                value = (
                    [name] if self.chance(0.7) else ["coalesce", "(", name, ",", quoted(self.one(*words.words)), ")"]
                )
                return [*value, *self._word(words.words, ordered=words.ordered)]
            case "text":
                return self._text_test(name)

    def _swapped(self, left: Tokens, sign: str, right: Tokens) -> Tokens:
        if self.chance(0.7):
            return [*left, sign, *right]
        turned = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(sign, sign)
        return [*right, turned, *left]

    def _text_test(self, name: str) -> Tokens:
        value = [name]
        if self.chance(0.3):
            value = ["coalesce", "(", *value, ",", self.text(), ")"]
        if self.chance(0.3):
            value = ["lowercase", "(", *value, ")"]
        match self.random.randrange(3):
            case 0:
                return ["starts_with", "(", *value, ",", quoted(self.one("p", "P", "C", "")), ")"]
            case 1:
                return self._swapped(value, self.one("==", "!="), [self.text()])
            case _:
                return [*value, *self.one("in", "not in").split(), *self._listed([self.text(), self.text()])]

    def _word(self, words: tuple[str, ...], *, ordered: bool) -> Tokens:
        if ordered and self.chance(0.5):
            return [self.one(*COMPARED), quoted(self.one(*words))]
        if self.chance(0.5):
            return [self.one("==", "!="), quoted(self.one(*words))]
        among = [quoted(self.one(*words)) for _ in range(self.random.randint(1, 3))]
        return [*self.one("in", "not in").split(), *self._listed(among)]

    # numbers

    def _decimal(self, column: Column) -> Tokens:
        if self.chance(0.7):
            return [column.name]
        return ["coalesce", "(", column.name, ",", *self._threshold(column), ")"]

    def _threshold(self, column: Column) -> Tokens:
        whole = min(column.high, 100 * MICRO) // MICRO
        return [
            f"{self.random.randint(0, 100 * whole) / 100:.2f}" if whole <= 10 else str(self.random.randint(0, whole))
        ]

    def constant(self) -> Tokens:
        """A number, maybe with a sign."""
        sign = self.one("", "", "+", "-")
        return [*([sign] if sign else []), self.one("0", "0.5", "1", "2.5", "10")]

    def _scored(self) -> Tokens:
        if self.chance(0.7):
            varies = self._decimal(self.random.choice(self._decimals()))
            left = ["(", *varies, self.one("+", "-"), *self._plain(2), ")"]
            return self._swapped(left, self.one(*COMPARED), self._plain(2))
        return self._swapped(self._limited(), self.one(*COMPARED), [str(self.random.randint(0, 100))])

    def _limited(self) -> Tokens:
        if self.chance(0.5) and self.profiles:
            return ["risk_score", "(", self.one(*self.profiles), ")"]
        return ["normalize_cvss", "(", *self._plain(1), ")"]

    def number(self) -> Tokens:
        """A sum without limits, or a score with them."""
        if self.chance(0.2):
            return self._limited()
        return self._plain(2)

    def _decimals(self) -> list[Column]:
        """Those whose sums stay below what a sum may be."""
        return [column for column in COLUMNS.values() if column.type == "decimal" and column.high <= 10**5 * MICRO]

    def _plain(self, depth: int) -> Tokens:
        own = [name for names in self.profiles.values() for name in names]
        pick = self.random.random()
        if depth > 0 and pick < 0.3:
            parts = [self._plain(depth - 1) for _ in range(self.random.randint(2, 3))]
            return ["(", *[token for part in parts for token in (self.one("+", "-"), *part)][1:], ")"]
        if depth > 0 and pick < 0.4:
            return ["percent_of", "(", self.one(*PERCENTS), ",", *self._plain(depth - 1), ")"]
        if depth > 0 and pick < 0.45:
            return ["(", "-", *self._plain(depth - 1), ")"]
        if own and pick < 0.6:
            return [self.one(*own)]
        if pick < 0.7:
            return ["(", *self.constant(), ")"]
        return self._decimal(self.random.choice(self._decimals()))

    # texts

    def text(self) -> str:
        """A string as the language writes it."""
        return quoted(self.one(*WORDS, 'say "hi"', "back\\slash", "two\nlines", "tab\t", "ümläut 漢"))

    def texts(self) -> Tokens:
        """A list of strings."""
        return self._listed([self.text() for _ in self.some(3)])

    def _listed(self, items: Tokens) -> Tokens:
        inside = [token for item in items for token in (",", item)][1:]
        return ["[", *inside, *([","] if items and self.chance(0.2) else []), "]"]

    # what only the grammar allows

    def program(self) -> Tokens:
        """A policy whose expressions are of any type, or none."""
        tokens = self.policy()
        for place, token in enumerate(tokens):
            of_map = tokens[place + 2 : place + 3] == ["=>"]  # one map is about one name
            if token in COLUMNS and not of_map and self.chance(0.4):
                tokens[place] = self.one(*COLUMNS, *STATEMENT, "nme", "as_of", "1", "true", "null", '"text"')
        return tokens

    def laid(self, tokens: Tokens, comments: float = 0.0) -> str:
        """The tokens with any white space between them, and now and then a comment."""
        text = ""
        for token in tokens:
            text += token
            if self.chance(comments):
                text += self.one(" /* a */ ", "/**/", " // b\n", "\n// c\n", "\n\n/* d\n   e */\n", " // f\n // g\n")
            else:
                text += self.one(" ", " ", "\n", "\r\n", "\t  ")
        return text


def _tokens(text: str) -> Tokens:
    return [text[token.start : token.end] for token in lex(text).tokens[:-1]]


def policy(seed: int, size: int = 3) -> str:
    """The policy of a seed."""
    texts = Texts(Random(seed), size)
    return texts.laid(texts.policy())


def _made(random: Random) -> str:
    texts = Texts(random)
    return texts.laid(texts.policy(), comments=0.05)


policies: st.SearchStrategy[str] = st.randoms(use_true_random=False).map(_made)
"""Policies without an error, with comments."""


class Grammar:
    """A maker of texts from rules in EBNF: what the grammar allows, whatever it means."""

    def __init__(self, rules: str) -> None:
        self.rules: dict[str, list[list[Any]]] = {}
        self.used: set[str] = set()
        tokens = re.findall(r'"[^"]*"|\w+|[={}()\[\]|;]', rules)
        while tokens:
            name = tokens.pop(0)
            assert tokens.pop(0) == "="
            self.rules[name] = self._choices(tokens, ";")

    def _choices(self, tokens: Tokens, end: str) -> list[list[Any]]:
        """Alternatives up to `end`; what is optional or repeated is a pair of its sign and its alternatives."""
        choices: list[list[Any]] = [[]]
        while (token := tokens.pop(0)) != end:
            if token == "|":
                choices.append([])
            elif token in "{[(":
                choices[-1].append((token, self._choices(tokens, {"{": "}", "[": "]", "(": ")"}[token])))
            else:
                choices[-1].append(token)
        return choices

    def text(self, random: Random) -> str:
        """A random text of the first rule."""
        return " ".join(self._made(next(iter(self.rules)), random, 0))

    def _made(self, part: Any, random: Random, depth: int) -> Iterator[str]:
        if isinstance(part, tuple):
            sign, choices = part
            few = depth > 14
            times = 1 if sign == "(" else 0 if few else random.randint(0, 3 if sign == "{" and depth < 4 else 1)
            for _ in range(times):
                yield from self._any(choices, random, depth)
        elif part in self.rules:
            self.used.add(part)
            yield from self._any(self.rules[part], random, depth + 1)
        elif part.startswith('"'):
            yield part[1:-1]
        else:
            yield random.choice({"name": ("a", "b", "status"), "text": ('"x"', '""'), "number": ("1", "0.5")}[part])

    def _any(self, choices: list[list[Any]], random: Random, depth: int) -> Iterator[str]:
        choice = choices[0] if depth > 14 else random.choice(choices)
        for part in choice:
            yield from self._made(part, random, depth)
