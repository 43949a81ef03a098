"""Erasing a tenant whose grace period is over, with a proof of what was erased.

Rules:
- Rows are removed in a transaction of the tenant, so that the policies, and not this code, keep those of others.
- Rows, proof, audit event and the tenant's new state are committed together, or nothing is.
- The audit log stays: it only grows. Its personal texts end with the keys of the tenant, which are erased.
- What a tenant has outside of the database is removed before. What there is of it is written down first, and from then
  on the tenant cannot be resumed; so a kill, or a place that does not answer, is followed by another try, and the proof
  says what there was and not what the last try found.
- What cannot be removed keeps back the erasure of its tenant, and of no other one. `tenant show` says what it is.
- The proof is a DSSE envelope. It is signed by the key of the audit log where this process has it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Protocol

import msgspec

from stella.audit import write
from stella.audit.personal import Vault
from stella.audit.rules import event_of
from stella.audit.sealer import signing_key
from stella.identity import rules
from stella.identity.model import State, TableRows
from stella.identity.reach import PACKAGE, transaction
from stella.identity.rules import Event
from stella.kernel import dsse
from stella.kernel.canonical import dump
from stella.kernel.digest import sha256
from stella.kernel.errors import StellaError
from stella.kernel.ids import RANDOM_BYTES
from stella.kernel.instant import Instant, format_time
from stella.operations import Context, Principal
from stella.runtime import tenant_rows
from stella.runtime.errors import SecretMissing
from stella.runtime.roles import ISSUER
from stella.runtime.tenant_rows import Digest, Table
from stella.runtime.transaction import Transaction

PAYLOAD_TYPE = "application/vnd.stella.erasure+json"
OWN = frozenset({"identity.tenants"})  # the stone stays
MAX_PROBLEM = 500  # characters of what held an erasure back


class Gone(msgspec.Struct, frozen=True):
    """What a tenant had outside of the database: what it was, how many, the SHA-256 of them as lines of JSON."""

    what: str
    count: int
    sha256: str = ""


class Elsewhere(Protocol):
    """A place outside of the database where tenants have something. Both methods raise what keeps them from it."""

    def find(self, tenant: str) -> Sequence[Gone]:
        """What the tenant has there."""
        ...

    def remove(self, tenant: str) -> None:
        """Remove all of it, again if need be; nothing of it is left when this returns."""
        ...


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """What was erased. `kept` are tables that only grow; of what is personal in them nothing can be read any more."""

    schema: str = "stella.tenant.erasure@1"
    tenant: str
    erased: str
    deleted: str
    tables: tuple[TableRows, ...]
    elsewhere: tuple[Gone, ...]
    kept: tuple[str, ...]
    keys_erased: int


def sweep(ctx: Context, elsewhere: Sequence[Elsewhere] = ()) -> list[str]:
    """Erase every tenant whose time has come; their ids.

    Raises NoDatabase, as a transaction, or the first problem that kept a tenant from being erased, when all were tried.
    """
    now = ctx.clock.read().wall
    due = [row[0] for row in ctx.duty(ISSUER).all(PACKAGE, "due_tenants", now=now)]
    erased, problems = [], []
    for tenant in due:
        try:
            if _erased(ctx, tenant, now, elsewhere):
                erased.append(tenant)
        except Exception as problem:  # noqa: BLE001  # raised below; the tenants behind this one have their own right
            _note(ctx, tenant, problem, now)
            problems.append(problem)
    if problems:
        raise problems[0]
    return erased


def _erased(ctx: Context, tenant: str, now: Instant, elsewhere: Sequence[Elsewhere]) -> bool:
    """Erase one; False when it was resumed in the meantime, or erased."""
    if not _begun(ctx, tenant, now, elsewhere):
        return False
    for place in elsewhere:
        place.remove(tenant)
    with transaction(ctx, tenant) as t:
        if (until := _due(t, now)) is None:
            return False
        rules.moved(tenant, State.DELETING, Event.ERASE)
        gone = msgspec.json.decode(_found(t) or b"[]", type=tuple[Gone, ...])
        t.run(PACKAGE, "drop_erasure")
        found = [table for table in tenant_rows.tables(t) if table.label not in OWN]
        erasable = tenant_rows.in_order([table for table in found if table.erasable])
        tables = tuple(sorted((_emptied(t, table) for table in erasable), key=lambda one: one.table))
        proof = Erasure(
            tenant=tenant,
            erased=format_time(now),
            deleted=format_time(until),
            tables=tables,
            elsewhere=gone,
            kept=tuple(table.label for table in found if not table.erasable),
            keys_erased=write.erase_keys(t),
        )
        data = dump(proof)
        t.run(PACKAGE, "bury_tenant", proof=dsse.sign(PAYLOAD_TYPE, data, _signers(ctx)), now=now)
        _tell(ctx, t, sha256(data), sum(one.rows for one in tables), now)
    return True


def _begun(ctx: Context, tenant: str, now: Instant, elsewhere: Sequence[Elsewhere]) -> bool:
    """Write down what there is outside of the database, once; False when the tenant is not to be erased."""
    with transaction(ctx, tenant) as t:
        if _due(t, now) is None:
            return False
        if _found(t) is None:
            gone = [one for place in elsewhere for one in place.find(tenant)]
            t.run(PACKAGE, "begin_erasure", found=msgspec.json.encode(gone), now=now)
    return True


def _due(t: Transaction, now: Instant) -> Instant | None:
    """When the grace period of a tenant ended, which is held from now on; None when it did not."""
    row = t.one(PACKAGE, "hold_tenant")
    if row is None or State(row[0]) is not State.DELETING or row[1] > now:
        return None
    until: Instant = row[1]
    return until


def _found(t: Transaction) -> bytes | None:
    row = t.one(PACKAGE, "erasure")
    return None if row is None or row[0] is None else bytes(row[0])


def _note(ctx: Context, tenant: str, problem: Exception, now: Instant) -> None:
    """Remember what held an erasure back, for whoever looks at the tenant; a database that is away holds back all."""
    words = f"{problem.code}: {problem.message}" if isinstance(problem, StellaError) else type(problem).__name__
    with contextlib.suppress(StellaError), transaction(ctx, tenant) as t:
        if _due(t, now) is not None:
            t.run(PACKAGE, "note_erasure", problem=words[:MAX_PROBLEM], now=now)


def _emptied(t: Transaction, table: Table) -> TableRows:
    """Digest the rows of a table and remove them. The tenant is held, so nothing of it is written in between."""
    digest = Digest()
    for line in tenant_rows.lines(t, table):
        digest.add(line)
    removed = tenant_rows.erase(t, table)
    if removed != digest.rows:
        raise RuntimeError(f"{table.label}: {digest.rows} rows were counted and {removed} removed")
    return TableRows(table=table.label, rows=removed, sha256=digest.sha256)


def _signers(ctx: Context) -> list[dsse.Signer]:
    try:
        return [signing_key(ctx.secret(ctx.settings.audit.key))]
    except SecretMissing:
        return []


def _tell(ctx: Context, t: Transaction, digest: str, rows: int, now: Instant) -> None:
    """The last event of the tenant. It names nobody, so that it needs no key: those are erased."""
    actor = Principal("sweep", frozenset(), t.tenant)
    told = {"proof_sha256": digest, "rows": rows}
    random = ctx.entropy(RANDOM_BYTES)
    event = event_of(actor, now, random, "tenant.erase", t.tenant, actor_type="system", after=told)
    write.insert(t, actor, event, Vault(bytes(32), ctx.entropy))
