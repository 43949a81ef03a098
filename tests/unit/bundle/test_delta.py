"""Patches: their claims are read before the patcher runs, and the patcher runs in a process with bounded memory."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.bundle import delta, delta_worker
from stella.bundle.delta import HEADER, MAGIC, DeltaWorker, check_patch
from stella.bundle.errors import BadPatch, PatchBomb, WorkerKilled
from stella.kernel.errors import StellaError

OLD = hashlib.shake_256(b"old").digest(30_000)
NEW = OLD[:10_000] + b"a change" + OLD[10_000:]


@pytest.fixture(scope="module")
def worker() -> Iterator[DeltaWorker]:
    with delta.delta_worker() as found:
        yield found


@pytest.fixture(scope="module")
def patch(worker: DeltaWorker, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    top = tmp_path_factory.mktemp("patch")
    (top / "old").write_bytes(OLD)
    (top / "new").write_bytes(NEW)
    assert worker.diff(top / "old", top / "new", top / "patch")
    return (top / "patch").read_bytes()


def applied(worker: DeltaWorker, top: Path, old: bytes, patch: bytes) -> bytes:
    (top / "old").write_bytes(old)
    (top / "patch").write_bytes(patch)
    worker.apply("blob" * 16, top / "old", top / "patch", top / "new", len(NEW))
    return (top / "new").read_bytes()


def number(value: int) -> bytes:
    parts = [value & 0x7F]
    while value := value >> 7:
        parts.append(value & 0x7F | 0x80)
    return bytes(reversed(parts))


def test_a_patch_turns_old_into_new(worker: DeltaWorker, patch: bytes, tmp_path: Path) -> None:
    assert len(patch) < 200
    check_patch("blob", patch[:HEADER], len(OLD), len(NEW))
    assert applied(worker, tmp_path, OLD, patch) == NEW


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_claims_are_compared_with_what_is_signed(old: int, new: int) -> None:
    head = MAGIC + number(new) + number(old) + b"rest"
    check_patch("blob", head, old, new)
    for wrong in ((old + 1, new), (old, new + 1), (new + 1, old)):
        with pytest.raises(PatchBomb) as caught:
            check_patch("blob", head, *wrong)
        assert caught.value.reason == "patch_bomb"
        assert (caught.value.facts["old"], caught.value.facts["new"]) == (old, new)


@pytest.mark.parametrize(
    "head",
    [b"", MAGIC[:-1], b"HDIFF13&zlib\0" + bytes(20), MAGIC, MAGIC + b"\x81" * 60, MAGIC + b"\x05", MAGIC + b"\x05\x85"],
)
def test_what_does_not_begin_as_a_patch(head: bytes) -> None:
    with pytest.raises(BadPatch) as caught:
        check_patch("blob", head, 5, 5)
    assert caught.value.reason == "patch"


@given(st.binary(max_size=HEADER))
def test_no_bytes_make_the_check_fail_in_another_way(head: bytes) -> None:
    for data in (head, MAGIC + head):
        with pytest.raises(StellaError):
            check_patch("blob", data, 12_345_678, 87_654_321)


@pytest.mark.parametrize("cut", [20, -1, -10])
def test_a_patch_that_is_cut_short(worker: DeltaWorker, patch: bytes, tmp_path: Path, cut: int) -> None:
    with pytest.raises(BadPatch):
        applied(worker, tmp_path, OLD, patch[:cut])


def test_a_wrong_base(worker: DeltaWorker, patch: bytes, tmp_path: Path) -> None:
    with pytest.raises(BadPatch) as caught:
        applied(worker, tmp_path, OLD[:-1], patch)
    assert caught.value.facts["blob"] == "blob" * 3


def test_a_flipped_byte_is_an_error_or_another_result(worker: DeltaWorker, patch: bytes, tmp_path: Path) -> None:
    """The patcher does not find every damage: that is why the digest of its result decides."""
    silent = 0
    for at in range(len(MAGIC) + 6, len(patch)):
        damaged = bytearray(patch)
        damaged[at] ^= 0x11
        try:
            silent += applied(worker, tmp_path, OLD, bytes(damaged)) != NEW
        except BadPatch:
            continue
    assert silent, "if the patcher has learnt to find damage, say so in the notes"


def test_a_worker_serves_after_a_failed_job(worker: DeltaWorker, patch: bytes, tmp_path: Path) -> None:
    with pytest.raises(BadPatch):
        applied(worker, tmp_path, OLD, b"noise")
    assert applied(worker, tmp_path, OLD, patch) == NEW


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_worker_that_was_killed_is_an_error_and_the_next_one_serves(
    number: signal.Signals, patch: bytes, tmp_path: Path
) -> None:
    with delta.delta_worker() as worker:
        assert applied(worker, tmp_path, OLD, patch) == NEW
        process = worker._process
        assert process is not None
        process.send_signal(number)
        process.wait()
        with pytest.raises(WorkerKilled):
            applied(worker, tmp_path, OLD, patch)
        assert applied(worker, tmp_path, OLD, patch) == NEW
    assert worker._process is None


@pytest.mark.parametrize(("number", "word"), [(signal.SIGSEGV, "SIGSEGV"), (signal.SIGXCPU, "time")])
def test_a_worker_that_crashed_is_the_patch_s_fault(
    number: signal.Signals, word: str, patch: bytes, tmp_path: Path
) -> None:
    with delta.delta_worker() as worker:
        assert applied(worker, tmp_path, OLD, patch) == NEW
        process = worker._process
        assert process is not None
        process.send_signal(number)
        process.wait()
        with pytest.raises(BadPatch) as caught:
            applied(worker, tmp_path, OLD, patch)
        assert word in caught.value.facts["problem"]


def test_time_is_bounded_by_the_announced_sizes(tmp_path: Path) -> None:
    """A job that never ends, in a worker whose patience is none."""
    code = (
        "import hdiffpatch, itertools, json, sys; from stella.bundle import delta_worker as worker\n"
        "worker.PATIENCE = 0\n"
        "hdiffpatch.apply = lambda *_: sum(itertools.repeat(0)); worker.run(json.loads(sys.argv[1]))"
    )
    for name in ("old", "patch"):
        (tmp_path / name).write_bytes(b"")
    job = {name: str(tmp_path / name) for name in ("old", "new", "patch")} | {"op": "apply", "size": "0"}
    ended = subprocess.run([sys.executable, "-c", code, json.dumps(job)], check=False, timeout=60)
    assert ended.returncode == -signal.SIGXCPU


def test_memory_is_bounded_by_the_announced_sizes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The limit is set before the patcher is called, from the sizes of the job and nothing else."""
    asked: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(delta_worker.resource, "setrlimit", lambda kind, limits: asked.append((kind, limits)))

    def out_of_memory(*_: object) -> bytes:
        assert asked
        raise MemoryError

    monkeypatch.setattr(delta_worker.hdiffpatch, "apply", out_of_memory)
    for name, size in (("old", 1000), ("patch", 100), ("new", 0)):
        (tmp_path / name).write_bytes(bytes(size))
    job = {"op": "apply", "size": "5000"} | {name: str(tmp_path / name) for name in ("old", "new", "patch")}
    assert delta_worker.run(job) == {"problem": "MemoryError"}
    kind, (soft, _) = asked[0]
    assert kind == delta_worker.resource.RLIMIT_AS
    assert soft == delta_worker.FACTOR["apply"] * 6100 + delta_worker.HEADROOM


def test_a_missing_file_is_an_answer_and_no_crash(worker: DeltaWorker, patch: bytes, tmp_path: Path) -> None:
    (tmp_path / "patch").write_bytes(patch)
    with pytest.raises(BadPatch):
        worker.apply("blob", tmp_path / "none", tmp_path / "patch", tmp_path / "new", 5)
    assert applied(worker, tmp_path, OLD, patch) == NEW
