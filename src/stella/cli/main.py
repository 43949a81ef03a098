"""The process: signals, exit codes, and what a person sees when something fails.

Rules:
- Every end is one of the exit codes of `kernel.errors.Exit`; a traceback is shown only where `--debug` or STELLA_DEBUG
  asks for it.
- SIGINT, SIGTERM and SIGHUP all unwind what is being done, so that nothing half written stays, and end with 130.
- Everything but this module is imported inside the guard, so that a failing import is reported like any other failure.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import NoReturn

from stella.cli import render
from stella.cli.errors import Crashed, Interrupted
from stella.cli.flags import Flags, split
from stella.kernel.errors import StellaError

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
COLLECT_EVERY = 50_000  # allocations; Python's own 700 suits servers, and costs a short run with long lists some 5 %
MAX_PROBLEM = 200  # characters of an unexpected message that a line of text can take


def main() -> NoReturn:
    """Entry point of the console script."""
    gc.set_threshold(COLLECT_EVERY)
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Do what a command line says; the exit code."""
    flags, words = split(arguments)
    if os.environ.get("STELLA_DEBUG", "0") not in {"", "0"}:
        flags = flags._replace(debug=True)
    with _signals_unwind():
        return _guarded(words, arguments, flags)


def _guarded(words: list[str], arguments: Sequence[str], flags: Flags) -> int:
    try:
        if "_STELLA_COMPLETE" in os.environ:
            from stella.cli import completion

            return completion.answer()
        from stella.cli import root

        return root.call(words, flags)
    except StellaError as error:
        return _report(error, error, flags)
    except KeyboardInterrupt:
        return _interrupted(flags)
    except Exception as error:  # noqa: BLE001  # the last guard: a person gets a code and a file, never a traceback
        return _report(_crashed(error, arguments), error, flags)


def _report(error: StellaError, cause: BaseException, flags: Flags) -> int:
    if flags.debug:
        render.trace(cause)
    return render.failure(error, as_json=flags.json)


def _interrupted(flags: Flags) -> int:
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not cut the last words
    if flags.json:
        return render.failure(Interrupted(), as_json=True)
    render.interrupted()
    return int(Interrupted.exit)


def _crashed(error: Exception, arguments: Sequence[str]) -> Crashed:
    words = " ".join(f"{type(error).__name__}: {error}".split())[:MAX_PROBLEM].removesuffix(":")
    try:
        from stella.cli import crash

        place = crash.keep(error, arguments, os.environ)
    except Exception:  # noqa: BLE001  # a broken installation cannot even keep a file; the words above still reach the person
        place = "the output of `--debug`"
    return Crashed(problem=words, path=place)


@contextlib.contextmanager
def _signals_unwind() -> Iterator[None]:
    """Let the signals that stop a process unwind it; one that the caller ignores, as nohup does, stays ignored."""
    before = {number: signal.getsignal(number) for number in STOPPING}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _unwind)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _unwind(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise KeyboardInterrupt
