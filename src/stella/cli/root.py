"""The command `stella`: its menu of nouns, and how a line of words becomes a call.

Rules:
- Showing help imports click and the standard library; a noun is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

import stella
from stella import bootstrap
from stella.cli import render
from stella.cli.commands import Menu, help_width
from stella.cli.flags import Flags
from stella.cli.words import Flag, switch

COMPLETION_LINE = "Print the completion script of a shell."
SUMMARY = "Cut, sign and carry a software release across an air gap; verify, import and run it on the sealed side."
CLOSING = """\
Exit codes: 0 ok, 1 unexpected, 2 usage, 3 not allowed, 4 not found,
5 needs a network while sealed, 6 negative verdict, 10 try again later,
130 interrupted. Begin with: stella demo
"""


def root() -> Menu:
    """The root menu."""
    lines = {noun: entry.help for noun, entry in bootstrap.NOUNS.items()} | {"completion": COMPLETION_LINE}
    return Menu(
        "stella",
        lines,
        _find,
        summary=SUMMARY,
        word="NOUN VERB",
        closing=CLOSING,
        params=[
            switch("--debug", help="Show a traceback when something fails."),
            switch("--no-input", help="Never ask; fail instead."),
            Flag(["--server"], metavar="URL", help="Let this service do the work.", expose_value=False),
            switch("--version", help="Show the version.", action=lambda _: render.text(f"stella {stella.__version__}")),
        ],
        bare=lambda ctx: render.text(ctx.get_help()),
    )


def _find(word: str) -> click.Command:
    if word == "completion":
        from stella.cli import completion

        return completion.command()
    from stella.cli import generate

    return generate.command_of(word)


def call(words: Sequence[str], flags: Flags) -> int:
    """Parse and run; the exit code of what ended well. Raises StellaError for the rest."""
    command = root()
    try:
        with command.make_context("stella", list(words), obj=flags, terminal_width=help_width()) as ctx:
            command.invoke(ctx)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.UsageError as error:
        from stella.cli import refuse

        raise refuse.from_click(error) from None
    return 0
