"""Material for tests of the audit log: events, sealed logs, and a database whose guard between tenants is a stand-in.

Rules:
- The stand-in has the functions that migrations call and the roles of the service. Its policies read the plain name of
  the tenant, since the seal over it is not what is tested here.
- Tests work as those roles; the superuser only lays the database.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import psycopg
import pytest

from stella.audit import chain
from stella.audit.chain import Chain
from stella.audit.envelope import Opening, checkpoint_line, event_line, opening_line
from stella.audit.model import Event, Record
from stella.audit.personal import Vault, close
from stella.audit.rules import event_of
from stella.kernel import dsse
from stella.kernel.canonical import parse
from stella.operations import Principal
from stella.runtime.statements import statements
from stella.signing.keys import PrivateKey
from stella.testing import counted_entropy

NOW = 1_790_000_000
TENANT = "acme"
KIM = Principal("kim", frozenset({"audit:read"}), TENANT)
KEY = PrivateKey.generate(counted_entropy("sealer"))
OTHER_KEY = PrivateKey.generate(counted_entropy("somebody else"))

GUARD = """
CREATE SCHEMA tenancy;
CREATE FUNCTION tenancy.tid() RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF coalesce(current_setting('app.tenant_id', true), '') = '' THEN
        RAISE EXCEPTION 'no tenant is set in this transaction' USING ERRCODE = '42501';
    END IF;
    RETURN current_setting('app.tenant_id');
END $$;
CREATE FUNCTION tenancy.protect(target regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %1$s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %1$s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format('CREATE POLICY tenant_isolation ON %1$s TO stella_app, stella_owner
        USING (tenant_id = (SELECT tenancy.tid())) WITH CHECK (tenant_id = (SELECT tenancy.tid()))', target);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %1$s TO stella_app', target);
END $$;
CREATE FUNCTION tenancy.duty(role name, target regclass, privileges text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE POLICY %1$I ON %2$s TO %3$I USING (true) WITH CHECK (true)', 'duty_' || role, target, role);
    EXECUTE format('GRANT %1$s ON %2$s TO %3$I', privileges, target, role);
END $$;
GRANT USAGE ON SCHEMA tenancy TO stella_app;
CREATE SCHEMA audit;
GRANT USAGE ON SCHEMA audit TO stella_app, stella_sealer;
"""


class Psycopg:
    """Transactions over one connection, in the form that the audit log asks for."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]], tenant: str) -> None:
        self.connection, self.tenant = connection, tenant
        self.before_each: Any = lambda _name: None

    def _send(self, package: str, name: str, values: Mapping[str, Any]) -> psycopg.Cursor[tuple[Any, ...]]:
        self.before_each(name)
        return self.connection.execute(statements(package)[name].sql, {**values, "tenant": self.tenant}, prepare=True)

    def all(self, package: str, name: str, **values: Any) -> list[tuple[Any, ...]]:
        return self._send(package, name, values).fetchall()

    def one(self, package: str, name: str, **values: Any) -> tuple[Any, ...] | None:
        return self._send(package, name, values).fetchone()

    def run(self, package: str, name: str, **values: Any) -> int:
        return self._send(package, name, values).rowcount

    def many(self, package: str, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        self.before_each(name)
        with self.connection.cursor() as cursor:
            cursor.executemany(statements(package)[name].sql, [{**row, "tenant": self.tenant} for row in rows])


class Base:
    """A database with the schema `audit`, and the ways into it."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.before_each: Any = lambda _name: None

    @contextlib.contextmanager
    def connect(self, role: str = "") -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """A connection that is a role's, the superuser's without one."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            if role:
                connection.execute(f"SET SESSION AUTHORIZATION {role}")  # type: ignore[call-overload]  # a role of ours
            yield connection

    @contextlib.contextmanager
    def of(self, tenant: str, role: str = "stella_app") -> Iterator[Psycopg]:
        """A transaction of a tenant."""
        with self.connect(role) as connection, connection.transaction():
            connection.execute("SELECT set_config('app.tenant_id', %s, true)", [tenant])
            opened = Psycopg(connection, tenant)
            opened.before_each = self.before_each
            yield opened

    def tenants(self) -> Sequence[str]:
        """As the sealer sees them."""
        with self.connect("stella_sealer") as connection:
            return [row[0] for row in connection.execute(statements("stella.audit")["list_waiting_tenants"].sql)]

    def forgotten(self) -> int:
        """As the sealer does it."""
        with self.connect("stella_sealer") as connection:
            (found,) = connection.execute(statements("stella.audit")["find_forgotten"].sql).fetchone() or (0,)
        return int(found)

    def transaction(self, tenant: str) -> contextlib.AbstractContextManager[Psycopg]:
        """As the sealer has it: its duty opens every tenant, so none is set."""
        return self._sealing(tenant)

    @contextlib.contextmanager
    def _sealing(self, tenant: str) -> Iterator[Psycopg]:
        with self.connect("stella_sealer") as connection, connection.transaction():
            opened = Psycopg(connection, tenant)
            opened.before_each = self.before_each
            yield opened

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query gives to the superuser."""
        with self.connect() as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload]  # the text of a test


def lay(dsn: str) -> Base:
    """Make roles, guard and schema in an empty database."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        there = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
        for role in ("stella_owner", "stella_app", "stella_sealer"):
            if role not in there:
                connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute(f"GRANT ALL ON DATABASE {connection.info.dbname} TO stella_owner")
        connection.execute("SET SESSION AUTHORIZATION stella_owner")
        connection.execute(GUARD)
        connection.execute(files("stella.audit").joinpath("migrations/001_log.sql").read_bytes())
    return Base(dsn)


@pytest.fixture
def base(database: str) -> Base:
    """A database with the schema of the audit log."""
    return lay(database)


def make_vault(seed: str = "vault") -> Vault:
    """A vault of a fresh installation."""
    entropy = counted_entropy(seed)
    return Vault(entropy(32), entropy)


def happened(number: int, entropy: Any, principal: Principal = KIM, **rest: Any) -> Event:
    """An event."""
    given = {"resource": "channel/stable", "after": {"generation": number}} | rest
    return event_of(principal, NOW + number, entropy(10), "mirror.create", **given)


def records(count: int, seed: str = "log", tenant: str = TENANT) -> list[Record]:
    """Records of a tenant, personal texts closed."""
    vault = make_vault(seed)
    key = vault.unwrap(tenant, 1, vault.make(tenant, 1))
    principal = Principal("kim", frozenset(), tenant)
    return [close(happened(number, vault.entropy, principal), key, vault.entropy) for number in range(count)]


def lines_of(
    made: Sequence[Record], sizes: Iterable[int] = (), keys: Sequence[PrivateKey] = (KEY,), tenant: str = TENANT
) -> list[bytes]:
    """A sealed log as its lines, with checkpoints at these sizes and at the end, each by the next key in turn."""
    grown, after, body = Chain(), 0, list[bytes]()
    used: dict[str, None] = {}
    envelope: dsse.Envelope | None = None
    wanted = {*sizes, len(made)}
    for record in made:
        body.append(event_line(grown.link(record)))
        if grown.size in wanted:
            key = keys[min(len(used), len(keys) - 1)]
            data = chain.sign(grown.checkpoint(tenant, after, NOW + grown.size), key)
            envelope, after = parse(data, dsse.Envelope, "checkpoint"), grown.size
            used.setdefault(key.public.to_base64())
            body.append(checkpoint_line(tenant, grown.size, envelope))
    assert envelope is not None
    return [opening_line(Opening(tenant, grown.size, tuple(used), envelope)), *body]


def file_of(lines: Iterable[bytes]) -> bytes:
    """The bytes of a file."""
    return b"".join(line + b"\n" for line in lines)
