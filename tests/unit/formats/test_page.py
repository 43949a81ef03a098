"""The page says every verdict in words, asks nobody for anything, and lets no text become markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from stella.formats import page as pages
from stella.formats.flow import Step
from stella.formats.markup import VERDICTS, safe, word_of
from stella.formats.page import Bar, Check, Figure, Page, render
from stella.formats.view import Cell, Facts, Table

HOSTILE = "</style></svg><script>alert(1)</script><img src=x onerror=y>\"' onload='z'&amp;\u202eevil\x00\ud800"
VOID = frozenset({"meta", "link", "path", "circle", "rect", "br"})


def full(text: str) -> Page:
    """A page with `text` in every place that takes one."""
    return Page(
        title=text,
        verdict="passed",
        headline=text,
        subtitle=text,
        figures=[Figure(text, text)],
        flow=[Step("vendor", text, text), Step("medium", text, text), Step("site", text, text, "failed")],
        bars=[Bar(text, 10, text), Bar(text, 5, text, strong=True)],
        bars_note=text,
        checks=[Check(text, "refused", text, text, text)],
        tables=[
            Table([text, "b"], [[text, Cell(text, "bad")]], title=text, right=["b"]),
            Table(["a"], [], "t", (), text),
        ],
        facts=[Facts([(text, text), (text, Cell(text, "warn"))], title=text)],
        footer=text,
    )


class Parsed(HTMLParser):
    """Tags and attributes of a page; raises AssertionError where tags do not nest."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(data.decode())
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_hostile_text_adds_no_markup() -> None:
    harmless, hostile = Parsed(render(full("name"))), Parsed(render(full(HOSTILE)))
    assert {tag for tag, _ in hostile.tags} == {tag for tag, _ in harmless.tags}
    assert "script" not in {tag for tag, _ in hostile.tags}
    for tag, attributes in hostile.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
    named = [(tag, sorted(attributes)) for tag, attributes in harmless.tags if tag != "text"]  # longer text, more lines
    assert [(tag, sorted(attributes)) for tag, attributes in hostile.tags if tag != "text"] == named


def test_what_does_not_print_is_shown_by_its_code() -> None:
    assert safe("a\u202eb\x00\ud800\u00e9\u00a0") == "a\\u202eb\\u0000\\ud800\u00e9\u00a0"
    render(full("\ud800"))  # can be encoded


def test_equal_pages_are_equal_bytes() -> None:
    again = msgspec.json.decode(msgspec.json.encode(full("name")), type=Page)
    assert render(full("name")) == render(again)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_every_verdict_is_a_word(verdict: Any) -> None:
    shown = Parsed(render(Page(title="t", verdict="passed", headline="h", checks=[Check("c", verdict)])))
    assert word_of(verdict) in shown.words
    (label,) = {
        attributes["aria-label"]
        for _, attributes in Parsed(
            render(Page(title="t", verdict="passed", headline="h", flow=[Step("site", "s", "d", verdict)]))
        ).tags
        if "aria-label" in attributes
    }
    assert label == f"1. Site: s, {word_of(verdict)} (d)."


def test_words_of_verdicts_differ() -> None:
    assert len({word_of(verdict) for verdict in VERDICTS}) == len(VERDICTS)


def test_nothing_is_asked_of_anybody() -> None:
    data = render(full("name")).decode()
    assert not re.search(r"//|@import|url\(|<script|<iframe|<form", data.replace("<!doctype", ""))
    for tag, attributes in Parsed(data.encode()).tags:
        assert "src" not in attributes, tag
        assert attributes.get("href", "data:,") == "data:,"


def test_its_own_policy_forbids_the_rest() -> None:
    policies = [a["content"] for tag, a in Parsed(render(full("x"))).tags if "http-equiv" in a and tag == "meta"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_what_is_empty_is_left_out() -> None:
    data = render(
        Page(title="t", verdict="open", headline="h", facts=[Facts([])], tables=[Table(["a"], [], "none")])
    ).decode()
    assert "<section>" not in data
    assert "<footer>" not in data
    assert '<svg class="flow' not in data


def test_bars_are_shares_of_the_largest() -> None:
    bars = [Bar("a", 2000), Bar("b", 500), Bar("c", 1), Bar("d", 0)]
    data = render(Page(title="t", verdict="passed", headline="h", bars=bars)).decode()
    assert re.findall(r'style="width:([\d.]+)%"', data) == ["100.00", "25.00", "0.40", "0.00"]
    assert 'title="2,000 bytes">2 kB<' in data


def test_bars_of_nothing_are_empty() -> None:
    assert b"width:0.00%" in render(Page(title="t", verdict="passed", headline="h", bars=[Bar("a", 0)]))


def test_a_table_names_its_columns_in_each_cell() -> None:
    table = Table(["Name", "Size"], [["a", "1"], [Cell("b", "bad"), "2"]], title="T", right=["Size"])
    data = render(Page(title="t", verdict="passed", headline="h", tables=[table])).decode()
    assert data.count('data-label="Size" class="right"') == 2
    assert '<span class="bad">b</span>' in data


def test_checks_are_grouped_in_order() -> None:
    checks = [Check("a", "passed", group="One"), Check("b", "passed", group="One"), Check("c", "passed", group="Two")]
    data = render(Page(title="t", verdict="passed", headline="h", checks=checks)).decode()
    assert re.findall(r"<h3>(\w+)</h3>", data) == ["One", "Two"]
    assert re.findall(r"<b>(\w)</b>", data) == ["a", "b", "c"]


def luminance(colour: str) -> float:
    """Relative luminance of #rgb or #rrggbb (WCAG 2.2)."""
    text = colour[1:] if len(colour) == 7 else "".join(2 * char for char in colour[1:])
    parts = [int(text[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colours_have_the_contrast_of_wcag_aa() -> None:
    themes = [
        dict(re.findall(r"--(\w+): (#\w+)", block))
        for block in re.findall(r":root \{(.*?)\}", pages._style(), re.DOTALL)
    ]
    assert len(themes) == 3  # light, dark, print
    for theme in themes:
        for ground in ("paper", "panel"):
            for text in ("ink", "soft", "good", "bad", "warn", "accent"):
                assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground, theme)
            assert contrast(theme["rest"], theme[ground]) >= 3, (ground, theme)
