"""pool-leak: two tenants take turns on one connection, with errors and kills in the middle; then all of them at once.

Rules:
- What a tenant reads is compared with all that it ever committed, row by row: nothing of another, nothing lost.
- After each transaction the connection is looked at as the application sees it: no context may be left on it, no
  statement on a tenant's table may run without one, and none that was seen before may open another transaction.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from stella.drill.database import (
    PACKAGE,
    Drilled,
    backend_of,
    opens,
    opens_again,
    private_database,
    residue,
    rows_named,
)
from stella.drill.model import Event, Outcome
from stella.drill.rules import measured
from stella.drill.stage import OK, Plan, Stage
from stella.kernel.errors import StellaError
from stella.runtime.connections import Connections
from stella.runtime.ports import Entropy
from stella.runtime.transaction import TenantDatabase, Transaction
from stella.tenancy.model import Presented

KEEP_FOR_ALL = 3  # connections that all tenants share: fewer than there are, so that they change hands
REPLAYS = 5  # each fifth transaction is followed by a replay of an earlier context
TURNS = 20  # of each tenant, when all work at once

# How a transaction ends, and how often.
ENDS: dict[str, int] = {"read": 40, "write": 30, "error": 10, "duplicate": 5, "raise": 10, "kill": 5}


class Wanted(Exception):  # not an error: it ends a block as any exception of a caller does
    """Ends a transaction from within its block."""


class Findings:
    """What was seen, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.seen: Counter[str] = Counter()
        self.backends: dict[int, str] = {}  # which tenant had a server process last
        self.events: list[Event] = []

    def saw(self, what: str, count: int = 1) -> None:
        with self._lock:
            self.seen[what] += count

    def used(self, backend: int, tenant: str) -> None:
        """A tenant has a transaction on that server process."""
        with self._lock:
            before = self.backends.get(backend)
            self.seen["changed hands"] += before not in {None, tenant}
            self.backends[backend] = tenant


class Member(NamedTuple):
    """A tenant of the drill: its token, and the entries that it has committed."""

    name: str
    token: str
    entries: dict[str, str]


class Pool:
    """Members at work on a pool of connections."""

    def __init__(self, drilled: Drilled, stage: Stage, keep: int, found: Findings) -> None:
        self._names = frozenset(stage.plan.names()[:2])  # each is asked for what these two have
        self._drilled, self._stage, self._found = drilled, stage, found
        self.connections: Connections
        self.database: TenantDatabase
        self.connections, self.database = drilled.pool(keep)
        self._contexts: list[str] = []

    def request(self, member: Member, end: str, number: int) -> None:
        """One request of a tenant, that ends in some way: verify, transaction, count."""
        verified = self._stage.verifier.verify(Presented(member.token, tenant=member.name))
        entry, ok = (f"{member.name}-{number}", f"only {verified.tenant} may read this, {number}"), False
        try:
            with self.database.transaction(verified.tenant) as transaction:
                self._work(transaction, member, end, entry)
            ok = True
        except (Wanted, StellaError):
            self._found.saw("ended by an error")
            self._found.saw("failed without a cause", end in {"read", "write"})
        if ok and end == "write":
            member.entries[entry[0]] = entry[1]
        status = str(OK) if ok else "500"
        self._stage.counts.count(
            "tenant_requests_total", tenant=verified.tenant, service="drill", route=f"/{end}", status=status
        )

    def _work(self, transaction: Transaction, member: Member, end: str, entry: tuple[str, str]) -> None:
        backend = backend_of(transaction)
        self._found.used(backend, member.name)
        self._contexts.append(str((transaction.one(PACKAGE, "context") or ("",))[0]))
        self._read(transaction, member)
        if end != "read":
            transaction.run(PACKAGE, "add_entry", id=entry[0], body=entry[1])
        match end:
            case "error":
                transaction.all(PACKAGE, "fail")
            case "duplicate":
                transaction.run(PACKAGE, "add_entry", id=entry[0], body=entry[1])
            case "raise":
                raise Wanted
            case "kill":
                self._drilled.kill(backend)
                self._found.saw("killed")
                transaction.all(PACKAGE, "list_entries")

    def _read(self, transaction: Transaction, member: Member) -> None:
        rows = transaction.all(PACKAGE, "list_entries")
        self._found.saw("crossed", sum(row[0] != member.name or member.name not in row[2] for row in rows))
        for other in self._names - {member.name}:  # now it is the policy that says no, not the parameter
            self._found.saw("crossed by name", len(rows_named(transaction, other)))
        self._found.saw("lost or changed", len(member.entries.items() ^ {(row[1], row[2]) for row in rows}))

    def inspect(self, member: Member, *, replay: bool) -> None:
        """Look at the connection that the next user would get."""
        with self.connections.one() as connection:
            self._found.saw("context left", residue(connection) != "")
            self._found.saw("opened without a context", opens(connection, member.name))
            if replay and self._contexts:
                self._found.saw("replayed contexts")
                self._found.saw("opened by a replay", opens_again(connection, member.name, self._contexts[-1]))


def drill(plan: Plan, rounds: int, entropy: Entropy) -> Outcome:
    """Two tenants on one connection, then every tenant on a few. `entropy` makes the secrets of the database."""
    stage, found = Stage(plan), Findings()
    try:
        with private_database(entropy) as drilled:
            members = [Member(name, stage.token(stage.sources[0], name), {}) for name in plan.names()]
            _by_turns(Pool(drilled, stage, 1, found), members[:2], plan, rounds)
            found.events.append(Event(rounds, "tenants.all", f"{len(members)} tenants on {KEEP_FOR_ALL} connections"))
            _at_once(Pool(drilled, stage, KEEP_FOR_ALL, found), members, plan)
            return _judged(stage, found, drilled.findings(), rounds)
    finally:
        stage.close()


def _by_turns(pool: Pool, members: list[Member], plan: Plan, rounds: int) -> None:
    chance = random.Random(f"{plan.seed}/turns")  # noqa: S311  # to be made again from the seed
    ends = [*ENDS, *chance.choices(list(ENDS), list(ENDS.values()), k=rounds - len(ENDS))]
    chance.shuffle(ends)
    plan.progress.start("two tenants on one connection", rounds, "transactions")
    try:
        for number in range(rounds):
            member = members[number % 2]
            pool.request(member, ends[number], number)
            pool.inspect(members[chance.randrange(2)], replay=number % REPLAYS == 0)
            plan.progress.advance(1)
    finally:
        pool.database.close()


def _at_once(pool: Pool, members: list[Member], plan: Plan) -> None:
    failures: list[BaseException] = []
    ends = [end for end in ENDS if end != "kill"]  # a kill is for the one whose connection it is

    def work(member: Member, chance: random.Random) -> Callable[[], None]:
        def turns() -> None:
            try:
                for number in range(TURNS):
                    pool.request(member, chance.choice(ends), 10**7 + number)
            except BaseException as error:  # noqa: BLE001  # raised again below
                failures.append(error)

        return turns

    threads = [
        threading.Thread(target=work(member, random.Random(f"{plan.seed}/{member.name}")), daemon=True)  # noqa: S311
        for member in members
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        pool.database.close()
    if failures:
        raise failures[0]


def _judged(stage: Stage, found: Findings, gate_findings: int, rounds: int) -> Outcome:
    seen = found.seen
    requests, errors = stage.requests()
    measures = [
        measured(
            "transactions on a connection that another tenant had before", seen["changed hands"], ">=", rounds // 4
        ),
        measured("transactions that ended by an error or a kill", seen["ended by an error"], ">", 0),
        measured("transactions that failed without a cause", seen["failed without a cause"], "=", 0),
        measured("connections killed in a transaction", seen["killed"], ">", 0),
        measured("rows of another tenant that were shown", seen["crossed"], "=", 0),
        measured("rows of another tenant that were shown when it was named", seen["crossed by name"], "=", 0),
        measured("rows lost, changed, or kept of a transaction that failed", seen["lost or changed"], "=", 0),
        measured("connections with a context left on them", seen["context left"], "=", 0),
        measured("tables open without a context", seen["opened without a context"], "=", 0),
        measured("contexts presented again", seen["replayed contexts"], ">", 0),
        measured("of them accepted", seen["opened by a replay"], "=", 0),
        measured("findings of the gate between tenants", gate_findings, "=", 0),
    ]
    return Outcome(measures=tuple(measures), events=tuple(found.events), requests=requests, errors=errors, seconds=0)
