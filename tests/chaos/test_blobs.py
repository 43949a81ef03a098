"""Kills, faults and failed audits while objects of tenants are written.

Rules:
- At whatever step a writer is killed, every object that was acknowledged is there, whole, and no half object can be
  seen; the same command again finishes, and leaves no temporary file.
- The directory is killed before each of its steps, on disk as in production; the bucket before each of its requests
  and answers, over the real store. A writer that is killed at random, many times, loses nothing either.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from stella.kernel.digest import sha256
from stella.runtime.blobs import DiskBlobs
from stella.runtime.files import observe_steps
from stella.runtime.places import open_blobs
from stella.runtime.ports import Blobs
from stella.runtime.settings import StoreSettings
from tests.chaos import world
from tests.chaos.disturb import killed_before
from tests.tenant_server import TenantServer

OBJECTS = [bytes([number]) * size for number, size in enumerate((0, 10, 70_000, 3_000_000))]
KIND = "sbom"


def silent(*_: str) -> None:
    """Nobody refuses anything here."""


def write_all(top: Path) -> None:
    """Put all objects; each one that is acknowledged is noted in a file beside them."""
    import io

    blobs = DiskBlobs(top / "objects", "a", silent)
    with (top / "acknowledged").open("a") as log:
        for data in OBJECTS:
            digest = blobs.put(KIND, io.BytesIO(data) if len(data) > 100_000 else data)
            log.write(f"{digest}\n")
            log.flush()
    blobs.delete(KIND, sha256(OBJECTS[1]))


def judge(blobs: Blobs, acknowledged: list[str]) -> None:
    """Whatever is listed is whole; whatever was acknowledged is listed, but for what may have been deleted."""
    held = {row.digest for row in blobs.list(KIND)}
    for digest in held:
        assert sha256(blobs.get(KIND, digest)) == digest
    assert set(acknowledged) - {sha256(OBJECTS[1])} <= held
    if len(acknowledged) < len(OBJECTS):
        assert set(acknowledged) <= held


def test_a_kill_at_every_step_on_disk(place: Path) -> None:
    steps: list[str] = []
    observe_steps(lambda kind, path: steps.append(f"{kind} {path}"))
    try:
        write_all(_fresh(place / "undisturbed"))
    finally:
        observe_steps(None)
    assert {step.partition(" ")[0] for step in steps} >= {
        "create",
        "write",
        "fsync",
        "rename",
        "fsync_dir",
        "mkdir",
        "unlink",
    }
    for point in range(1, len(steps) + 2):
        top = _fresh(place / str(point))
        ended = killed_before(point, lambda top=top: write_all(top), top / "steps")  # type: ignore[misc]  # bound now
        assert ended == (-signal.SIGKILL if point <= len(steps) else 0), steps[point - 1]
        judge(DiskBlobs(top / "objects", "a", silent), (top / "acknowledged").read_text().split())
        write_all(top)
        judge(DiskBlobs(top / "objects", "a", silent), [])
        assert world.temporary_files(top) == []


def _fresh(top: Path) -> Path:
    top.mkdir()
    return top


PROGRAM = """
import sys, os
from pathlib import Path
from stella.runtime.blobs import DiskBlobs
blobs = DiskBlobs(Path(sys.argv[1]), "a", lambda *_: None)
number = int(sys.argv[2])
while True:
    number += 1
    print(blobs.put("sbom", number.to_bytes(8, "big") * 20_000), flush=True)
"""


def test_kills_at_any_moment_lose_nothing(place: Path) -> None:
    """A process that writes as fast as it can, killed from outside: what it said is there, and nothing else is seen."""
    draw, said = random.Random("blobs"), []
    for turn in range(6):
        command = [sys.executable, "-c", PROGRAM, str(place / "o"), str(turn * 10**6)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said.append(process.stdout.readline().strip())
            time.sleep(draw.uniform(0, 0.05))
            process.kill()
            said += [line for line in process.stdout.read().splitlines() if len(line) == 64]
    blobs = DiskBlobs(place / "o", "a", silent)
    found, after = set(), ""
    while page := blobs.list(KIND, after):
        after = page[-1].digest
        for held in page:
            assert sha256(blobs.get(KIND, held.digest)) == held.digest
            found.add(held.digest)
    assert set(said) <= found
    blobs.put(KIND, b"x")
    assert world.temporary_files(place) == []


# ---- the bucket


def in_bucket(settings: StoreSettings, tenant: str) -> Blobs:
    return open_blobs("s3://stella", tenant, settings, lambda text: Path(text[5:]).read_bytes(), silent, sealed=True)


def child(settings: StoreSettings, tenant: str, point: int, log: Path) -> None:
    """Put objects, one of them in parts, and be killed before a request or before its answer is known."""
    import io

    steps = count(1)

    def observe(*_: str) -> None:
        if next(steps) == point:
            os.kill(os.getpid(), signal.SIGKILL)

    observe_steps(observe)
    blobs = in_bucket(settings, tenant)
    for data in (b"one", bytes(18 * 1024 * 1024), b"two"):
        digest = blobs.put(KIND, io.BytesIO(data))
        with log.open("a") as file:
            file.write(f"{digest}\n")
    os._exit(0)


@pytest.mark.network
def test_a_kill_at_every_request_to_a_bucket(tenant_server: TenantServer, place: Path) -> None:
    settings = tenant_server.accounts.settings(tenant_server.endpoint)
    context = multiprocessing.get_context("forkserver")  # threads of the library survive no fork
    context.set_forkserver_preload(["tests.chaos.test_blobs"])
    for point in range(1, 8):
        tenant, log = f"kill-{point}", place / f"log-{point}"
        log.touch()
        tenant_server.admit(tenant)
        process = context.Process(target=child, args=(settings, tenant, point, log))
        process.start()
        process.join(60)
        assert process.exitcode == (-signal.SIGKILL if point < 7 else 0)
        blobs, acknowledged = in_bucket(settings, tenant), log.read_text().split()
        assert len(acknowledged) == (point - 1) // 2
        held = {row.digest for row in blobs.list(KIND)}
        assert set(acknowledged) <= held
        for digest in held:
            with blobs.open(KIND, digest) as file:
                assert sha256(file.read()) == digest
