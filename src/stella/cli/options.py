"""Request fields as parameters of a command line.

Rules:
- A flag that is absent leaves its field out: the default has one home, the request or the setting that the field names.
- `--flag value`; underscores become dashes; a switch that is on by default is shown as `--no-switch`.
- A value is not checked here beyond its type: what a file must be is the operation's to say.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

import click
import msgspec

from stella.cli.words import Flag, Positional
from stella.operations import Field

COMPLETES = {
    "file": "file",
    "file_in": "file",
    "file_out": "file",
    "folder": "dir",
    "home": "dir",
    "folder_out": "dir",
    "source": "file",
    "report": "file",
}


class Place(click.ParamType[str]):
    """A path: any text; only its completion knows that it is one."""

    name = "path"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG002  # click's form
        """Leave it to the shell, which knows files better."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type=self.kind)]


def parameter(name: str, kind: object, about: Field, default: object) -> click.Parameter:
    """The parameter of one request field."""
    many, kind = _unfold(kind)
    required = default is msgspec.NODEFAULT and not about.setting
    rest: dict[str, Any] = {"help": about.help, "metavar": about.metavar or None, "required": required}
    if kind is bool:
        return _switch(name, about, default)
    rest["type"] = _type(kind, about)
    if about.positional:
        if many:
            rest["nargs"] = -1
        if not required and about.metavar:
            rest["metavar"] = f"[{about.metavar}]"
        return Positional([name], **rest)
    if isinstance(rest["type"], click.Choice) and not about.metavar:
        rest["metavar"] = "|".join(map(str, rest["type"].choices))
    return Flag([f"--{_dashed(name)}", name], multiple=many, extra=_extra(kind, about, default, required), **rest)


def takes_several(name: str, kind: object, about: Field) -> str | None:
    """The flag of a field that takes several values at once, such as `--source a b`; None for any other."""
    many, _ = _unfold(kind)
    return f"--{_dashed(name)}" if many and about.where == "source" and not about.positional else None


def spelled(name: str, about: Field) -> str:
    """How a person writes the field: `--dir M`, or the metavar of an argument."""
    return (about.metavar or name.upper()) if about.positional else f"--{_dashed(name)} {about.metavar}".rstrip()


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _switch(name: str, about: Field, default: object) -> click.Option:
    on, off = f"--{_dashed(name)}", f"--no-{_dashed(name)}"
    if about.setting:
        extra = f"default: setting {about.setting}"
        return Flag([f"{on}/{off}", name], help=about.help, default=None, shown=f"{on} / {off}", extra=extra)
    if default is True:
        return Flag([f"{on}/{off}", name], help=about.help, default=None, shown=off)
    return Flag([on, name], help=about.help, is_flag=True, default=False)


def _extra(kind: object, about: Field, default: object, required: bool) -> str:  # noqa: FBT001  # one private caller
    words = []
    choice = _type(kind, about)
    if isinstance(choice, click.Choice) and about.metavar and len(choice.choices) > 1:
        words.append(f"one of {', '.join(map(str, choice.choices))}")
    if about.setting:
        words.append(f"default: setting {about.setting}")
    elif default not in {msgspec.NODEFAULT, None, "", ()}:
        words.append(f"default: {default.value if isinstance(default, enum.Enum) else default}")
    if required:
        words.append("required")
    return "; ".join(words)


def _unfold(kind: object) -> tuple[bool, object]:
    """Whether a type holds many, and what one of them is; `X | None` counts as X."""
    if get_origin(kind) in {Union, types.UnionType}:
        (kind,) = (part for part in get_args(kind) if part is not types.NoneType)
    if get_origin(kind) in {tuple, list}:
        return True, get_args(kind)[0]
    return False, kind


def _type(kind: object, about: Field) -> click.ParamType[Any]:
    if get_origin(kind) is Literal:
        return click.Choice(list(get_args(kind)))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return click.Choice([member.value for member in kind])
    if about.where in COMPLETES:
        return Place(COMPLETES[about.where])
    plain: Mapping[object, click.ParamType[Any]] = {str: click.STRING, int: click.INT, float: click.FLOAT}
    return plain[kind]
