"""What a request costs the service, beside raw ASGI and beside Litestar and FastAPI where they are installed.

Rules:
- CPU time of the server process counts, read from /proc; requests per second say more about the client.
- Kinds are interleaved in every round; the best round of each counts, since disturbance only adds.
- The peers live in an environment of their own; without it they are left out, with the reason.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import servers
import uvloop
from peers import installed

PEERS = ("litestar", "fastapi", "uvicorn", "uvloop", "httptools", "msgspec")
ROUNDS = 3
SECONDS = 2.0
CONNECTIONS = 32
TICKS = os.sysconf("SC_CLK_TCK")
BODY = json.dumps({"name": "mirror", "count": 3, "tags": ["a", "b", "c"]}).encode()
REQUESTS = {
    "get": b"GET /v1/items HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n\r\n" % servers.TOKEN.encode(),
    "post": b"POST /v1/echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (servers.TOKEN.encode(), len(BODY), BODY),
}


class Client(asyncio.Protocol):
    """One connection that sends the next request when it has the answer to the last one."""

    def __init__(self, request: bytes, done: list[int]) -> None:
        self.request = request
        self.done = done
        self.found = b""
        self.stopped = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = transport
        transport.write(self.request)  # type: ignore[attr-defined]  # it is one for writing

    def data_received(self, data: bytes) -> None:
        """Count whole answers."""
        self.found += data
        head = self.found.find(b"\r\n\r\n")
        if head < 0:
            return
        text = self.found[:head].lower()
        at = text.index(b"content-length: ") + 16
        end = text.find(b"\r\n", at)
        if len(self.found) < head + 4 + int(text[at : end if end > 0 else None]):
            return
        if not self.found.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(self.found.decode())
        self.found = b""
        self.done[0] += 1
        if not self.stopped:
            self.transport.write(self.request)  # type: ignore[attr-defined]  # as above


async def load(port: int, request: bytes, seconds: float) -> int:
    """Ask for so long; how many answers came."""
    done = [0]
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: Client(request, done), "127.0.0.1", port) for _ in range(CONNECTIONS)]
    await asyncio.sleep(seconds)
    for transport, client in made:
        client.stopped = True
        transport.close()
    return done[0]


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(port: int, pid: int, request: bytes) -> tuple[float, float]:
    """Microseconds of the server's CPU for a request, and requests in a second."""
    before, begin = cpu(pid), time.perf_counter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        count = runner.run(load(port, request, SECONDS))
    return 1e6 * (cpu(pid) - before) / count, count / (time.perf_counter() - begin)


def start(kind: str, python: str, log: str) -> tuple[subprocess.Popen[str], int]:
    """A server and its port."""
    command = [python, str(Path(servers.__file__)), kind]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"BENCH_LOG": log})
    if process.stdout is None:
        raise SystemExit(kind)
    return process, int(process.stdout.readline())


def service(work: Path) -> dict[str, object]:
    """Microseconds of CPU a request, and the ratios that the goals are written in."""
    place = installed(work / "frameworks", PEERS)
    peers = str(place / "python") if isinstance(place, Path) else ""
    kinds = dict.fromkeys(("raw", "stella", "stella in threads"), sys.executable)
    kinds |= {kind: peers for kind in ("litestar", "fastapi") if peers}
    found: dict[str, dict[str, float]] = {kind: {} for kind in kinds}
    with tempfile.TemporaryDirectory() as folder:
        running = {kind: start(kind, python, f"{folder}/log") for kind, python in kinds.items()}
        try:
            time.sleep(3)  # imports
            for _ in range(ROUNDS):
                for kind, (process, port) in running.items():
                    for name, request in REQUESTS.items():
                        micros, rate = measure(port, process.pid, request)
                        best = found[kind]
                        best[f"{name}_us"] = round(min(micros, best.get(f"{name}_us", micros)), 1)
                        best[f"{name}_rps"] = round(max(rate, best.get(f"{name}_rps", 0)))
        finally:
            for process, _ in running.values():
                process.kill()
                process.communicate()
    ratios = {
        f"{name}_to_{kind}": round(found["stella"][f"{name}_us"] / found[kind][f"{name}_us"], 2)
        for kind in kinds
        if kind != "stella"
        for name in REQUESTS
    }
    return {"cpu": found, "stella_ratio": ratios} | ({} if peers else {"skipped": place})
