"""Why a tree is not linted at all. What is wrong inside of it is a finding, never one of these."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class NothingToLint(StellaError):
    """{where} holds neither Python nor SQL.

    A lint that looked at nothing must not pass for one that found nothing.
    """

    code = "LINT-001"
    exit = Exit.USAGE
    reason = "usage"
    hint = "name the folder of the sources, for example `stella lint tenancy src`"


class BadRoom(StellaError):
    """`{room}` is not a folder inside of a package.

    The room is the one folder whose modules may speak to a database driver, named as it is below its package: `runtime`
    stands for `src/app/runtime`.
    """

    code = "LINT-003"
    exit = Exit.USAGE
    reason = "usage"
    hint = "write for example `--room runtime` or `--room adapters/postgres`"


class TooManyFiles(StellaError):
    """{where} holds more than {limit} files of Python and SQL.

    The limit keeps a mistyped folder from being read for minutes.
    """

    code = "LINT-004"
    exit = Exit.USAGE
    reason = "usage"
    hint = "name the folders of your own sources"
