"""What can go wrong between a command line and an operation."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class UnknownCommand(StellaError):
    """There is no command `{command}`.

    A command is a noun and a verb, such as `stella mirror create`.
    """

    code = "CLI-001"
    exit = Exit.USAGE
    reason = "usage"
    hint = "{nearest}"


class UnknownOption(StellaError):
    """`{command}` has no option `{option}`.

    Options are never guessed, because a mistyped one would silently keep its default.
    """

    code = "CLI-002"
    exit = Exit.USAGE
    reason = "usage"
    hint = "{nearest}"


class MissingInput(StellaError):
    """`{command}` needs {what}.

    Nothing was done. Some of what is needed may also be set in `stella.toml`; the help of the command says which.
    """

    code = "CLI-003"
    exit = Exit.USAGE
    reason = "usage"
    hint = "see `{command} --help`"


class BadValue(StellaError):
    """Bad value for {what}: {problem}.

    The value cannot be used as it is. Nothing was done.
    """

    code = "CLI-004"
    exit = Exit.USAGE
    reason = "usage"
    hint = "{advice}"


class Crashed(StellaError):
    """Stella failed unexpectedly: {problem}.

    This is a defect of Stella, not of the input. The crash file holds the details for a report: the command line, the
    versions and where it happened. Read it before you hand it on: the command line names your files.
    """

    code = "CLI-005"
    exit = Exit.UNEXPECTED
    reason = "defect"
    hint = "report it with {path}, or see more at once with `--debug`"


class Interrupted(StellaError):
    """Interrupted.

    The command was stopped by Ctrl-C, SIGTERM or the end of its terminal. Nothing half written is left behind; run the
    command again to do the rest.
    """

    code = "CLI-006"
    exit = Exit.INTERRUPTED
    reason = "interrupted"


class ExtraInput(StellaError):
    """`{command}` does not take `{text}`.

    There are more words than the command has places for. A value with spaces needs quotes.
    """

    code = "CLI-007"
    exit = Exit.USAGE
    reason = "usage"
    hint = "see `{command} --help`"


class StaleReference(StellaError):
    """Reference pages are not what the tables say: {pages}.

    The pages under `docs/reference` are made from the tables of operations, settings and errors, never by hand.
    """

    code = "CLI-008"
    exit = Exit.NEGATIVE
    reason = "stale"
    hint = "make them again: `make reference`"
