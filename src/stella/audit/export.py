"""Writing a log to a file, in the form that `verify` reads.

Rules:
- What is written is what was sealed: the chain up to its last checkpoint. The same chain gives the same bytes.
- Events and checkpoints are read in pages, each in a transaction of its own: nothing that was sealed ever changes, so
  memory and transactions stay small whatever the length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from stella.audit.envelope import Opening, checkpoint_line, event_line, opening_line
from stella.audit.errors import ChainDamaged, NothingSealed
from stella.audit.model import Chained, fields_of
from stella.audit.ports import Transaction
from stella.audit.rules import record_of
from stella.audit.write import PACKAGE
from stella.kernel import dsse
from stella.kernel.canonical import parse
from stella.kernel.errors import NotJson

PAGE = 500  # rows; with the largest events 32 MiB

Transactions = Callable[[], AbstractContextManager[Transaction]]


class Standing(NamedTuple):
    """Where a chain stands: size, hash of the last event, public keys that signed, the last checkpoint."""

    size: int
    head: str
    signers: tuple[str, ...]
    checkpoint: dsse.Envelope


def standing(begin: Transactions, tenant: str) -> Standing:
    """Where the chain of a tenant stands; raises NothingSealed or ChainDamaged."""
    with begin() as t:
        last = t.one(PACKAGE, "last_checkpoint")
        if last is None:
            raise NothingSealed(tenant=tenant)
        signers = tuple(row[0] for row in t.all(PACKAGE, "list_signers", until=last[0]))
    return Standing(last[0], last[1].hex(), signers, _envelope(tenant, last[3]))


def lines(begin: Transactions, tenant: str, now: Standing, advance: Callable[[int], None]) -> Iterator[bytes]:
    """Every line, without its line feed. `advance` is told of events as they are read."""
    yield opening_line(Opening(tenant, now.size, now.signers, now.checkpoint))
    checkpoints = _pages(begin, "page_of_checkpoints", now.size)
    due = next(checkpoints, None)
    for row in _pages(begin, "page_of_chain", now.size):
        yield event_line(_link(tenant, row))
        advance(1)
        while due is not None and due[0] <= row[0]:
            yield checkpoint_line(tenant, due[0], _envelope(tenant, due[1]))
            due = next(checkpoints, None)


def _pages(begin: Transactions, statement: str, until: int) -> Iterator[tuple[Any, ...]]:
    """The rows of a statement whose first column is the key, page by page."""
    after = 0
    while True:
        with begin() as t:
            rows = t.all(PACKAGE, statement, after=after, until=until, limit=PAGE)
        yield from rows
        if len(rows) < PAGE:
            return
        after = rows[-1][0]


def _link(tenant: str, row: tuple[Any, ...]) -> Chained:
    """The link of a row, as the database has it: whether it holds is the verifier's question."""
    seq, event, previous, own, body = row
    record = record_of(tenant, str(event), body)
    return Chained(**fields_of(record), sequence=seq, previous_event_hash=previous.hex(), event_hash=own.hex())


def _envelope(tenant: str, data: bytes) -> dsse.Envelope:
    """The envelope of a checkpoint, not verified."""
    try:
        return parse(data, dsse.Envelope, "checkpoint")
    except NotJson as error:
        raise ChainDamaged(tenant=tenant, problem=error.message) from None
