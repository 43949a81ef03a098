"""Exceptions: decisions about some findings that hold for a time, as a TOML file.

    [[exception]]
    name = "scanner-blind-spot"
    when = 'advisory.id == "GHSA-xxxx" and asset.id == "billing"'
    justification = "the function is not called; see ticket SEC-12"
    author = "alice"
    expires = 2027-01-31T00:00:00Z

Rules:
- `status` is `ignored` unless another one is given. One without `expires` says `permanent = true`.
- A byte order mark at the beginning of a file is no part of its text, as in policies.
- The condition is one of the policy language, and is read by its parser and checker.
"""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Callable
from itertools import islice
from typing import Any, NamedTuple

from stella.kernel.nearest import did_you_mean
from stella.language.diagnostics import MAX_DIAGNOSTICS, Diagnostic, Span, found
from stella.language.instants import instant
from stella.language.model import ExceptionRule
from stella.language.names import STATUS
from stella.language.parser import parse_expression
from stella.language.resolve import Resolver

MAX_SOURCE = 4 << 20  # bytes; some ten thousand exceptions, which nobody oversees
MAX_KEY = 64  # dots of one key; reading a key takes memory with the square of them
_KEY = r"(?:[A-Za-z0-9_-]++|\"[^\"\n]*+\"|'[^'\n]*+')[ \t]*+\."
_DEEP_KEY = re.compile(rf"(?:^|[\[{{,])[ \t]*+(?:{_KEY}[ \t]*+){{{MAX_KEY}}}", re.MULTILINE)
TEXTS = ("name", "when", "status", "justification", "author")
KEYS = (*TEXTS, "expires", "permanent")


class Exceptions(NamedTuple):
    """The exceptions of a file, and what is wrong; places are offsets into its text, those of a whole entry."""

    rules: tuple[ExceptionRule, ...]
    diagnostics: tuple[Diagnostic, ...]
    text: str


def exceptions(source: bytes) -> Exceptions:
    """Read a file; never raises. What is wrong in any way is not among the rules."""
    if len(source) > MAX_SOURCE:
        return _refused("POL1004", f"the file has {len(source)} bytes, the limit is {MAX_SOURCE}")
    try:
        text = source.decode("utf-8-sig")
        if has_deep_key(text):
            return _refused("POL1004", f"a key of the file has more than {MAX_KEY} dots")
        read = tomllib.loads(text)
    except UnicodeDecodeError:
        return _refused("POL1002", "the file is not UTF-8")
    except (ValueError, RecursionError) as error:  # a ValueError too for a number of thousands of digits
        return _refused("POL1001", f"the file is no TOML: {error}")
    wrong = [
        found("POL2001", f"no `{key}` here; entries begin with `[[exception]]`", Span(0, 0))
        for key in islice((key for key in read if key != "exception"), MAX_DIAGNOSTICS)
    ]
    rows = read.get("exception", [])
    rules: list[ExceptionRule] = []
    names: set[str] = set()
    starts = _starts(text, len(rows) if isinstance(rows, list) else 0)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return _refused("POL1001", "entries begin with `[[exception]]`")
    for row, span in zip(rows, starts, strict=True):
        rule, more = read_exception(row, span)
        wrong += more[: max(0, MAX_DIAGNOSTICS - len(wrong))]
        if rule is not None and rule.name in names:
            wrong += [found("POL2006", f"another exception is called `{rule.name}`", span)]
        elif rule is not None:
            rules.append(rule)
            names.add(rule.name)
    return Exceptions(tuple(rules), tuple(wrong[:MAX_DIAGNOSTICS]), text)


def has_deep_key(text: str) -> bool:
    """Whether a key of a TOML text has more than MAX_KEY dots; whoever reads such a text looks before."""
    return _DEEP_KEY.search(text) is not None


def read_exception(row: dict[str, Any], span: Span) -> tuple[ExceptionRule | None, list[Diagnostic]]:
    """One exception from its fields; None when something is wrong with it, which is said at `span`."""
    wrong: list[Diagnostic] = []

    def say(code: str, message: str) -> None:
        wrong.append(found(code, message, span))

    for key in row:
        if key not in KEYS:
            say("POL2001", f"an exception has no `{key}`; {did_you_mean(key, KEYS, 'it has ' + ', '.join(KEYS))}")
    texts = {key: row.get(key, "ignored" if key == "status" else "") for key in TEXTS}
    for key, value in texts.items():
        if not isinstance(value, str) or not value.strip():
            say("POL2005" if key == "justification" else "POL2002", f"an exception has `{key}`, a string")
    if wrong:
        return None, wrong
    if texts["status"] not in STATUS.words:
        say("POL2003", f"`{texts['status']}` is no status; there are {', '.join(STATUS.words)}")
    expires = _expires(row.get("expires"))
    _judge_end(row, expires, say)
    alone = parse_expression(texts["when"])
    resolver = Resolver(strict=True)
    condition = resolver.condition(alone.expression)
    for one in (*alone.diagnostics, *resolver.diagnostics):
        say(one.code, f"`when` of `{texts['name']}`: {one.message}")
    if wrong:
        return None, wrong
    name, status = texts["name"], texts["status"]
    return ExceptionRule(name, condition, status, texts["justification"], texts["author"], expires), wrong


def _judge_end(row: dict[str, Any], expires: int | None, say: Callable[[str, str], None]) -> None:
    if "expires" in row and expires is None:
        say("POL2002", "`expires` is an instant, such as 2027-01-31T00:00:00Z")
    elif expires is None and row.get("permanent") is not True:
        say("POL5005", f"`{row['name']}` has no end: give it `expires`, or `permanent = true`")
    elif expires is not None and row.get("permanent"):
        say("POL2002", f"`{row['name']}` both expires and is permanent")


def _expires(value: object) -> int | None:
    if isinstance(value, dt.datetime):
        return None if value.tzinfo is None else int(value.timestamp())
    return instant(value) if isinstance(value, str) else None


def _starts(text: str, count: int) -> list[Span]:
    """Where the entries begin; at the beginning of the file for those that are written in another way."""
    places: list[Span] = []
    start = text.find("[[exception]]")
    while start >= 0 and len(places) < count:
        places.append(Span(start, start + len("[[exception]]")))
        start = text.find("[[exception]]", start + 1)
    return places + [Span(0, 0)] * (count - len(places))


def _refused(code: str, message: str) -> Exceptions:
    return Exceptions((), (found(code, message, Span(0, 0)),), "")
