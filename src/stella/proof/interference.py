"""Non-interference: what a tenant is answered is the same, byte for byte, whether another tenant has rows or not.

Rules:
- Two databases are asked, equal but for the rows of B, of which every table has some. Answers, counts and errors must
  be equal.
- What differs is asked again of the one without B; an answer that does not even equal itself depends on a clock or on
  chance, and is reported by name instead of being counted.
- What is written is undone at once, so that every query meets the same rows.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Sequence
from typing import NamedTuple

from stella.proof.errors import SameRows
from stella.proof.probes import Pair
from stella.proof.queries import Author, Query
from stella.proof.schema import Schema
from stella.proof.statements import Asking, askings
from stella.runtime.ports import Progress
from stella.runtime.roles import APP
from stella.runtime.throwaway import Answer, Line, Throwaway
from stella.runtime.transaction import Seal

TRANSACTION = 400  # messages; locks of a transaction are kept in a table of the server
SHOWN = 20  # differences that a result keeps
WORDS = 200  # characters of each answer
SHARE = 20  # one query of so many is a statement of the catalogue


class Difference(NamedTuple):
    """A query whose answers differ: its text, what came without B and what came with B."""

    query: str
    without: str
    beside: str


class Interference(NamedTuple):
    """What was asked: queries, different texts, statements of the catalogue; the digest of all answers; what differed.

    `unstable` are the statements whose answers change by themselves, `unasked` those that could not be prepared.
    """

    queries: int
    texts: int
    statements: int
    refused: int
    answers: str
    differences: tuple[Difference, ...]
    unstable: tuple[str, ...]
    unasked: tuple[str, ...]


class Databases(NamedTuple):
    """The names of the two databases: one has A's rows alone, the other B's as well."""

    alone: str
    both: str


def run(  # noqa: PLR0913  # each is a fact of the proof
    server: Throwaway,
    names: Databases,
    seal: Seal,
    schema: Schema,
    pair: Pair,
    packages: Sequence[str],
    *,
    seed: int,
    queries: int,
    progress: Progress,
) -> Interference:
    """Ask at least so many queries of both databases; raises SameRows."""
    with contextlib.ExitStack() as stack:
        _require_more([stack.enter_context(server.line(name)) for name in names], schema)
        lines = [stack.enter_context(server.line(name, APP)) for name in names]
        asker = _Asker(lines, seal, pair.a.tenant.id)
        progress.start("non-interference", queries, "queries")
        found, unasked = askings(lines[0], schema, pair, packages)
        each = max(2, queries // SHARE // max(len(found), 1))
        draw = random.Random(seed)  # noqa: S311  # it must be repeatable
        for asking in found:
            for _ in range(each):
                progress.advance(asker.statement(asking, draw))
        author = Author(seed, schema, pair)
        while asker.queries < queries:
            progress.advance(asker.query(author.next()))
    return asker.result(len(found), unasked)


def _require_more(lines: Sequence[Line], schema: Schema) -> None:
    """Raise SameRows unless the second database has more rows of every table than the first."""
    for table in schema.tables:
        first, second = (int(line.ask(f"SELECT count(*) FROM {table.name}").rows[0][0] or 0) for line in lines)
        if not 0 < first < second:
            raise SameRows(table=table.name)


class _Asker:
    def __init__(self, lines: Sequence[Line], seal: Seal, tenant: str) -> None:
        self._lines, self._seal, self._tenant = lines, seal, tenant
        self._digest = hashlib.sha256()
        self._messages = 0
        self._open = False
        self.queries = self.texts = self.refused = 0
        self._differences: list[Difference] = []
        self._unstable: dict[str, None] = {}

    def query(self, query: Query) -> int:
        """Ask a query of both; how many executions were answered."""
        self.texts += 1
        message = query.message()
        if query.writes:
            message = f"SAVEPOINT w; {message}; ROLLBACK TO w"
        asked = 1 + query.writes  # statements before the first execution
        return self._ask(message, query.text, asked, len(query.values))

    def statement(self, asking: Asking, draw: random.Random) -> int:
        """Ask a statement of the catalogue with values that are drawn."""
        return self._ask(f"SAVEPOINT w; {asking.message(draw)}; ROLLBACK TO w", asking.name, 2, 1)

    def result(self, statements: int, unasked: Sequence[str]) -> Interference:
        return Interference(
            self.queries,
            self.texts,
            statements,
            self.refused,
            self._digest.hexdigest(),
            tuple(self._differences),
            tuple(self._unstable),
            tuple(unasked),
        )

    def _ask(self, message: str, name: str, before: int, most: int) -> int:
        self._enter()
        for line in self._lines:
            line.send(message)
        without, beside = (line.gather() for line in self._lines)
        failed = bool(without[-1].state or beside[-1].state)
        if failed:
            self._leave()
        if _differ(without, beside):
            self._judge(message, name, without, beside)
        answered = min(max(len(without) - before, 1), most)
        for answer in without[before:]:
            self._digest.update(answer.text())
        self.queries += answered
        self.refused += failed
        return answered

    def _judge(self, message: str, name: str, without: Sequence[Answer], beside: Sequence[Answer]) -> None:
        """Something differs: by B, or by itself."""
        self._leave()
        self._enter()
        again = self._lines[0].ask_all(message)
        self._leave()
        if _differ(without, again):
            self._unstable.setdefault(name)
        elif len(self._differences) < SHOWN:
            first = next(
                (n for n, pair in enumerate(zip(without, beside, strict=False)) if _differ(*([x] for x in pair))), -1
            )
            self._differences.append(Difference(name, *_words(without[first], beside[first])))

    def _enter(self) -> None:
        if self._messages % TRANSACTION == 0:
            self._leave()
        self._messages += 1
        if not self._open:
            for line in self._lines:
                line.enter(self._seal, self._tenant)
            self._open = True

    def _leave(self) -> None:
        if self._open:
            for line in self._lines:
                line.ask_all("ROLLBACK; DEALLOCATE ALL")
            self._open = False


def _differ(left: Sequence[Answer], right: Sequence[Answer]) -> bool:
    return list(map(_spelled, left)) != list(map(_spelled, right))


def _spelled(answer: Answer) -> tuple[object, ...]:
    """An answer without the order of its rows, which SQL leaves to the plan."""
    rows = sorted(answer.rows, key=repr) if len(answer.rows) > 1 else answer.rows
    return (*rows, answer.tag, answer.state, answer.told)


def _words(without: Answer, beside: Answer) -> tuple[str, str]:
    """Both answers from shortly before the place where they differ."""
    texts = [f"{answer.state} {answer.text().decode(errors='replace')}" for answer in (without, beside)]
    shorter = min(map(len, texts))
    same = next((at for at in range(shorter) if texts[0][at] != texts[1][at]), shorter)
    begin = max(0, same - WORDS // 4)
    return texts[0][begin : begin + WORDS], texts[1][begin : begin + WORDS]
