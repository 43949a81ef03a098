"""The statements that the service really sends, asked with values of both tenants.

Rules:
- They come from the catalogue of each package, so that a new one is asked unasked. The tenant is always A.
- A parameter gets values of the columns of its name, else of its type.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from stella.proof.probes import Pair
from stella.proof.rows import literal
from stella.proof.schema import Schema
from stella.runtime.catalogue import TENANT, numbered
from stella.runtime.statements import statements
from stella.runtime.throwaway import Line

ARRAY = 3  # values in an array

_PLAIN: dict[str, tuple[str, ...]] = {
    "text": ("''", "'a'", "'0'", "'mirror'"),
    "integer": ("0", "1", "7", "50"),
    "bigint": ("0", "1", "7", "50"),
    "double precision": ("0", "1767225600"),
    "boolean": ("true", "false"),
    "uuid": ("'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"),
    "bytea": ("''", "'\\x00'"),
    "timestamp with time zone": ("'2026-01-31T12:00:00Z'",),
}


class Asking(NamedTuple):
    """A statement of the catalogue with places, and for each place the values that it may be given."""

    name: str
    text: str
    kinds: tuple[str, ...]
    pools: tuple[Sequence[str], ...]

    def message(self, draw: random.Random) -> str:
        """Prepared and executed once, with values that are drawn."""
        values = ", ".join(draw.choice(pool) for pool in self.pools)
        return f"PREPARE q ({', '.join(self.kinds)}) AS {self.text}; EXECUTE q ({values}); DEALLOCATE q"


def askings(line: Line, schema: Schema, pair: Pair, packages: Sequence[str]) -> tuple[list[Asking], list[str]]:
    """The statements of one tenant, and the names of those whose parameters PostgreSQL gives no type."""
    values = _Values(schema, pair)
    found: list[Asking] = []
    unasked: list[str] = []
    for package in packages:
        for name, statement in _of(package):
            text = numbered(statement)
            if line.ask(f"PREPARE q AS {text.sql}").state:
                unasked.append(name)
                continue
            answer = line.ask("SELECT unnest(parameter_types)::text FROM pg_prepared_statements WHERE name = 'q'")
            line.ask("DEALLOCATE q")
            kinds = [(cell or b"").decode() for (cell,) in answer.rows]
            places = sorted(text.numbers, key=lambda place: text.numbers[place])
            pools = tuple(values.of(place, kind) for place, kind in zip(places, kinds, strict=True))
            found.append(Asking(name, text.sql, tuple(kinds), pools))
    return found, unasked


def _of(package: str) -> Iterator[tuple[str, str]]:
    """The statements of a package that are one tenant's."""
    try:
        catalogue = statements(package)
    except FileNotFoundError:
        return
    for name, statement in catalogue.items():
        if not statement.duty and f"%({TENANT})s" in statement.sql:
            yield f"{package}/{name}", statement.sql


class _Values:
    """What a parameter may be given."""

    def __init__(self, schema: Schema, pair: Pair) -> None:
        self._tenant = pair.a.tenant.id
        self._by_name: dict[tuple[str, str], dict[str, None]] = {}
        self._by_type: dict[str, dict[str, None]] = {}
        for table in schema.tables:
            for column in table.columns:
                for row in (*pair.a.rows[table.name], *pair.b.rows[table.name]):
                    value = literal(row[column.name], column.type)
                    self._by_name.setdefault((column.name, column.type), {})[value] = None
                    self._by_type.setdefault(column.type, {})[value] = None

    def of(self, name: str, kind: str) -> Sequence[str]:
        """Values for a parameter of that name and type."""
        if name == TENANT:
            return [literal(self._tenant, kind)]
        if kind.endswith("[]"):
            single = self.of(name.removesuffix("s"), kind.removesuffix("[]"))
            return [
                f"CAST(ARRAY[{', '.join(single[at : at + ARRAY])}] AS {kind})" for at in range(0, len(single), ARRAY)
            ]
        named: Mapping[str, None] = self._by_name.get((name, kind)) or self._by_type.get(kind, {})
        return [*named, *_PLAIN.get(kind, ("NULL",))]
