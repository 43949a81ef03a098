"""The way of a release as a picture: three lanes, one thread from step to step, each step lit by its verdict.

Rules:
- Time runs downwards. A step on the medium is a crossing of the gap.
- The picture is drawn twice, wide and narrow, and the style sheet shows one, so that text is large enough on a phone.
- SVG breaks no lines, so texts are broken here by an estimate of their width; what does not fit ends in an ellipsis.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import msgspec

from stella.formats.markup import Verdict, icon_path, safe, tone_of, word_of

Place = Literal["vendor", "medium", "site"]
LANES: tuple[tuple[Place, str, str], ...] = (
    ("vendor", "Vendor", "connected"),
    ("medium", "Gap", "no network"),
    ("site", "Site", "sealed"),
)

LABEL_EM, DETAIL_EM = 0.56, 0.5  # mean width of a character, as a share of the type size
RADIUS = 12
BEND = 18  # of the thread where it enters or leaves the gap


class Step(msgspec.Struct, frozen=True):
    """One step of the flow: where it happens, what it is called, what came of it."""

    place: Place
    label: str
    detail: str = ""
    verdict: Verdict = "passed"


class _Lane(NamedTuple):
    """Where a lane has its nodes and its text."""

    node: int
    text: int
    anchor: str
    width: int


class _Form(NamedTuple):
    """One of the two drawings: sizes in user units, which are pixels at full width; `lines` bounds label and detail."""

    name: str
    width: int
    head: int
    row: int
    label: int
    detail: int
    lines: tuple[int, int]
    lanes: dict[Place, _Lane]


class _Row(NamedTuple):
    """A step with its node and its broken texts."""

    step: Step
    x: int
    y: int
    label: list[str]
    detail: list[str]


_WIDE = _Form(
    name="wide",
    width=1000,
    head=76,
    row=66,
    label=16,
    detail=14,
    lines=(1, 1),
    lanes={
        "vendor": _Lane(330, 304, "end", 280),
        "medium": _Lane(500, 500, "middle", 216),
        "site": _Lane(670, 696, "start", 280),
    },
)
_NARROW = _Form(
    name="narrow",
    width=340,
    head=32,
    row=60,
    label=15,
    detail=14,
    lines=(2, 3),
    lanes={
        "vendor": _Lane(16, 104, "start", 232),
        "medium": _Lane(48, 104, "start", 232),
        "site": _Lane(80, 104, "start", 232),
    },
)


def draw(steps: Sequence[Step]) -> str:
    """Both drawings; the hidden one is hidden from screen readers too."""
    return "".join(_draw(form, steps) for form in (_WIDE, _NARROW)) if steps else ""


def _draw(form: _Form, steps: Sequence[Step]) -> str:
    rows, height = _lay(form, steps)
    wide = form.name == "wide"
    parts = [
        f'<svg class="flow {form.name}" viewBox="0 0 {form.width} {height}" role="img" ',
        f'aria-label="{safe(_told(steps))}">',
        _backdrop_wide(form, height) if wide else _backdrop_narrow(height),
        f'<path class="thread" d="{(_squared if wide else _curved)(rows)}"/>',
        *(_node(form, row) for row in rows),
        "</svg>",
    ]
    return "".join(parts)


def _lay(form: _Form, steps: Sequence[Step]) -> tuple[list[_Row], int]:
    rows: list[_Row] = []
    top = form.head
    for step in steps:
        lane = form.lanes[step.place]
        label = _lines(step.label, lane.width, form.label * LABEL_EM, form.lines[0])
        detail = _lines(step.detail, lane.width, form.detail * DETAIL_EM, form.lines[1])
        height = max(form.row, _block(form, label, detail) + 22)
        rows.append(_Row(step, lane.node, top + height // 2, label, detail))
        top += height
    return rows, top + 12


def _block(form: _Form, label: Sequence[str], detail: Sequence[str]) -> int:
    return (form.label + 3) * len(label) + (form.detail + 4) * len(detail)


def _told(steps: Sequence[Step]) -> str:
    names = {place: name for place, name, _ in LANES}
    return " ".join(
        f"{at}. {names[step.place]}: {step.label}, {word_of(step.verdict)}{f' ({step.detail})' if step.detail else ''}."
        for at, step in enumerate(steps, 1)
    )


def _backdrop_wide(form: _Form, height: int) -> str:
    parts = [
        f'<rect class="lane" x="0" y="0" width="356" height="{height}" rx="10"/>',
        f'<rect class="lane" x="644" y="0" width="356" height="{height}" rx="10"/>',
        f'<path class="wall" d="M372 6V{height - 6}M628 6V{height - 6}"/>',
    ]
    for place, name, state in LANES:
        lane = form.lanes[place]
        parts.append(
            f'<text class="head" x="{lane.text}" y="36" text-anchor="{lane.anchor}">{name}</text>'
            f'<text class="detail" x="{lane.text}" y="57" text-anchor="{lane.anchor}">{state}</text>'
        )
    return "".join(parts)


def _backdrop_narrow(height: int) -> str:
    # Three words do not fit above the rail; the gap is the empty lane between the two that are named.
    return (
        f'<rect class="lane" x="0" y="26" width="32" height="{height - 26}" rx="8"/>'
        f'<rect class="lane" x="64" y="26" width="32" height="{height - 26}" rx="8"/>'
        '<text class="small" x="0" y="16">Vendor</text><text class="small" x="96" y="16" text-anchor="end">Site</text>'
    )


def _curved(rows: Sequence[_Row]) -> str:
    commands = [f"M{rows[0].x} {rows[0].y}"]
    for here, there in pairwise(rows):
        half = (here.y + there.y) // 2
        same = here.x == there.x
        commands.append(f"V{there.y}" if same else f"C{here.x} {half} {there.x} {half} {there.x} {there.y}")
    return "".join(commands)


def _squared(rows: Sequence[_Row]) -> str:
    """Straight across the gap, with an arrow, and straight down a lane, so that no text is crossed."""
    commands = [f"M{rows[0].x} {rows[0].y}"]
    for here, there in pairwise(rows):
        side = BEND if there.x > here.x else -BEND
        if here.x == there.x:
            commands.append(f"V{there.y}")
        elif here.step.place == "medium":
            commands.append(f"H{there.x - side}Q{there.x} {here.y} {there.x} {here.y + BEND}V{there.y}")
        else:
            commands.append(f"V{there.y - BEND}Q{here.x} {there.y} {here.x + side} {there.y}H{there.x}")
            if there.step.place != "medium":
                commands.append(f"M{there.x} {there.y}")
    for here, there in pairwise(rows):
        if here.step.place == "medium" and there.x != here.x:
            tip, back = (606, -7) if there.x > here.x else (394, 7)
            commands.append(f"M{tip + back} {here.y - 6}L{tip} {here.y}L{tip + back} {here.y + 6}")
    return "".join(commands)


def _node(form: _Form, row: _Row) -> str:
    lane = form.lanes[row.step.place]
    parts = [
        f'<g class="{tone_of(row.step.verdict)}">',
        f'<circle class="node" cx="{row.x}" cy="{row.y}" r="{RADIUS}"/>',
        f'<g class="glyph" transform="translate({row.x - 6} {row.y - 6}) scale(.75)">',
        f"{icon_path(row.step.verdict)}</g></g>",
    ]
    above = row.step.place == "medium" and form.name == "wide"
    top = row.y - _block(form, row.label, row.detail) // 2 + form.label - 1
    below = top + (form.label + 3) * len(row.label)
    parts += _texts(row.label, "label", lane, row.y - RADIUS - 9 if above else top, form.label + 3)
    parts += _texts(row.detail, "detail", lane, row.y + RADIUS + 18 if above else below, form.detail + 4)
    return "".join(parts)


def _texts(lines: Sequence[str], kind: str, lane: _Lane, y: int, step: int) -> list[str]:
    return [
        f'<text class="{kind}" x="{lane.text}" y="{y + step * at}" text-anchor="{lane.anchor}">{safe(line)}</text>'
        for at, line in enumerate(lines)
    ]


def _lines(text: str, width: int, em: float, most: int) -> list[str]:
    return textwrap.wrap(text, int(width / em), max_lines=most, placeholder=" \u2026")
