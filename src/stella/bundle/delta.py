"""Binary deltas between two contents (HDiffPatch with zstd inside).

Rules:
- A patch says its old and new sizes in its header; both are compared with the signed sizes before the patcher runs.
- Patching happens in a worker process with limits on memory and CPU time; its result counts only when its digest is
  the signed one.
- A full disk under the worker, or a worker that somebody killed, is the machine's fault and says nothing of the patch.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stella.bundle.errors import BadPatch, PatchBomb, WorkerKilled
from stella.runtime.files import writing

MAGIC = b"HDIFF13&zstd\0"
HEADER = 64  # bytes that are enough for the magic and both sizes
BY_OTHERS = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})  # no patch makes a worker end so


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Big-endian base-128 integer at `at`: its value and the offset behind it."""
    value = 0
    for offset in range(at, min(at + 10, len(data))):
        value = value << 7 | data[offset] & 0x7F
        if not data[offset] & 0x80:
            return value, offset + 1
    raise ValueError


def check_patch(blob: str, head: bytes, old_size: int, new_size: int) -> None:
    """Raise BadPatch or PatchBomb unless the first bytes of a patch claim exactly these sizes."""
    try:
        if not head.startswith(MAGIC):
            raise ValueError
        new, at = _number(head, len(MAGIC))
        old, _ = _number(head, at)
    except ValueError:
        raise BadPatch(blob=blob[:12], problem="it does not begin with the header of a patch") from None
    if (old, new) != (old_size, new_size):
        raise PatchBomb(blob=blob[:12], old=old, new=new, expected_old=old_size, expected_new=new_size)


class DeltaWorker:
    """One worker process, started at its first job."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def _ask(self, job: dict[str, str]) -> dict[str, object]:
        if self._process is None:
            self._process = subprocess.Popen(  # the interpreter of this process, no shell
                [sys.executable, "-I", "-m", "stella.bundle.delta_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise AssertionError
        try:
            stdin.write(json.dumps(job) + "\n")
            stdin.flush()
            answer = stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            process = self._process
            self.close()
            if -process.returncode in BY_OTHERS:
                raise WorkerKilled
            return {"problem": f"the worker {_ended(process.returncode)}"}
        found: dict[str, Any] = json.loads(answer)
        if "errno" in found:
            with writing(Path(job["patch" if job["op"] == "diff" else "new"])):
                raise OSError(found["errno"], os.strerror(found["errno"]))
        return found

    def diff(self, old: Path, new: Path, patch: Path) -> bool:
        """Write the patch from `old` to `new`; False when it could not be made, which only costs size.

        Raises DiskFull, Unwritable, WorkerKilled.
        """
        job = {"op": "diff", "old": str(old), "new": str(new), "patch": str(patch), "size": str(new.stat().st_size)}
        return "ok" in self._ask(job)

    def apply(self, blob: str, old: Path, patch: Path, new: Path, size: int) -> None:
        """Write the result of `patch` on `old` to `new`; raises BadPatch, DiskFull, Unwritable, WorkerKilled.

        The caller checks the digest of the result.
        """
        job = {"op": "apply", "old": str(old), "new": str(new), "patch": str(patch), "size": str(size)}
        answer = self._ask(job)
        if "ok" not in answer:
            raise BadPatch(blob=blob[:12], problem=answer["problem"])

    def close(self) -> None:
        """End the process; no error when there is none."""
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=2)
            return
        process.kill()
        process.wait()


def _ended(code: int) -> str:
    """How a worker ended, in words."""
    if code == -signal.SIGXCPU:
        return "needed more time than any patch of this size does"
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return f"{how}; it may have run out of memory"


@contextlib.contextmanager
def delta_worker() -> Iterator[DeltaWorker]:
    """A worker that ends with the block."""
    worker = DeltaWorker()
    try:
        yield worker
    finally:
        worker.close()
