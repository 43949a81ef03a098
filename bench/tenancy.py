"""What keeping tenants apart costs: policies beside an explicit WHERE, a transaction of a tenant beside a bare one.

Rules:
- The same rows in tables that differ in their guard alone; every round asks each of them in turn, so that all share the
  noise. Ratios are medians of the rounds' own ratios; the explicit WHERE without row-level security is 1.
- Microseconds are the backend's own CPU, as the kernel counts it for its process, so that other programs do not count.
- The limit is the WHERE by hand: no database can do less for a point, a page or an aggregate of one tenant.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from stella import bootstrap
from stella.database.apply import start
from stella.runtime import roles
from stella.runtime.clock import SystemClock
from stella.runtime.connections import Connections
from stella.runtime.entropy import system_entropy
from stella.runtime.postgres import Connection
from stella.runtime.throwaway import Throwaway, throwaway
from stella.runtime.transaction import Seal, TenantDatabase, enter
from stella.tenancy import gate

ROWS = 200_000
TENANTS = (10, 100, 1_000, 10_000)
ROUNDS = 15
POINTS, PAGES, AGGREGATES = 300, 200, 12  # of a round
LOOKS = 20
TRANSACTIONS = 300
# What a row of each table is guarded by; the statement itself always names its tenant.
SETTING = "tenant_id = current_setting('app.tenant_id')"
SEALED = "tenant_id = (SELECT tenancy.tid())"
GUARDS = {"where": "", "policy": SETTING, "policy, sealed": SEALED}
QUERIES = {
    "point": "SELECT body FROM {} WHERE tenant_id = $1 AND id = $2",
    "page": "SELECT id, body FROM {} WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT 50",
    "aggregate": "SELECT count(*), max(body) FROM {} WHERE tenant_id = $1 AND id >= $2",
}
TIMES = {"point": POINTS, "page": PAGES, "aggregate": AGGREGATES}
KEY = b"the key of a bench, 32 bytes or so"


def tenancy(_: Path) -> dict[str, object]:
    """Ratios of each guard by number of tenants, microseconds of a transaction, milliseconds of the gate."""
    seal = Seal(KEY)
    with throwaway(system_entropy(16).hex()) as server:
        server.create("bench")
        start(server.login("bench", roles.OWNER), bootstrap.SCHEMAS, "bench", SystemClock(), seal=seal)
        return {
            "rows": ROWS,
            "row_level_security": {str(count): _guards(server, seal, count) for count in TENANTS},
            "transaction_us": _transactions(server, seal),
            "gate_ms": _gate(server),
        }


def _guards(server: Throwaway, seal: Seal, tenants: int) -> dict[str, Any]:
    with server.connect("bench") as connection:
        _lay(connection, tenants)
    with server.connect("bench", roles.APP) as connection:
        connection.prepare_threshold = None  # statements are prepared by name here, and forgotten all at once
        rounds = [_round(connection, seal, tenants, number) for number in range(ROUNDS)]
    found: dict[str, Any] = {}
    for query in QUERIES:
        plain = [one[query]["where"] for one in rounds]
        found[query] = {"where_us": round(1e6 * statistics.median(plain), 1)}
        for guard in list(GUARDS)[1:]:
            ratios = [one[query][guard] / one[query]["where"] for one in rounds]
            found[query][guard] = round(statistics.median(ratios), 3)
    return found


def _lay(connection: Connection, tenants: int) -> None:
    """A table for each guard, filled alike; a row names its tenant and a text of a hundred characters."""
    connection.execute("DROP SCHEMA IF EXISTS bench CASCADE")
    connection.execute("CREATE SCHEMA bench")
    connection.execute(f"GRANT USAGE ON SCHEMA bench TO {roles.APP}")
    for number, rule in enumerate(GUARDS.values()):
        name = f"bench.t{number}"
        connection.execute(
            f"CREATE TABLE {name} (tenant_id text NOT NULL, id bigint NOT NULL, body text NOT NULL,"
            " PRIMARY KEY (tenant_id, id))"
        )
        connection.execute(
            f"INSERT INTO {name} SELECT 't-' || n %% %(count)s, n / %(count)s, repeat(md5(n::text), 3)"  # noqa: S608  # ours
            " FROM generate_series(0, %(last)s) n ORDER BY 1, 2",
            {"count": tenants, "last": ROWS - 1},
        )
        connection.execute(f"GRANT SELECT ON {name} TO {roles.APP}")
        if rule:
            connection.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
            connection.execute(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
            connection.execute(f"CREATE POLICY p ON {name} TO {roles.APP} USING ({rule}) WITH CHECK ({rule})")
    connection.execute("VACUUM (ANALYZE, FREEZE)")


def _round(connection: Connection, seal: Seal, tenants: int, number: int) -> dict[str, dict[str, float]]:
    """CPU seconds of the backend for one query of each kind and guard, in one transaction of a tenant."""
    tenant = f"t-{(number * 7) % tenants}"
    cpu = _cpu_of(connection)
    enter(connection, seal, tenant)
    found: dict[str, dict[str, float]] = {}
    for query, text in QUERIES.items():
        found[query] = {}
        guards = list(GUARDS)
        turned = guards[number % len(guards) :] + guards[: number % len(guards)]  # nobody is always first
        for guard in turned:
            name = f"{query}_{guards.index(guard)}"
            connection.execute(f"PREPARE {name} (text, bigint) AS {text.format(f'bench.t{guards.index(guard)}')}")
            each = max(ROWS // tenants, 1)
            place = [(number * 131 + turn) % each if query != "aggregate" else 0 for turn in range(TIMES[query])]
            values = [[tenant.encode(), str(at).encode()] for at in place]
            send, title = connection.pgconn.exec_prepared, name.encode()  # a round trip each, as the service sends them
            for row in values[: len(values) // 2]:  # a plan is chosen, and the pages are read
                send(title, row)
            begin = cpu()
            for row in values:
                send(title, row)
            found[query][guard] = (cpu() - begin) / TIMES[query]
    connection.pgconn.exec_(b"ROLLBACK; DEALLOCATE ALL")
    return found


def _cpu_of(connection: Connection) -> Callable[[], float]:
    """CPU seconds that the kernel counted for the backend of a connection."""
    place = Path(f"/proc/{connection.info.backend_pid}/schedstat")
    return lambda: int(place.read_text().split()[0]) / 1e9


def _transactions(server: Throwaway, seal: Seal) -> dict[str, float]:
    """Wall microseconds of a query in a transaction of a tenant, beside a bare one and beside none."""
    login = server.login("bench", roles.APP)
    connections = Connections(login)
    database = TenantDatabase(connections, seal)
    try:
        with connections.one() as connection:
            ask = connection.execute

            def bare() -> None:
                connection.pgconn.exec_(b"BEGIN")
                ask("SELECT %s::text", ["t-1"], prepare=True)
                connection.pgconn.exec_(b"COMMIT")

            def plain() -> None:
                ask("SELECT %s::text", ["t-1"], prepare=True)

            def sealed() -> None:
                enter(connection, seal, "t-1")
                ask("SELECT %s::text", ["t-1"], prepare=True)
                connection.pgconn.exec_(b"COMMIT")

            ways: dict[str, Callable[[], None]] = {"no transaction": plain, "bare": bare, "tenant": sealed}
            rounds = [{name: _timed(way) for name, way in ways.items()} for _ in range(ROUNDS)]
        for one in rounds:
            one["TenantDatabase, nothing in it"] = _timed(lambda: _through(database))
    finally:
        database.close()
    found = {name: round(1e6 * statistics.median(one[name] for one in rounds), 1) for name in rounds[0]}
    found["over_bare"] = round(1e6 * statistics.median(one["tenant"] - one["bare"] for one in rounds), 1)
    return found


def _through(database: TenantDatabase) -> None:
    with database.transaction("t-1"):
        pass


def _timed(way: Callable[[], None]) -> float:
    begin = time.perf_counter()
    for _ in range(TRANSACTIONS):
        way()
    return (time.perf_counter() - begin) / TRANSACTIONS


def _gate(server: Throwaway) -> dict[str, float]:
    """Milliseconds of the gate: the first of a connection, and one of many; the bench's own tables are no tenants'."""
    with server.connect("bench") as connection:
        connection.execute("DROP SCHEMA IF EXISTS bench CASCADE")
    firsts, times = [], []
    for _ in range(LOOKS):
        with server.connect("bench", roles.OWNER) as connection:
            firsts += list(_looks(connection, 1))
            times += list(_looks(connection, 3))
    return {"first": round(statistics.median(firsts), 1), "again": round(statistics.median(times), 1)}


def _looks(connection: Connection, count: int) -> Iterator[float]:
    for _ in range(count):
        begin = time.perf_counter()
        found: Sequence[object] = gate.findings(connection)
        if found:
            raise SystemExit(f"the gate finds {found[0]}")
        yield 1000 * (time.perf_counter() - begin)


if __name__ == "__main__":
    print(json.dumps(tenancy(Path()) | {"cores": os.cpu_count()}, indent=2))
    sys.exit(0)
