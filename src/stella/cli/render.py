"""The only code that prints.

Rules:
- Standard output carries data only: a result, as text for people or as one JSON document. Words about it go to standard
  error.
- A reader that has gone away is not an error: what is left is dropped in silence, and the exit code says how the work
  went. The work was done before its result is printed, so `stella mirror show B | head -1` ends with 0.
- A full disk under standard output is an error, DiskFull: a cut report must not pass for a whole one.
- JSON is UTF-8 whatever the locale; bytes of a file name that are not UTF-8 are written as their escapes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from stella.kernel.errors import StellaError

if TYPE_CHECKING:
    import msgspec

    from stella.formats.view import View
    from stella.operations import Operation

FALLBACK_COLUMNS = 80  # what a pipe is laid out for
RED, BOLD, END = "\x1b[1;31m", "\x1b[1m", "\x1b[0m"


def result(operation: Operation[Any, Any], value: msgspec.Struct, *, as_json: bool) -> None:
    """Print what an operation gave; raises DiskFull or Unwritable."""
    if as_json:
        _write(sys.stdout, _json(value))
    else:
        view(operation.view(value))


def view(shown: View) -> None:
    """Print a view: with colour on a terminal that has it, plain elsewhere."""
    if has_colour(sys.stdout, os.environ):
        from stella.cli import colour

        _write_text(sys.stdout, colour.layout(shown, columns()))
    else:
        from stella.cli import plain

        _write_text(sys.stdout, plain.layout(shown))


def text(words: str) -> None:
    """Print text as it is, with a final newline: help, a script, a version."""
    _write_text(sys.stdout, words.rstrip("\n") + "\n")


def failure(error: StellaError, *, as_json: bool) -> int:
    """Print an error and give its exit code; never raises, since nobody is left to tell."""
    with contextlib.suppress(OSError, StellaError):
        if as_json:
            _write(sys.stdout, _json(error.problem()))
            return int(error.exit)
    with contextlib.suppress(OSError, StellaError):
        _write_text(sys.stderr, _words(error))
    return int(error.exit)


def note(words: str) -> None:
    """Say something beside the result, on standard error."""
    _write_text(sys.stderr, f"note: {words}\n")


def interrupted() -> None:
    """Say that the command was stopped."""
    with contextlib.suppress(OSError, StellaError):
        _write_text(sys.stderr, "interrupted\n")


def trace(error: BaseException) -> None:
    """Print the traceback of an error, for `--debug`."""
    import traceback

    with contextlib.suppress(OSError, StellaError):
        _write_text(sys.stderr, "".join(traceback.format_exception(error)))


def ask_hidden(question: str) -> str:
    """What a person types, unseen; empty when the terminal ends."""
    import getpass

    try:
        return getpass.getpass(question, stream=sys.stderr)
    except EOFError:
        return ""


def has_colour(stream: TextIO | None, env: Mapping[str, str]) -> bool:
    """Whether `stream` is a terminal that takes colour and nobody asked for none (NO_COLOR, TERM=dumb)."""
    return bool(stream and stream.isatty() and not env.get("NO_COLOR") and env.get("TERM", "dumb") != "dumb")


def columns() -> int:
    """Width of the terminal: COLUMNS, or what standard output says, or 80. `shutil` knows it too, and costs 2 ms."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(1).columns or FALLBACK_COLUMNS
    except OSError:
        return FALLBACK_COLUMNS


def _words(error: StellaError) -> str:
    from stella.cli.plain import clean

    red, bold, end = (RED, BOLD, END) if has_colour(sys.stderr, os.environ) else ("", "", "")
    lines = [f"{red}error[{error.code}]{end}{bold}: {clean(error.message)}{end}"]
    if error.advice:
        lines.append(f"  hint: {clean(error.advice)}")
    lines.append(f"  more: stella explain {error.code}")
    return "\n".join(lines) + "\n"


def _json(value: object) -> bytes:
    """One indented JSON document; a struct has its schema tag first and its keys in the order of their declaration."""
    import msgspec

    try:
        return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
    except UnicodeEncodeError:
        import json

        document = json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False)
        return (
            document.encode("utf-8", "backslashreplace") + b"\n"
        )  # \udcff is the escape of that surrogate in JSON too


def _write_text(stream: TextIO | None, words: str) -> None:
    _write(stream, words.encode(getattr(stream, "encoding", None) or "utf-8", "backslashreplace"))


def _write(stream: TextIO | None, data: bytes) -> None:
    """Write all of `data` now; a reader that has gone is silence, a disk that is full is an error."""
    if stream is None:  # closed before the process began
        return
    try:
        stream.flush()
        out = getattr(stream, "buffer", None)
        if out is None:  # a test's own stream
            stream.write(data.decode(errors="replace"))
        else:
            out.write(data)
            out.flush()
    except BrokenPipeError:
        _mute(stream)
    except OSError as error:
        from stella.runtime.errors import DiskFull, Unwritable

        _mute(stream)
        name = "standard output" if stream is sys.stdout else "standard error"
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull(path=name) from None
        raise Unwritable(path=name, problem=os.strerror(error.errno or 0)) from None


def _mute(stream: TextIO) -> None:
    """Send what is still buffered nowhere, so that the interpreter does not complain when it ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
