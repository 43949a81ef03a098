"""The picture of the way: every step is drawn and told, in both drawings."""

from __future__ import annotations

import re
from itertools import product

import pytest

from stella.formats.flow import LANES, Place, Step, draw

WAY = [Step("vendor", "Cut"), Step("medium", "Carry"), Step("site", "Import", "now", "refused"), Step("site", "Keep")]


def thread(steps: list[Step], form: int) -> str:
    found: list[str] = re.findall(r'class="thread" d="([^"]+)"', draw(steps))
    return found[form]


def test_nothing_is_drawn_for_no_steps() -> None:
    assert draw([]) == ""


def test_both_drawings_hold_every_step() -> None:
    picture = draw(WAY)
    assert picture.count('class="node"') == 2 * len(WAY)
    assert [picture.count(f">{step.label}<") for step in WAY] == [2] * len(WAY)
    assert picture.count("1. Vendor: Cut, passed. 2. Gap: Carry, passed. 3. Site: Import, refused (now). 4.") == 2


def test_the_wide_thread_crosses_the_gap_straight_with_an_arrow() -> None:
    path = thread(WAY, 0)
    assert path.startswith("M330 109V157Q330 175 348 175H500H652Q670 175 670 193V241V307")
    assert path.endswith("M599 169L606 175L599 181")


def test_an_arrow_points_back_to_the_vendor() -> None:
    assert "L394 " in thread([Step("site", "a"), Step("medium", "b"), Step("vendor", "c")], 0)


@pytest.mark.parametrize(("one", "other"), list(product([place for place, _, _ in LANES], repeat=2)))
def test_a_thread_ends_in_the_last_node_of_any_pair(one: Place, other: Place) -> None:
    picture = draw([Step(one, "a"), Step(other, "b")])
    nodes = re.findall(r'class="node" cx="(\d+)" cy="(\d+)"', picture)
    for form in (0, 1):
        (first_x, first_y), (x, y) = nodes[2 * form : 2 * form + 2]
        path = thread([Step(one, "a"), Step(other, "b")], form)
        assert path.startswith(f"M{first_x} {first_y}")
        assert re.search(rf"(H{x}|V{y}|{x} {y})(M|$)", path), path


def test_long_texts_are_broken_on_the_phone_and_cut_on_the_wide_picture() -> None:
    picture = draw([Step("site", "word " * 12, "more " * 40)])
    wide, narrow = picture.split("</svg>")[:2]
    assert wide.count('<text class="label"') == 1
    assert narrow.count('<text class="label"') == 2
    assert narrow.count('<text class="detail"') == 3
    assert wide.count("\u2026") == narrow.count("\u2026") == 2


def test_a_row_grows_with_its_text() -> None:
    heights = [
        int(re.findall(r'viewBox="0 0 340 (\d+)"', draw([Step("site", "a", detail)]))[0]) for detail in ("", "b " * 60)
    ]
    assert heights[0] < heights[1]
