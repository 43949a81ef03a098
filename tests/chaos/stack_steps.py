"""A supervisor that kills itself at a step: `python -m tests.chaos.stack_steps STEP TRAIL WORDS...`.

Rules:
- A step is a change of the disk, a start of a child or the end of one; STEP 0 never comes.
- When all children are ready, the process tells itself to stop, so that the steps of a stop follow those of a start.
- Each step leaves one line in TRAIL, so that a run without a kill tells how many there are.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any

from stella.cli.main import main
from stella.runtime import files, run_file, supervise


def arrange(at: int, trail: Path) -> None:
    """Count the steps and kill at one."""
    numbers = count(1)

    def step(kind: str, what: str) -> None:
        with trail.open("a") as file:
            file.write(f"{kind} {what}\n")
        if next(numbers) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    write, start, end = run_file.write, supervise.start_child, supervise.Supervisor._end

    def written(data: Path, run: run_file.Run) -> None:
        write(data, run)
        step("reported", run.state)
        if run.state == "ready":
            os.kill(os.getpid(), signal.SIGTERM)

    def started(command: Any, **words: Any) -> Any:
        process = start(command, **words)
        step("started", Path(command[0]).name)
        return process

    def ended(self: supervise.Supervisor, child: supervise.Child) -> None:
        end(self, child)
        step("ended", child.name)

    files.observe_steps(step)
    run_file.write = written
    supervise.start_child = started
    supervise.Supervisor._end = ended  # type: ignore[method-assign]


if __name__ == "__main__":
    arrange(int(sys.argv[1]), Path(sys.argv[2]))
    del sys.argv[1:3]
    main()
