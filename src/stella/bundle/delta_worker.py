"""A process of its own that makes and applies binary patches, so that their memory is bounded and theirs alone.

Rules:
- Jobs come as JSON lines on standard input, answers leave as JSON lines on standard output, in order.
- Address space and CPU time are limited to what the announced sizes can need; a job that needs more ends the process,
  and nothing else.
"""

from __future__ import annotations

import errno
import json
import resource
import sys
import time
from pathlib import Path

import hdiffpatch

HEADROOM = 768 * 1024 * 1024  # interpreter, libraries and thread stacks
PATIENCE = 60  # seconds of CPU for any job
SLOWEST = 500_000  # bytes of old, new and patch in a second of CPU: a twentieth of what was measured
FACTOR = {"diff": 8, "apply": 3}  # measured: diff holds both files and about 3.5 times their size


def run(job: dict[str, str]) -> dict[str, object]:
    """Do one job: `op` is diff or apply; `old`, `new`, `patch` are paths. Answers {ok}, {problem} or {errno}."""
    old, new, patch = Path(job["old"]), Path(job["new"]), Path(job["patch"])
    source = new if job["op"] == "diff" else patch
    need = old.stat().st_size + int(job["size"]) + source.stat().st_size
    _limit(resource.RLIMIT_AS, FACTOR[job["op"]] * need + HEADROOM)
    _limit(resource.RLIMIT_CPU, int(time.process_time()) + PATIENCE + need // SLOWEST)
    try:
        if job["op"] == "diff":
            made = hdiffpatch.diff(old.read_bytes(), new.read_bytes(), compression=hdiffpatch.COMPRESSION_ZSTD)
            patch.write_bytes(made)
        else:
            new.write_bytes(hdiffpatch.apply(old.read_bytes(), patch.read_bytes()))
    except OSError as error:
        return {"errno": error.errno or errno.EIO}
    except (hdiffpatch.HDiffPatchError, MemoryError, ValueError) as error:
        return {"problem": str(error) or type(error).__name__}
    return {"ok": True}


def _limit(which: int, wanted: int) -> None:
    _, most = resource.getrlimit(which)
    resource.setrlimit(which, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))


def main() -> None:
    """Serve jobs until standard input ends."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
