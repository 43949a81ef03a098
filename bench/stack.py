"""The embedded stack and the index: how long a start takes, and what a hundred thousand entries cost.

Rules:
- A start ends when the service answers; wall seconds, since several processes share the work.
- The index is written from a real channel of small files, into the embedded server as production runs it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from stella import bootstrap
from stella.bundle.channel import ChannelFolder
from stella.database.apply import start
from stella.mirror.index import ChannelIndex
from stella.runtime import postgres, postgres_server
from stella.runtime.clock import SystemClock
from stella.runtime.files import DiskFolder
from stella.runtime.postgres import Login
from stella.runtime.postgres_server import Postgres
from stella.runtime.silent import Silent

STELLA = str(Path(sys.executable).parent / "stella")
ROUNDS = 5
SEARCHES = 200
PASSWORD = "only for the bench"  # noqa: S105  # of a server that lives as long as the bench


def starts(work: Path, environment: Mapping[str, str]) -> dict[str, object]:
    """Seconds until `stella up` returns, on an empty folder and on one that has been used; and until `down` does."""
    rows: dict[str, list[float]] = {"cold_s": [], "warm_s": [], "down_s": []}
    for number in range(ROUNDS):
        data = str(work / f"stack-{number}")
        for name, verb in (("cold_s", "up"), ("down_s", "down"), ("warm_s", "up"), ("", "down")):
            begin = time.perf_counter()
            subprocess.run([STELLA, verb, "--data", data], env=dict(environment), check=True, capture_output=True)
            if name:
                rows[name].append(time.perf_counter() - begin)
    return {name: round(statistics.median(seconds), 3) for name, seconds in rows.items()}


def index(work: Path, channel: Path) -> dict[str, object]:
    """Seconds to enter a channel, to see that nothing is missing, and milliseconds of a search."""
    top = work / "index"
    (top / "run").mkdir(parents=True, mode=0o700)
    (top / "password").write_text(PASSWORD)
    server = Postgres(top / "data", top / "run", top / "password")
    postgres_server.make_cluster(server, top / "log")
    process = postgres_server.start(server, top / "log")
    try:
        postgres_server.wait(server, process)
        login = Login(server.dsn(), PASSWORD)
        start(login, bootstrap.SCHEMAS, "bench", SystemClock())
        with closing(postgres.connect(login)) as connection:
            return _index(ChannelIndex(connection), ChannelFolder(DiskFolder(channel), str(channel)))
    finally:
        postgres_server.stop(process)


def _index(found: ChannelIndex, store: ChannelFolder) -> dict[str, object]:
    entries = store.entries(store.records()[-1])
    digests = [entry.digest for entry in entries[:: max(len(entries) // SEARCHES, 1)]]
    written = [_timed(lambda: found.enter(store, 0, Silent(), anew=True)) for _ in range(3)]
    looked = [_timed(lambda: found.enter(store, 0, Silent())) for _ in range(ROUNDS)]
    searched = [_timed(lambda digest=digest: found.contents(digest, "", ("", "", ""), 50)) for digest in digests]  # type: ignore[misc]  # bound in this turn
    return {
        "entries": len(entries),
        "enter_s": round(statistics.median(written), 3),
        "nothing_to_do_ms": round(1000 * statistics.median(looked), 2),
        "search_ms": round(1000 * statistics.median(searched), 3),
    }


def _timed(once: Callable[[], object]) -> float:
    begin = time.perf_counter()
    once()
    return time.perf_counter() - begin
