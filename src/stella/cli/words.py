"""The parameter kinds of a command line: flags, arguments, and the switches of the command line itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


class Flag(click.Option):
    """An option; `extra` is what its help says in brackets, `shown` its form in help if not the name and metavar."""

    def __init__(self, names: list[str], extra: str = "", shown: str = "", **rest: Any) -> None:  # noqa: ANN401  # click's form
        super().__init__(names, **rest)
        self.extra = extra
        self.shown = shown

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """The flag with its metavar, and its help with the default where that says something."""
        spec = self.shown or (", ".join(self.opts) if self.is_flag else f"{self.opts[-1]} {self.make_metavar(ctx)}")
        return spec, f"{self.help or ''}  [{self.extra}]" if self.extra else self.help or ""


class Positional(click.Argument):
    """An argument."""


def switch(*names: str, help: str, action: Callable[[click.Context], None] | None = None) -> Flag:
    """A switch of the command line itself. It leads nowhere, or to `action` before anything else is looked at."""

    def act(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001  # click's form
        if value and action is not None and not ctx.resilient_parsing:
            action(ctx)
            ctx.exit()

    return Flag(list(names), help=help, is_flag=True, expose_value=False, is_eager=action is not None, callback=act)
