"""The attempts of the bypass matrix that take more than one transaction: what one tenant leaves on a connection.

Rules:
- One connection serves B, then A, as a pool does. What B's transaction left must show A nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from stella.proof.probes import REFUSED, Pair
from stella.proof.schema import Schema, Table
from stella.runtime.throwaway import Line
from stella.runtime.transaction import Seal

OFTEN = 7  # executions after which PostgreSQL prefers a plan without the values of one tenant


class Attempt(NamedTuple):
    """What was tried, on what, and what was wrong with it; empty when nothing was."""

    name: str
    object: str
    problem: str


def attempts(line: Line, other: Line, seal: Seal, schema: Schema, pair: Pair) -> Iterator[Attempt]:
    """Every attempt on every table that the application reads; `other` is a second line of the application."""
    for table in schema.tables:
        if "SELECT" in table.may:
            yield Attempt("prepared-by-the-other", table.name, _prepared(line, seal, table, pair))
            yield Attempt("kept-plan", table.name, _interleaved(line, seal, table, pair))
            yield Attempt("cursor-after-commit", table.name, _held(line, seal, table, pair))
            yield Attempt("after-commit", table.name, _after(line, table))
    other.ask("ROLLBACK")
    yield Attempt("notify", "the server", _notified(line, other, seal, schema, pair))


def _ask(line: Line, seal: Seal, tenant: str, *texts: str) -> bytes:
    line.enter(seal, tenant)
    seen = b"\n".join(answer.text() for text in texts for answer in line.ask_all(text))
    line.ask("COMMIT")
    return seen


def _prepared(line: Line, seal: Seal, table: Table, pair: Pair) -> str:
    """B prepares and uses a statement; A uses the same one."""
    _ask(line, seal, pair.b.tenant.id, f"PREPARE s AS SELECT t::text FROM {table.name} t", *["EXECUTE s"] * OFTEN)
    seen = _ask(line, seal, pair.a.tenant.id, "EXECUTE s")
    line.ask("DEALLOCATE ALL")
    return _problem(seen, pair)


def _interleaved(line: Line, seal: Seal, table: Table, pair: Pair) -> str:
    """The same through the extended protocol, with the tenant as a parameter, as the service does."""
    text = f"SELECT t::text FROM {table.name} t WHERE tenant_id = $1"
    line.ask(f"PREPARE s (text) AS {text}")
    seen = b""
    for _ in range(OFTEN):
        _ask(line, seal, pair.b.tenant.id, f"EXECUTE s ('{pair.b.tenant.id}')")
        seen += _ask(
            line, seal, pair.a.tenant.id, f"EXECUTE s ('{pair.a.tenant.id}')", f"EXECUTE s ('{pair.b.tenant.id}')"
        )
    line.ask("DEALLOCATE ALL")
    return _problem(seen, pair)


def _held(line: Line, seal: Seal, table: Table, pair: Pair) -> str:
    """A declares a cursor over everything and reads it when its transaction is over."""
    _ask(line, seal, pair.a.tenant.id, f"DECLARE h CURSOR WITH HOLD FOR SELECT t::text FROM {table.name} t")
    seen = b"\n".join(answer.text() for answer in line.ask_all("FETCH ALL FROM h"))
    line.ask("CLOSE ALL")
    return _problem(seen, pair)


def _after(line: Line, table: Table) -> str:
    """What is asked when the transaction is over belongs to nobody."""
    answer = line.ask(f"SELECT t::text FROM {table.name} t")
    return "" if answer.state in REFUSED else "is answered without a tenant"


def _notified(line: Line, other: Line, seal: Seal, schema: Schema, pair: Pair) -> str:
    """Nothing that B does tells listeners of it: no trigger sends a notification."""
    line.ask("LISTEN stella")
    for table in schema.tables:
        _ask(other, seal, pair.b.tenant.id, f"UPDATE {table.name} SET tenant_id = tenant_id")
    line.ask("SELECT 1")
    seen = line.notified()
    line.ask("UNLISTEN *")
    return "a notification told what the other tenant did" if seen else ""


def _problem(seen: bytes, pair: Pair) -> str:
    if any(mark in seen for mark in pair.b.tenant.marks):
        return "shows data of the other tenant"
    return "" if any(mark in seen for mark in pair.a.tenant.marks) else "shows nothing at all, not even its own"
