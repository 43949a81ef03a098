"""Objects of a tenant beside plain files and boto3: put and get of 64 KiB through the handle.

Rules:
- Each contender writes and reads the same number of objects of random bytes in each round, one after the other; the
  ratio is the median of the rounds' own ratios.
- A plain file is written as durably as the handle does it: temporary name, fsync, rename, fsync of the folder; it is
  named by its digest, which is checked on read. `careless` is open and write, without any of that.
- One real store, the embedded one as a stack runs it; boto3 speaks to it from an environment of its own below the
  folder of work, with keys of another tenant.
- Wall seconds, since disk and server work too; CPU seconds of the client are given beside them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from peers import installed

from stella.runtime import seaweed_accounts, seaweed_server
from stella.runtime.blobs import DiskBlobs
from stella.runtime.children import start_child, stop_child
from stella.runtime.places import open_blobs
from stella.runtime.ports import Blobs
from stella.runtime.seaweed_server import Seaweed

HERE = Path(__file__).resolve().parent
SIZE = 64 * 1024
COUNT = 100  # objects a round
ROUNDS = 7
PEERS = ("boto3==1.43.53",)
KIND = "bench"

Cost = tuple[float, float]  # wall and CPU seconds
Contender = Callable[[str], Cost]  # does `put` or `get` COUNT times


def objects(work: Path) -> dict[str, object]:
    """Microseconds of each contender for one object, and ratios to the handle beside it."""
    with ExitStack() as stack:
        disk = HERE / "work" / f"objects-{os.getpid()}"  # a real disk, where the bench itself works in memory
        stack.callback(shutil.rmtree, disk, ignore_errors=True)
        found: dict[str, object] = {"bytes": SIZE, "objects": COUNT * ROUNDS, "sha256_us": _sha256()}
        found["disk"] = _compare(_on_disk(disk), "handle")
        found["memory"] = _compare(_on_disk(work / "files"), "handle")
        server = stack.enter_context(_server(work / "s3"))
        found["admit_a_tenant_ms"] = _admit(server)
        contenders, skipped = _in_bucket(stack, server, work)
        found["bucket"] = _compare(contenders, "handle") | skipped
    return found


def _compare(contenders: Mapping[str, Contender], own: str) -> dict[str, object]:
    rounds = {verb: {name: list[Cost]() for name in contenders} for verb in ("put", "get")}
    for number in range(ROUNDS + 1):
        for verb, rows in rounds.items():
            for name in sorted(contenders, reverse=bool(number % 2)):
                cost = contenders[name](verb)
                if number:  # the first round warms connections and caches
                    rows[name].append(cost)
    return {name: {verb: _figures(rows[name], rows[own]) for verb, rows in rounds.items()} for name in contenders}


def _figures(costs: list[Cost], own: list[Cost]) -> dict[str, float]:
    wall, cpu = (statistics.median(column) / COUNT * 1e6 for column in zip(*costs, strict=True))
    ratio = statistics.median(mine[0] / theirs[0] for mine, theirs in zip(costs, own, strict=True))
    return {"wall_us": round(wall, 1), "cpu_us": round(cpu, 1), "times_as_long_as_handle": round(ratio, 2)}


def _timed(work: Callable[[bytes], object], items: list[bytes]) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    for item in items:
        work(item)
    return time.perf_counter() - wall, time.process_time() - cpu


def _sha256() -> float:
    data = os.urandom(SIZE)
    return round(1e6 * min(_timed(lambda one: hashlib.sha256(one).hexdigest(), [data])[0] for _ in range(50)), 1)


def _contender(put: Callable[[bytes], str], get: Callable[[str], object]) -> Contender:
    written: list[str] = []

    def run(verb: str) -> Cost:
        if verb == "put":
            datas = [os.urandom(SIZE) for _ in range(COUNT)]
            return _timed(lambda data: written.append(put(data)), datas)
        return _timed(lambda digest: get(digest.decode()), [digest.encode() for digest in written[-COUNT:]])

    return run


def _handle(blobs: Blobs) -> Contender:
    return _contender(lambda data: blobs.put(KIND, data), lambda digest: blobs.get(KIND, digest))


def _on_disk(top: Path) -> dict[str, Contender]:
    top.mkdir(parents=True)
    careful, careless = top / "careful", top / "careless"
    return {
        "handle": _handle(DiskBlobs(top / "handle", "a", lambda *_: None)),
        "plain file, as durable": _contender(lambda data: _write(careful, data), lambda digest: _read(careful, digest)),
        "plain file, careless": _contender(
            lambda data: _scribble(careless, data), lambda digest: (careless / digest).read_bytes()
        ),
    }


def _write(folder: Path, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    place = folder / digest[:2]
    place.mkdir(parents=True, exist_ok=True)
    temporary = place / f".{digest}"
    with temporary.open("wb", buffering=0) as file:
        file.write(data)
        os.fsync(file.fileno())
    temporary.rename(place / digest)
    handle = os.open(place, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
    return digest


def _read(folder: Path, digest: str) -> bytes:
    data = (folder / digest[:2] / digest).read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise SystemExit("another digest")
    return data


def _scribble(folder: Path, data: bytes) -> str:
    name = data[:16].hex()
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return name


# ---- the bucket


@contextmanager
def _server(top: Path) -> Iterator[tuple[Seaweed, str, int]]:
    """The embedded store with tenants `a` and `b`, and its address."""
    (top / "data").mkdir(parents=True, mode=0o700)
    for name in ("access", "secret"):
        (top / name).write_text(os.urandom(16).hex())
    server = Seaweed(top / "data", top, top / "access", top / "secret")
    service = seaweed_server.service(server, top / "log")
    process = start_child(service.command({}), log=top / "log", env=service.env, folder=service.folder)
    try:
        while not (found := service.ready(process.pid)):
            if process.poll() is not None:
                raise SystemExit((top / "log").read_text()[-2000:])
            time.sleep(0.02)
        for tenant in ("a", "b"):
            seaweed_accounts.admit(server.accounts, tenant, process.pid, found["s3"])
        yield server, found["s3"], process.pid
    finally:
        stop_child(process, service.stop, 10)


def _admit(server: tuple[Seaweed, str, int]) -> float:
    """Milliseconds until a new tenant's keys are good in the server that runs."""
    seconds: list[float] = []
    for number in range(20):
        begin = time.perf_counter()
        seaweed_accounts.admit(server[0].accounts, f"t{number}", server[2], server[1])
        seconds.append(time.perf_counter() - begin)
    return round(1000 * statistics.median(seconds), 1)


def _in_bucket(
    stack: ExitStack, server: tuple[Seaweed, str, int], work: Path
) -> tuple[dict[str, Contender], dict[str, object]]:
    accounts, endpoint = server[0].accounts, server[1]

    def secret(reference: str) -> bytes:
        return Path(reference.removeprefix("file:")).read_bytes()

    want, place = accounts.settings(endpoint), f"s3://{accounts.bucket}"
    found = {"handle": _handle(open_blobs(place, "a", want, secret, lambda *_: None, sealed=True))}
    python = installed(work / "peers", PEERS)
    if isinstance(python, str):
        return found, {"skipped": {"boto3": python}}
    keys = {name: (accounts.folder / "b" / f"{name}-key").read_text() for name in ("access", "secret")}
    process = subprocess.Popen(  # ended below
        [str(python / "python"), str(HERE / "objects_peer.py"), endpoint, accounts.bucket, "tenants/b", str(SIZE)],
        env={"PATH": "/usr/bin:/bin", **{f"PEER_{name.upper()}": key for name, key in keys.items()}},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.callback(process.wait)
    source, sink = process.stdout, process.stdin
    if source is None or sink is None:
        raise SystemExit("no pipes")
    stack.callback(sink.close)

    def ask(verb: str) -> Cost:
        print(verb, COUNT, file=sink, flush=True)
        wall, cpu = json.loads(source.readline())
        return wall, cpu

    return {**found, "boto3": ask}, {}


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as name:
        print(json.dumps(objects(Path(name)), indent=2), file=sys.stdout)
