"""An example: one finding, as plain data, with no more in it than it takes.

Rules:
- What is not named does not matter: with any value of it, and without one, the example shows the same. Statements are
  those that there are: it would not be the same with one more.
- `missing` names what must not be known. `statements` is None where evidence does not matter.
- As JSON it is stored as a fixture; as one line it is read by people.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from stella.kernel.instant import format_time
from stella.language.interpret import Facts, Value
from stella.language.names import COLUMNS, LATEST, MICRO, STATEMENT, Column

Plain: TypeAlias = bool | int | str | tuple[str, ...]
_PLACES = 6  # decimals of MICRO


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A finding. Decimals are micros, instants seconds, sets of texts sorted; statements are oldest first.

    `as_of` is None where the instant of the run does not matter. `status` and `severity` are what the policy decides.
    """

    values: tuple[tuple[str, Plain], ...]
    missing: tuple[str, ...] = ()
    statements: tuple[tuple[tuple[str, Plain], ...], ...] | None = None
    statement_missing: tuple[tuple[str, ...], ...] = ()
    as_of: int | None = None
    status: str | None = None
    severity: str | None = None

    def facts(self) -> Facts:
        """What the interpreter is told; all that does not matter is missing."""
        statements = tuple(_told(statement) for statement in self.statements or ())
        latest: dict[str, Value] = (
            {LATEST + name: value for name, value in statements[-1].items()} if statements else {}
        )
        return Facts(_told(self.values) | latest, statements, self.as_of or 0)

    def line(self) -> str:
        """The example as one line."""
        said = [_said(COLUMNS[name], name, value) for name, value in self.values]
        said += [f"{name} missing" for name in self.missing]
        if self.statements is not None:
            said.append("; ".join(self._statement(at) for at in range(len(self.statements))) or "no statements")
        if self.as_of is not None:
            said.append(f"as of {_instant(self.as_of)}")
        decided = [] if self.status is None else [f"status {self.status}"]
        decided += [] if self.severity is None else [f"severity {self.severity}"]
        return (", ".join(said) or "any finding") + (f" -> {', '.join(decided)}" if decided else "")

    def _statement(self, at: int) -> str:
        assert self.statements is not None  # noqa: S101  it has this one
        said = [_said(STATEMENT[name], name, value) for name, value in self.statements[at]]
        said += [f"{name} missing" for name in (self.statement_missing[at] if self.statement_missing else ())]
        return f"statement({', '.join(said)})"


def plain(value: Value) -> Plain:
    """A value as plain data."""
    return tuple(sorted(value)) if isinstance(value, frozenset) else value


def _told(values: tuple[tuple[str, Plain], ...]) -> dict[str, Value]:
    return {name: frozenset(value) if isinstance(value, tuple) else value for name, value in values}


def _said(column: Column, name: str, value: Plain) -> str:
    match value:
        case bool():
            return f"{name}={'true' if value else 'false'}"
        case int():
            return f"{name}={_instant(value) if column.type == 'instant' else decimal(value)}"
        case str():
            return f'{name}="{value}"'
        case _:
            return f"{name}=[{', '.join(value)}]"


def decimal(micros: int) -> str:
    """Micros as a decimal without needless zeros."""
    whole, part = divmod(abs(micros), MICRO)
    text = f"{whole}.{part:0{_PLACES}}".rstrip("0").rstrip(".")
    return f"-{text}" if micros < 0 else text


def _instant(seconds: int) -> str:
    try:
        return format_time(seconds)
    except (ValueError, OverflowError, OSError):  # further than a calendar goes
        return f"second {seconds}"
