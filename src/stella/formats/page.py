"""One self-contained HTML page: what was carried, how it went, and why it may be believed.

Rules:
- The page asks nobody for anything: no script, no font, no image from outside; its own policy forbids them.
- Equal pages are equal bytes. Numbers are formatted here, so that they look the same on every page.
- Every state is told by a word; colour and icon only help.
- It is read on a phone, in the dark and on paper: no width is assumed, nothing scrolls sideways.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path

import msgspec

from stella.formats.flow import Step, draw
from stella.formats.markup import Verdict, badge, icon, safe, tone_of
from stella.formats.view import Cell, Facts, Table, human_bytes

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
LEAST_SHARE = 0.4  # percent; a bar that is there is seen


class Figure(msgspec.Struct, frozen=True):
    """A number that the page is about, ready to read, and what it counts."""

    value: str
    label: str


class Bar(msgspec.Struct, frozen=True):
    """A size in bytes beside others; `strong` marks the one that the comparison is about."""

    label: str
    bytes: int
    note: str = ""
    strong: bool = False


class Check(msgspec.Struct, frozen=True):
    """One thing that was examined: verdict, what was found, and the reason code where there is one."""

    name: str
    verdict: Verdict
    detail: str = ""
    reason: str = ""
    group: str = ""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a page shows; what is empty is left out. `verdict` and `headline` are its one-line answer."""

    title: str
    verdict: Verdict
    headline: str
    subtitle: str = ""
    figures: Sequence[Figure] = ()
    flow: Sequence[Step] = ()
    bars: Sequence[Bar] = ()
    bars_note: str = ""
    checks: Sequence[Check] = ()
    tables: Sequence[Table] = ()
    facts: Sequence[Facts] = ()
    footer: str = ""


@cache
def _style() -> str:
    return Path(__file__).with_name("page.css").read_text(encoding="utf-8").strip()


def render(page: Page) -> bytes:
    """The page as UTF-8 bytes."""
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n',
        f'<link rel="icon" href="data:,">\n<title>{safe(page.title)}</title>\n',
        f"<style>\n{_style()}\n</style>\n</head>\n<body>\n",
        _masthead(page),
        "<main>\n",
        _section("Across the gap", draw(page.flow)),
        _section("Sizes", _bars(page.bars, page.bars_note)),
        _section("Checks", _checks(page.checks)),
        *(_section(table.title, _table(table)) for table in page.tables),
        *(_section(facts.title or "Particulars", _facts(facts)) for facts in page.facts if facts.rows),
        "</main>\n",
        f"<footer>{safe(page.footer)}</footer>\n" if page.footer else "",
        "</body>\n</html>\n",
    ]
    return "".join(parts).encode()


def _masthead(page: Page) -> str:
    figures = "".join(
        f"<div><dt>{safe(figure.label)}</dt><dd>{safe(figure.value)}</dd></div>" for figure in page.figures
    )
    return "".join(
        [
            f'<header>\n<p class="mark">Stella</p>\n<h1>{safe(page.title)}</h1>\n',
            f'<p class="subtitle">{safe(page.subtitle)}</p>\n' if page.subtitle else "",
            f'<p class="verdict {tone_of(page.verdict)}">{icon(page.verdict)}<span>{safe(page.headline)}</span></p>\n',
            f'<dl class="figures">{figures}</dl>\n' if figures else "",
            "</header>\n",
        ]
    )


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{safe(title)}</h2>\n{body}\n</section>\n" if body else ""


def _bars(bars: Sequence[Bar], note: str) -> str:
    if not bars:
        return ""
    most = max(1, *(bar.bytes for bar in bars))
    rows = []
    for bar in bars:
        share = f"{max(100 * bar.bytes / most, LEAST_SHARE if bar.bytes else 0):.2f}"
        remark = f"<small>{safe(bar.note)}</small>" if bar.note else ""
        rows.append(
            f'<li{" class=strong" if bar.strong else ""}><span class="name">{safe(bar.label)}{remark}</span>'
            f'<span class="track"><span style="width:{share}%"></span></span>'
            f'<span class="size" title="{bar.bytes:,} bytes">{human_bytes(bar.bytes)}</span></li>'
        )
    return f'<ol class="bars">{"".join(rows)}</ol>' + (f'<p class="note">{safe(note)}</p>' if note else "")


def _checks(checks: Sequence[Check]) -> str:
    parts = []
    for group, members in groupby(checks, key=lambda check: check.group):
        rows = "".join(_check(check) for check in members)
        parts.append((f"<h3>{safe(group)}</h3>" if group else "") + f'<ul class="checks">{rows}</ul>')
    return "".join(parts)


def _check(check: Check) -> str:
    detail = f"<span>{safe(check.detail)}</span>" if check.detail else ""
    reason = f"<code>{safe(check.reason)}</code>" if check.reason else ""
    return f'<li>{badge(check.verdict)}<div class="what"><b>{safe(check.name)}</b>{detail}</div>{reason}</li>'


def _cell(cell: str | Cell) -> str:
    if isinstance(cell, str):
        return safe(cell)
    return safe(cell.text) if cell.tone == "plain" else f'<span class="{safe(cell.tone)}">{safe(cell.text)}</span>'


def _table(table: Table) -> str:
    if not table.rows:
        return f'<p class="note">{safe(table.empty)}</p>' if table.empty else ""
    kinds = [' class="right"' if column in table.right else "" for column in table.columns]
    heads = [
        f'<th role="columnheader" scope="col"{kind}>{safe(column)}</th>'
        for column, kind in zip(table.columns, kinds, strict=True)
    ]
    rows = []
    for row in table.rows:
        cells = (
            f'<td role="cell" data-label="{safe(column)}"{kind}>{_cell(cell)}</td>'
            for column, kind, cell in zip(table.columns, kinds, row, strict=True)
        )
        rows.append(f'<tr role="row">{"".join(cells)}</tr>')
    # The roles keep it a table for screen readers when the style sheet stacks it on a phone.
    return (
        f'<table role="table"><thead role="rowgroup"><tr role="row">{"".join(heads)}</tr></thead>'
        f'<tbody role="rowgroup">{"".join(rows)}</tbody></table>'
    )


def _facts(facts: Facts) -> str:
    rows = "".join(f"<div><dt>{safe(name)}</dt><dd>{_cell(value)}</dd></div>" for name, value in facts.rows)
    return f'<dl class="facts">{rows}</dl>'
