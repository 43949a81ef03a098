"""What click and msgspec refuse, in the words of Stella."""

from __future__ import annotations

import re
from typing import Any

import click
import msgspec

from stella.cli.commands import path
from stella.cli.errors import BadValue, MissingInput, UnknownOption
from stella.cli.options import spelled
from stella.kernel.errors import StellaError
from stella.kernel.nearest import did_you_mean, nearest
from stella.operations import Operation, fields_of

_WHERE = re.compile(r" - at `\$\.([a-z_]+)[^`]*`\Z")


def from_click(error: click.UsageError) -> StellaError:
    """A refused command line."""
    ctx = error.ctx
    command = path(ctx) if ctx else "stella"
    see_help = f"see `{command} --help`"
    params = ctx.command.get_params(ctx) if ctx else []
    if isinstance(error, click.NoSuchOption):
        known = [name for param in params for name in (*param.opts, *param.secondary_opts) if name.startswith("--")]
        hint = did_you_mean(error.option_name, known, see_help)
        return UnknownOption(command=command, option=error.option_name, nearest=hint)
    if isinstance(error, click.MissingParameter) and error.param and ctx:
        return MissingInput(command=command, what=f"`{_named(error.param, ctx)}`")
    if isinstance(error, click.BadOptionUsage):
        param = next((param for param in params if error.option_name in param.opts), None)
        if param is not None and ctx is not None and not getattr(param, "is_flag", False):
            return MissingInput(command=command, what=f"a value in `{_named(param, ctx)}`")
        return BadValue(what=f"`{error.option_name}`", problem="it takes no value", advice=see_help)
    if isinstance(error, click.BadParameter) and error.param and ctx:
        what, problem = f"`{_named(error.param, ctx)}`", error.message.removesuffix(".")
        return BadValue(what=what, problem=problem, advice=_advice(error, see_help))
    return BadValue(what=f"`{command}`", problem=error.format_message().removesuffix("."), advice=see_help)


def from_request(error: msgspec.ValidationError, operation: Operation[Any, Any]) -> StellaError:
    """A request that the types of the operation refuse."""
    words = str(error)
    place = _WHERE.search(words)
    fields = {name: about for name, _, about, _ in fields_of(operation.request)}
    name = place[1] if place else ""
    what = f"`{spelled(name, fields[name])}`" if name in fields else "the request"
    problem = _WHERE.sub("", words)
    advice = f"see `stella {operation.name.replace('.', ' ')} --help`"
    return BadValue(what=what, problem=problem[:1].lower() + problem[1:], advice=advice)


def _named(param: click.Parameter, ctx: click.Context) -> str:
    if isinstance(param, click.Option):
        return param.opts[-1] if param.is_flag else f"{param.opts[-1]} {param.make_metavar(ctx)}"
    return param.make_metavar(ctx)


def _advice(error: click.BadParameter, otherwise: str) -> str:
    """The nearest choice where there are choices and the value is like one."""
    kind = error.param.type if error.param else None
    typed = re.match(r"'(.*)' is not one of", error.message)
    near = nearest(typed[1], map(str, kind.choices)) if typed and isinstance(kind, click.Choice) else None
    return f"did you mean `{near}`?" if near else otherwise
