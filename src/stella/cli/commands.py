"""The command kinds that a command line is built of: how each is parsed, refused and explained.

Rules:
- A refusal is one of the classes in `cli.errors`, with the nearest word where one is near.
- Help is plain text for a width of 80 to 100 columns; examples are printed as they are written.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import click

from stella.cli import render
from stella.cli.errors import ExtraInput, MissingInput, UnknownCommand
from stella.cli.words import Flag, Positional, switch
from stella.kernel.nearest import nearest

MIN_WIDTH, MAX_WIDTH = 50, 98  # columns of help: below it folds beyond sense, above it an eye loses the line


def help_width() -> int:
    """Columns that help is laid out for here."""
    return max(min(render.columns() - 2, MAX_WIDTH), MIN_WIDTH)


def switches() -> list[click.Parameter]:
    """What every command takes; all but help are read before the command line is parsed, so here they are listed."""
    return [
        switch("--json", help="Print one JSON document."),
        switch("-h", "--help", help="Show this help.", action=lambda ctx: render.text(ctx.get_help())),
    ]


class Leaf(click.Command):
    """A command that does something. `several` are the flags that take several values at once."""

    def __init__(
        self,
        name: str,
        params: Sequence[click.Parameter],
        callback: Callable[..., Any],
        *,
        summary: str,
        description: str = "",
        example: str = "",
        several: Iterable[str] = (),
    ) -> None:
        super().__init__(
            name,
            context_settings={"allow_extra_args": True},
            callback=callback,
            params=[*params, *switches()],
            help=summary,
            short_help=summary,
            add_help_option=False,
        )
        self.description = description
        self.example = example
        self.several = frozenset(several)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; a word too many is refused by name."""
        with knowing(ctx):
            rest = super().parse_args(ctx, spread(args, self.several))
        if rest and not ctx.resilient_parsing:
            raise ExtraInput(command=path(ctx), text=rest[0])
        return rest

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Arguments, required flags, then the rest."""
        params = self.get_params(ctx)
        pieces = [piece for param in params if isinstance(param, Positional) for piece in param.get_usage_pieces(ctx)]
        pieces += [f"{param.opts[-1]} {param.make_metavar(ctx)}" for param in params if _must(param)]
        return [*pieces, "[OPTIONS]"]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Usage, what it does, arguments, options, examples."""
        self.format_usage(ctx, formatter)
        for words in filter(None, (self.help, *self.description.split("\n\n"))):
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(" ".join(words.split("\n")))
        params = self.get_params(ctx)
        arguments = [(param.make_metavar(ctx), param.help or "") for param in params if isinstance(param, Positional)]
        options = [param.get_help_record(ctx) for param in params if isinstance(param, Flag)]
        for title, rows in (("Arguments", arguments), ("Options", options)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
        if self.example:
            lines = self.example.splitlines()
            with formatter.section("Example" if len(lines) == 1 else "Examples"):
                formatter.write("".join(f"  {line}\n" for line in lines))


class Menu(click.Group):
    """A word that others follow: `lines` says what each is for, without importing any; `find` imports one."""

    def __init__(
        self,
        name: str,
        lines: Mapping[str, str],
        find: Callable[[str], click.Command],
        *,
        summary: str,
        word: str,
        closing: str = "",
        params: Sequence[click.Parameter] = (),
        bare: Callable[[click.Context], None] | None = None,
    ) -> None:
        super().__init__(
            name,
            help=summary,
            short_help=summary,
            params=[*params, *switches()],
            add_help_option=False,
            invoke_without_command=True,
            subcommand_metavar="",
            callback=self._bare,
        )
        self.lines = lines
        self.find = find
        self.word = word
        self.closing = closing
        self.bare = bare

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the switches before the next word."""
        with knowing(ctx):
            return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The words in the order in which a reader needs them."""
        del ctx
        return list(self.lines)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that word, imported now; None when there is none."""
        del ctx
        return self.find(cmd_name) if cmd_name in self.lines else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names; raises UnknownCommand with the nearest."""
        command = self.get_command(ctx, args[0])
        if command is None and not ctx.resilient_parsing:
            near = nearest(args[0], self.lines)
            hint = f"did you mean `{path(ctx)} {near}`?" if near else f"see `{path(ctx)} --help`"
            raise UnknownCommand(command=f"{path(ctx)} {args[0]}", nearest=hint)
        return args[0], command, args[1:]

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The words that follow."""
        del ctx
        return [self.word, "[OPTIONS]"]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Commands before options: they are what a reader came for."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.lines.items()))
        with formatter.section("Options"):
            formatter.write_dl(
                [param.get_help_record(ctx) for param in self.get_params(ctx) if isinstance(param, Flag)]
            )
        if self.closing:
            formatter.write_paragraph()
            formatter.write(self.closing)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Words and flags that start like this; imports nothing."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=line) for name, line in self.lines.items() if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def _bare(self) -> None:
        ctx = click.get_current_context()
        if ctx.invoked_subcommand is None:
            if self.bare is None:
                raise MissingInput(command=path(ctx), what=f"one of {', '.join(self.lines)}")
            self.bare(ctx)


def path(ctx: click.Context) -> str:
    """The words typed to reach a command: `stella mirror create`."""
    words = []
    step: click.Context | None = ctx
    while step is not None:
        words.append(step.info_name or "")
        step = step.parent
    return " ".join(reversed(words))


@contextlib.contextmanager
def knowing(ctx: click.Context) -> Iterator[None]:
    """Let a refusal by the parser say which command refused."""
    try:
        yield
    except click.UsageError as error:
        error.ctx = error.ctx or ctx
        raise


def spread(args: Sequence[str], several: frozenset[str]) -> list[str]:
    """Repeat a flag before each of its values: `--source a b` becomes `--source a --source b`."""
    out: list[str] = []
    words = iter(args)
    flag = ""
    for word in words:
        if word == "--":
            return [*out, word, *words]
        if word in several:
            flag = word
            following = next(words, None)
            out += [flag] if following is None else [flag, following]
        elif word.startswith("-") and word != "-":
            flag = ""
            out.append(word)
        else:
            out += [flag, word] if flag else [word]
    return out


def _must(param: click.Parameter) -> bool:
    return isinstance(param, click.Option) and param.required
