"""Views with colour, for a terminal that has it; the words are those of the plain form."""

from __future__ import annotations

import io

from rich.console import Console, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text as Line

from stella.cli.plain import cell_text, clean, excerpt
from stella.formats.view import Cell, Excerpt, Facts, Table, Text, Tone, View

STYLE: dict[Tone, str] = {"plain": "", "good": "green", "bad": "bold red", "warn": "yellow", "dim": "dim"}


def layout(view: View, columns: int) -> str:
    """The whole view as text with escape sequences, blocks a blank line apart."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=columns, highlight=False, markup=False, emoji=False)
    for number, part in enumerate(part for part in view if _shows(part)):
        if number:
            console.print()
        console.print(_block(part))
    return out.getvalue()


def _shows(part: Facts | Table | Text | Excerpt) -> bool:
    if isinstance(part, Excerpt):
        return True
    return bool(part.text if isinstance(part, Text) else part.rows or (isinstance(part, Table) and part.empty))


def _block(part: Facts | Table | Text | Excerpt) -> RenderableType:
    if isinstance(part, Excerpt):
        head, line, told = excerpt(part)
        shown = [Line(head, style=STYLE[part.tone])]
        shown += [Line(line, no_wrap=True, overflow="ignore")] if line else []
        return Group(*shown, *([Line(told, style="dim")] if told else []))
    if isinstance(part, Text):
        return Line(clean(part.text, lines=True), style=STYLE[part.tone])
    title = [Line(clean(part.title), style="bold")] if part.title else []
    if isinstance(part, Facts):
        return Group(*title, _facts(part))
    return Group(*title, _table(part) if part.rows else Line(clean(part.empty), style="dim"))


def _facts(part: Facts) -> Grid:
    grid = Grid(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in part.rows:
        grid.add_row(clean(name), _line(value))
    return grid


def _table(part: Table) -> Grid:
    table = Grid(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in part.columns:
        table.add_column(name, justify="right" if name in part.right else "left", overflow="fold")
    for row in part.rows:
        table.add_row(*map(_line, row))
    return table


def _line(cell: str | Cell) -> Line:
    return Line(cell_text(cell), style=STYLE[cell.tone] if isinstance(cell, Cell) else "")
