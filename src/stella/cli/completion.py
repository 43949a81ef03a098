"""Completion of the command line in a shell.

Rules:
- Words come from the table of operations, paths from the shell; nothing is asked of a network or a service.
- Whatever goes wrong while completing, the shell gets no words and no error.
"""

from __future__ import annotations

import os

import click
from click.shell_completion import ShellComplete, get_completion_class

from stella.cli import render
from stella.cli.commands import Leaf
from stella.cli.words import Positional

VARIABLE = "_STELLA_COMPLETE"
SHELLS = ("bash", "zsh", "fish")
SETUP = """\
stella completion bash > ~/.local/share/bash-completion/completions/stella
stella completion zsh > ~/.zfunc/_stella   # a folder of fpath
stella completion fish > ~/.config/fish/completions/stella.fish"""


def command() -> Leaf:
    """The command `stella completion SHELL`."""
    shell = Positional(["shell"], type=click.Choice(SHELLS), metavar="bash|zsh|fish", help="Shell to complete in.")
    return Leaf(
        "completion",
        [shell],
        lambda shell: render.text(script(shell)),
        summary="Print the completion script of a shell.",
        description="The script asks `stella` for the words at each press of the tab key.",
        example=SETUP,
    )


def script(shell: str) -> str:
    """The script that a shell loads."""
    kind = get_completion_class(shell)
    if kind is None:
        raise KeyError(shell)
    # ShellComplete's own source(): the one for bash would start bash to ask for its version
    return ShellComplete.source(kind(click.Command("stella"), {}, "stella", VARIABLE))


def answer() -> int:
    """Answer the script: the words that fit the line in COMP_WORDS."""
    from stella.cli.root import root

    shell = os.environ[VARIABLE].removesuffix("_complete")
    try:
        kind = get_completion_class(shell)
        if kind is None:
            return 1
        render.text(kind(root(), {}, "stella", VARIABLE).complete())
    except Exception:  # noqa: BLE001  # a half-typed line may be anything; a shell must not show our errors in it
        return 1
    return 0
