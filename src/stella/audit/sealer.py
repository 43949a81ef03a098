"""The sealer: gives events their place in the chain of their tenant and signs how far it is.

Rules:
- One transaction takes what waits, appends it, and writes a signed checkpoint over all. After a kill at any point
  either all of that is there, or nothing, and the next pass does it.
- One sealer works on a chain at a time; another that comes by leaves it alone. The numbers have no gap.
- It goes on only from a checkpoint that is what it was when it was signed.
- What waits is taken in the order of ids; an event that is committed late gets a later place.
- Tenants take turns, a batch each: however much one has to seal, the others do not wait for its end.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from threading import Event as Signal
from typing import Any, NamedTuple

from stella.audit import chain
from stella.audit.chain import Chain
from stella.audit.errors import ChainDamaged, ChainHeld
from stella.audit.model import Chained
from stella.audit.personal import read_key
from stella.audit.ports import Transaction, Waiting
from stella.audit.rules import record_of
from stella.audit.write import PACKAGE
from stella.kernel import dsse
from stella.kernel.canonical import parse
from stella.kernel.errors import StellaError
from stella.kernel.instant import Seconds, parse_duration
from stella.kernel.merkle import Frontier
from stella.runtime.ports import Clock
from stella.runtime.settings import AuditSettings
from stella.signing.keys import PrivateKey, PublicKey

BATCH = 1000  # events in one transaction; with the largest events 64 MiB of memory
HELD = 5  # passes in a row that somebody else holds a chain, until it is told: the lock is open to every login
NODE = 32  # bytes; SHA-256


class Pass(NamedTuple):
    """What one pass did: events that were sealed, by tenant, and what went wrong, by tenant; under `*` with all.

    `forgotten` is how many were found that did not even wait.
    """

    sealed: Mapping[str, int]
    failed: Mapping[str, StellaError]
    forgotten: int = 0


def signing_key(secret: bytes) -> PrivateKey:
    """The key behind `audit.key`; raises BadAuditKey."""
    seed = read_key(secret, "audit.key")
    return PrivateKey.generate(lambda _: seed)


def retired_keys(settings: AuditSettings) -> tuple[PublicKey, ...]:
    """The public keys behind `audit.retired_keys`; raises MalformedPublicKey."""
    return tuple(map(PublicKey.from_base64, settings.retired_keys.split()))


class Sealer:
    """Seals the logs of all tenants with one key. `retired` are the public halves of those that it had before."""

    def __init__(self, waiting: Waiting, key: PrivateKey, clock: Clock, retired: Iterable[PublicKey] = ()) -> None:
        self._waiting, self._key, self._clock = waiting, key, clock
        self._trusted = (key.public, *retired)
        self._held: Counter[str] = Counter()  # passes in a row that a chain was not to be had

    def seal(self) -> Pass:
        """Seal everything that waits now. One tenant's damaged chain does not keep the others waiting."""
        sealed: Counter[str] = Counter()
        failed: dict[str, StellaError] = {}
        turns = deque(self._waiting.tenants())
        while turns:
            tenant = turns.popleft()
            try:
                with self._waiting.transaction(tenant) as t:
                    count = self._seal_batch(t, tenant)
            except StellaError as error:
                failed[tenant] = error
                continue
            sealed[tenant] += count
            if count == BATCH:
                turns.append(tenant)
        return Pass(+sealed, failed)

    def find_forgotten(self) -> int:
        """Let events wait that something has left without a place; for the start. How many."""
        return self._waiting.forgotten()

    def _seal_batch(self, t: Transaction, tenant: str) -> int:
        """How many events were taken; 0 when nothing waits or another sealer is there. Raises ChainHeld."""
        if not self._has(t, tenant):
            return 0
        rows = t.all(PACKAGE, "list_waiting", limit=BATCH)
        if not rows:
            return 0
        grown, after = self._resume(t, tenant)
        links = [grown.link(record_of(tenant, str(event), body)) for event, body, seq in rows if seq is None]
        if links:
            t.many(PACKAGE, "put_link", map(_row, links))
            self._sign(t, tenant, grown, after)
        t.run(PACKAGE, "stop_waiting", ids=[row[0] for row in rows])
        return len(rows)

    def _has(self, t: Transaction, tenant: str) -> bool:
        """Whether the chain is this sealer's until the transaction ends."""
        held = t.one(PACKAGE, "hold_chain")
        if held and held[0]:
            del self._held[tenant]
            return True
        self._held[tenant] += 1
        if self._held[tenant] % HELD == 0:
            raise ChainHeld(tenant=tenant, passes=self._held[tenant])
        return False

    def _sign(self, t: Transaction, tenant: str, grown: Chain, after: int) -> None:
        statement = grown.checkpoint(tenant, after, self._clock.read().wall)
        t.run(
            PACKAGE,
            "put_checkpoint",
            size=statement.size,
            head=bytes.fromhex(statement.head),
            frontier=b"".join(grown.frontier.nodes),
            signer=self._key.public.to_base64(),
            envelope=chain.sign(statement, self._key),
        )

    def _resume(self, t: Transaction, tenant: str) -> tuple[Chain, int]:
        """The chain as the last checkpoint left it, and its size; raises ChainDamaged."""
        last = t.one(PACKAGE, "last_checkpoint")
        if last is None:
            return Chain(), 0
        size, head, edge, envelope = last
        try:
            frontier = Frontier(size, [edge[at : at + NODE] for at in range(0, len(edge), NODE)])
        except ValueError as error:
            raise ChainDamaged(tenant=tenant, problem=error) from None
        grown = Chain(head.hex(), frontier)
        try:
            statement, _ = chain.opened(parse(envelope, dsse.Envelope, "checkpoint"), self._trusted, "checkpoint")
        except StellaError as error:
            raise ChainDamaged(tenant=tenant, problem=error.message) from None
        if (statement.tenant, statement.size, statement.head, statement.root) != (tenant, size, grown.head, grown.root):
            raise ChainDamaged(tenant=tenant, problem=f"row {size} is not what was signed")
        return grown, int(size)


def run(sealer: Sealer, every: Seconds, stop: Signal, told: Callable[[Pass], None]) -> None:
    """Seal again and again until `stop` is set, and once more then. `told` hears of each pass that found something.

    The first pass takes what was forgotten too. A database that is away is tried again the next time.
    """
    looked = False
    while True:
        last = stop.wait(max(every, 1))
        forgotten = 0
        try:
            if not (looked or last):
                forgotten, looked = sealer.find_forgotten(), True
            found = sealer.seal()._replace(forgotten=forgotten)
        except StellaError as error:
            found = Pass({}, {"*": error}, forgotten)
        if any(found):
            told(found)
        if last:
            return


def interval(settings: AuditSettings) -> Seconds:
    """How often to seal."""
    return parse_duration(settings.seal_every)


def _row(link: Chained) -> dict[str, Any]:
    previous, own = bytes.fromhex(link.previous_event_hash), bytes.fromhex(link.event_hash)
    return {"seq": link.sequence, "event_id": link.id, "previous": previous, "hash": own}
