"""The stage of a proof: this release's schema in a private PostgreSQL, with the rows of two tenants.

Rules:
- What is laid is what a start lays: roles, hardening, every migration, the key of the seal.
- Two databases are equal but for the rows of B: the second is a copy of the first, to which B's rows are added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from stella.database.apply import apply_pending, judge_all
from stella.database.files import Source, load
from stella.database.model import Choice
from stella.operations import Context
from stella.proof import live, schema
from stella.proof.errors import NothingProtected
from stella.proof.interference import Databases
from stella.proof.live import Snapshot
from stella.proof.probes import Pair
from stella.proof.rows import fill, tenants
from stella.proof.schema import Schema
from stella.runtime.migrate import Session
from stella.runtime.roles import OWNER
from stella.runtime.throwaway import Throwaway
from stella.runtime.transaction import Seal
from stella.tenancy import gate, guard

NAMES = Databases("alone", "both")
ROWS_A, ROWS_B = 4, 6  # of each table; unequal, so that a count alone tells whose they are


class Stage(NamedTuple):
    """Everything that the parts of a proof need; `packages` are those whose statements are asked."""

    server: Throwaway
    seal: Seal
    schema: Schema
    pair: Pair
    findings: tuple[gate.Finding, ...]
    snapshot: Snapshot
    packages: Sequence[str]
    names: Databases

    @property
    def rows(self) -> int:
        """Rows of both tenants."""
        return sum(len(rows) for filled in self.pair for rows in filled.rows.values())


def lay(server: Throwaway, ctx: Context, modules: Mapping[str, Source], seed: int, names: Databases = NAMES) -> Stage:
    """Lay the stage; raises NothingProtected, TableNotFilled, or what a migration raises."""
    seal = Seal(ctx.entropy(32))
    ctx.progress.start("stage", None, "")
    server.create(names.alone)
    shipped = load(modules)
    with Session(server.login(names.alone, OWNER), ctx.actor, ctx.clock) as session:
        apply_pending(session, shipped, judge_all(session, shipped), Choice.ALL)
        guard.install(session.connection, seal)
        found = schema.read(session.connection)
        findings, snapshot = tuple(gate.findings(session.connection)), live.snapshot(session.connection)
    if not found.tables:
        raise NothingProtected
    a, b = tenants(seed)
    with server.line(names.alone) as line:
        mine = fill(line, found, a, ROWS_A)
    server.duplicate(names.alone, names.both)
    with server.line(names.both) as line:
        theirs = fill(line, found, b, ROWS_B)
    for name in names:
        with server.line(name) as line:
            line.ask("ANALYZE")
    packages = [source for source in modules.values() if isinstance(source, str)]
    return Stage(server, seal, found, Pair(mine, theirs), findings, snapshot, packages, names)
