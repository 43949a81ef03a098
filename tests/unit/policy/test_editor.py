"""Answers to an editor hold together: edits give what the commands give, tokens lie inside of the text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types as lsp

from stella.policy.editor.document import FIX_ALL, Page
from stella.policy.editor.outline import PAINTS
from stella.policy.editor.positions import Positions, Units
from stella.policy.text.linting import fixed
from tests.unit.policy.texts import policy, rule

UNITS: tuple[Units, ...] = ("utf-8", "utf-16", "utf-32")
EXAMPLES = sorted((Path(__file__).parents[3] / "examples/policies").glob("*.stella"))
PIECES = [
    "rule a {",
    "}",
    " when ",
    "kev",
    ' "\U0001f600" ',
    " // \u20ac\n",
    "/* a\r\nb */",
    "status = ",
    '"Blocked"',
    "\n",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=15).map(lambda pieces: policy("".join(pieces)))


def edited(text: str, edits: list[lsp.TextEdit], units: Units) -> str:
    """The text after the edits, made as an editor makes them."""
    positions = Positions(text, units)
    for edit in sorted(edits, key=lambda edit: (edit.range.start.line, edit.range.start.character), reverse=True):
        start, end = (positions.offset(one.line, one.character) for one in (edit.range.start, edit.range.end))
        text = text[:start] + edit.new_text + text[end:]
    return text


def whole(page: Page) -> lsp.Range:
    return lsp.Range(lsp.Position(0, 0), lsp.Position(*page.positions.last))


@given(TEXTS, st.sampled_from(UNITS))
def test_all_safe_fixes_are_those_of_the_command(text: str, units: Units) -> None:
    while True:
        page = Page("u", 1, text, units)
        actions = page.actions(whole(page), [FIX_ALL])
        if not actions:
            break
        assert actions[0].edit is not None
        assert actions[0].edit.changes is not None
        text = edited(text, list(actions[0].edit.changes["u"]), units)
    assert fixed(page.text.encode()) == (text.encode(), ())


@given(TEXTS, st.sampled_from(UNITS))
def test_tokens_are_in_the_order_of_the_text_and_inside_of_its_lines(text: str, units: Units) -> None:
    page = Page("u", 1, text, units)
    data = page.tokens().data
    line = character = end = 0
    for at in range(0, len(data), 5):
        down, right, width, paint, more = data[at : at + 5]
        line, character, end = line + down, right + (0 if down else character), 0 if down else end
        assert character >= end
        assert width > 0
        assert 0 <= paint < len(PAINTS)
        assert more == 0
        end = character + width
        assert page.positions.place(page.positions.offset(line, end)) == (line, end)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_real_policy(path: Path) -> None:
    text = path.read_text()
    page = Page("u", 1, text.replace("\n", "\n\n\n"), "utf-16")
    edits = page.formatting()
    assert edits is not None
    apart = re.sub(r"(?m)^( *//.*\n)(?!\n)", r"\1\n", text)  # an empty line behind a comment stays
    assert edited(page.text, edits, "utf-16") == apart
    assert Page("u", 1, text, "utf-16").formatting() == []
    assert len(page.symbols()[0].children or []) >= 4
    assert not page.actions(whole(page), None)


def test_what_does_not_parse_is_not_laid_out() -> None:
    assert Page("u", 1, policy("rule a {"), "utf-16").formatting() is None
    assert Page("u", 1, "", "utf-16").formatting() is None
    assert Page("u", 1, "", "utf-16").symbols() == []


def test_only_what_is_asked_for() -> None:
    page = Page("u", 1, policy(rule("kev", then='status = "Blocked"')), "utf-16")
    assert [one.kind for one in page.actions(whole(page), None)] == ["quickfix", "quickfix", FIX_ALL]
    assert [one.kind for one in page.actions(whole(page), ["quickfix"])] == ["quickfix", "quickfix"]
    assert [one.kind for one in page.actions(whole(page), ["source"])] == [FIX_ALL]
    assert page.actions(whole(page), ["refactor"]) == []
    start = lsp.Position(0, 0)
    assert [one.kind for one in page.actions(lsp.Range(start, start), ["quickfix"])] == []
    preferred = page.actions(whole(page), ["quickfix"])[0]
    assert (preferred.title, preferred.is_preferred) == ("Write `:=`", True)


def test_the_state_of_a_text_that_was_opened_again_is_its_own() -> None:
    first, again = (Page("u", 1, text, "utf-16") for text in ("one", "two"))
    assert first.state != again.state
    assert first.state == Page("u", 1, "one", "utf-16").state
