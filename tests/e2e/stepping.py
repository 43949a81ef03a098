"""`stella` with something happening at a step of it: `python -m tests.e2e.stepping MODE STEP WORDS...`.

Rules:
- MODE `stop` sends SIGINT to this process before step STEP of what changes the disk; for 0 when the operation begins.
- MODE `hold` says `held` on standard error before that step, and goes on when standard input ends.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from itertools import count

from stella import bootstrap
from stella.cli.main import main
from stella.runtime.files import observe_steps


def stop() -> None:
    """What Ctrl-C does."""
    os.kill(os.getpid(), signal.SIGINT)


def hold() -> None:
    """Wait for whoever started this process."""
    os.write(2, b"held\n")
    sys.stdin.read()


def happening(mode: str, step: int) -> None:
    """Let it happen."""
    act: Callable[[], None] = {"stop": stop, "hold": hold}[mode]
    if not step:
        make = bootstrap.make_context
        bootstrap.make_context = lambda *given: (act(), make(*given))[1]  # type: ignore[func-returns-value]
        return
    steps = count(1)
    observe_steps(lambda *_: act() if next(steps) == step else None)


if __name__ == "__main__":
    happening(sys.argv[1], int(sys.argv[2]))
    del sys.argv[1:3]
    main()
