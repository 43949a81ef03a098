"""Waivers: who allows a finding says for how long and why.

Rules:
- `stella: allow STL002 until 2027-01-31: reason` in a comment allows it on its own line and on the next one;
  `allow-file` allows it in the whole file. Several rules are separated by commas.
- A file that must not change, such as a migration that was applied, has its waivers beside it: lines
  `NAME[:LINE] allow ...` in a file `.waivers` of the same folder.
- A waiver that expired, that allows nothing, or that lacks its rule, day or reason is a finding, and no waiver allows
  that.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import re
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from stella.lint.model import Spot
from stella.lint.rules import known

BESIDE = ".waivers"
MARK = re.compile(r"stella:\s*allow\b")

_FORM = re.compile(
    r"(?P<verb>allow|allow-file) (?P<rules>[\w:-]+(?:\s*,\s*[\w:-]+)*) until (?P<day>\d{4}-\d\d-\d\d): (?P<reason>\S.*)"
)
_COMMENT = re.compile(r"--\s*stella:\s*(allow.*)")
_BESIDE = re.compile(r"(?P<name>[^\s:]+)(?::(?P<line>\d{1,7}))? (?P<rest>allow.*)")


class Waiver(NamedTuple):
    """A waiver at a line, 0 for a whole file; `at` is where it stands, `beside` whether in the file beside it.

    `problem` says why it allows nothing.
    """

    at: int
    line: int
    rules: tuple[str, ...]
    until: dt.date
    reason: str
    problem: str = ""
    beside: bool = False


class Judged(NamedTuple):
    """What is left of the spots of a file, what is wrong with its waivers, and what was allowed by which of them."""

    left: tuple[Spot, ...]
    wrong: tuple[tuple[Spot, Waiver], ...]
    allowed: tuple[tuple[Spot, Waiver], ...]


def in_python(data: bytes) -> list[Waiver]:
    """The waivers in the comments of a Python file."""
    if b"stella:" not in data:
        return []
    found: list[Waiver] = []
    with contextlib.suppress(tokenize.TokenError, SyntaxError, ValueError):  # such a file is a finding already
        found.extend(
            _read(token.string.partition("stella:")[2].strip(), token.start[0])
            for token in tokenize.tokenize(io.BytesIO(data).readline)
            if token.type == tokenize.COMMENT and MARK.search(token.string)
        )
    return found


def in_sql(text: str) -> list[Waiver]:
    """The waivers in the comments of an SQL file."""
    if not MARK.search(text):
        return []
    lines = enumerate(text.split("\n"), 1)
    return [_read(found[1].strip(), number) for number, line in lines if (found := _COMMENT.search(line))]


def beside(text: str) -> dict[str, list[Waiver]]:
    """The waivers of a `.waivers` file by the name of the file that they are for; `""` holds those that say nothing."""
    found: dict[str, list[Waiver]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = _BESIDE.fullmatch(line.strip())
        if parts is None:
            bad = _bad(number, "it is not `NAME[:LINE] allow RULE until YYYY-MM-DD: reason`")
            found.setdefault("", []).append(bad._replace(beside=True))
        else:
            read = _read(parts["rest"], number)
            line_of = 0 if parts["line"] is None else int(parts["line"])
            found.setdefault(parts["name"], []).append(read._replace(line=line_of, beside=True))
    return found


def _bad(at: int, problem: str) -> Waiver:
    return Waiver(at, at, (), dt.date.min, "", problem)


def _read(text: str, at: int) -> Waiver:
    parts = _FORM.fullmatch(text)
    if parts is None:
        return _bad(at, "it is not `allow RULE until YYYY-MM-DD: reason`")
    rules = tuple(re.split(r"\s*,\s*", parts["rules"]))
    unknown = [rule for rule in rules if not known(rule)]
    if unknown:
        return _bad(at, f"there is no rule `{unknown[0]}`")
    if any(rule.startswith("STW") for rule in rules):
        return _bad(at, "findings about waivers cannot be allowed")
    try:
        day = dt.date.fromisoformat(parts["day"])
    except ValueError:
        return _bad(at, f"`{parts['day']}` is no day")
    return Waiver(at, 0 if parts["verb"] == "allow-file" else at, rules, day, parts["reason"].strip())


def judge(spots: Sequence[Spot], waivers: Sequence[Waiver], today: dt.date, unasked: str = "") -> Judged:
    """Hold the spots of a file against its waivers on a day; nothing was looked for by rules that begin with `unasked`.

    A waiver of those may be needed or not.
    """
    left: list[Spot] = []
    allowed: list[tuple[Spot, Waiver]] = []
    used: set[tuple[int, str]] = set()
    good = [(number, waiver) for number, waiver in enumerate(waivers) if not waiver.problem]
    for spot in spots:
        lines = {0, spot.line, spot.line - 1, spot.start, spot.start - 1}
        found = [(n, w) for n, w in good if spot.rule in w.rules and w.line in lines]
        used |= {(n, spot.rule) for n, _ in found}
        valid = [w for _, w in found if today <= w.until]
        if valid:
            allowed.append((spot, valid[0]))
        else:
            left.append(spot)
    return Judged(tuple(left), tuple(_wrong(waivers, used, today, unasked)), tuple(allowed))


def _wrong(
    waivers: Iterable[Waiver], used: set[tuple[int, str]], today: dt.date, unasked: str
) -> Iterator[tuple[Spot, Waiver]]:
    for number, waiver in enumerate(waivers):
        at = waiver.at
        if waiver.problem:
            yield Spot("STW003", at, 1, f"the waiver says nothing: {waiver.problem}", at), waiver
            continue
        for rule in waiver.rules:
            if unasked and rule.startswith(unasked):
                continue
            if (number, rule) not in used:
                yield Spot("STW002", at, 1, f"the waiver allows {rule}, which is not found here", at), waiver
            elif waiver.until < today:
                yield Spot("STW001", at, 1, f"the waiver of {rule} expired on {waiver.until}", at), waiver
