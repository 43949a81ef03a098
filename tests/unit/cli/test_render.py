"""What is printed, where, and in which form."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stella.cli import colour, plain, render
from stella.formats.view import Cell, Excerpt, Facts, Table, Text, View
from stella.runtime.errors import DiskFull, ObjectMissing, Unwritable


def test_json_starts_with_the_schema_and_keeps_the_declared_order(stella: Callable[..., Any]) -> None:
    out = stella("fake", "make", "--dir", "ü", "--out", "B", "--json").out
    assert out.startswith(
        '{\n  "schema": "stella.fake.make@1",\n  "zulu": "last letter first",\n  "alpha": {\n    "dir": "ü"'
    )
    assert out.endswith("}\n")
    assert not out.endswith("\n\n")


def test_a_view_is_plain_text_in_a_pipe(stella: Callable[..., Any]) -> None:
    assert stella("fake", "make", "--dir", "D", "--out", "B") == (
        0,
        "zulu  last letter first\ntone  good word\n\ndone\n",
        "",
    )


def test_an_error_is_words_on_standard_error(stella: Callable[..., Any]) -> None:
    ended = stella("fake", "fail", "known")
    assert (ended.code, ended.out) == (4, "")
    assert ended.err.splitlines() == [
        "error[IO-001]: bad\\x1b[31m\\nname does not exist",
        "  hint: check the path; `ls -l bad\\x1b[31m\\nname`",
        "  more: stella explain IO-001",
    ]


def test_an_error_with_json_is_one_document_on_standard_output(stella: Callable[..., Any]) -> None:
    ended = stella("fake", "fail", "known", "--json")
    assert (ended.code, ended.err) == (4, "")
    assert json.loads(ended.out)["code"] == "IO-001"


def test_bytes_that_are_not_utf8_are_still_valid_json(stella: Callable[..., Any]) -> None:
    out = stella("fake", "fail", "surrogate", "--json").out
    assert "\\udcff" in out
    assert json.loads(out)["facts"]["path"] == "\udcff"


def test_plain_layout_aligns_and_leaves_no_trailing_space() -> None:
    view: View = [
        Table(("name", "size"), [("a", "1"), ("long name", Cell("20", "good"))], title="T", right=("size",)),
        Table(("x",), [], empty="nothing here"),
        Table(("x",), []),
        Facts([("k", "v"), ("key", "")]),
        Text("two\nlines"),
    ]
    assert plain.layout(view) == (
        "T\nname       size\na             1\nlong name    20\n\nnothing here\n\nk    v\nkey\n\ntwo\nlines\n"
    )
    assert plain.layout([]) == ""


def test_plain_layout_counts_columns_not_characters() -> None:
    out = plain.layout([Table(("a", "b"), [("日本", "x"), ("e\u0301", "y")])])
    assert out == "a     b\n日本  x\ne\u0301     y\n"


def test_an_excerpt_marks_its_place() -> None:
    part = Excerpt("a:2:3: wrong", "\t日本 x = 1", 2, 3, 1, ("fix: write y",), "bad")
    assert plain.layout([part]) == "a:2:3: wrong\n  2 |  日本 x = 1\n    |    ^^\n  fix: write y\n"
    assert plain.layout([Excerpt("a: wrong", "", 1, 1, 1)]) == "a: wrong\n"
    assert plain.layout([Excerpt("head", "abc", 1, 4, 5)]) == "head\n  1 | abc\n    |    ^\n"
    out = colour.layout([part, Excerpt("b: wrong", "", 1, 1, 1)], 20)
    assert "\x1b[1;31ma:2:3: wrong" in out
    assert all(word in out for word in ("日本 x = 1", "^^", "fix: write y", "b: wrong"))


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "a\rb", "\x9b31m", "\u202eabc", "\x00", "\u2028", "\u2066", "\udcff", "\x7f"]
)
def test_text_from_outside_cannot_act_on_a_terminal(text: str) -> None:
    views: list[View] = [
        [Text(text)],
        [Facts([(text, text)])],
        [Table(("c",), [(Cell(text),)], title=text)],
        [Excerpt(text, f"a{text}b", 1, 1, 9, (text,))],
    ]
    for view in views:
        for out in (plain.layout(view), colour.layout(view, 80)):
            assert text not in out
            assert "\\x" in out or "\\u" in out or "\\r" in out


def test_colour_says_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    view: View = [
        Facts([("state", Cell("verified", "good"))], title="About"),
        Table(("n", "size"), [("a", "1")], right=("size",), title="[bold]Files"),
        Text("bad", "bad"),
        Table(("x",), [], empty="none"),
        Table(("x",), []),
    ]
    out = colour.layout(view, 80)
    assert "\x1b[32mverified" in out
    for word in ("About", "[bold]Files", "size", "bad", "none"):
        assert word in out


@pytest.mark.parametrize(
    ("terminal", "env", "expected"),
    [
        (True, {"TERM": "xterm"}, True),
        (True, {"TERM": "dumb"}, False),
        (True, {}, False),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": ""}, True),
        (False, {"TERM": "xterm"}, False),
    ],
)
def test_colour_only_where_it_is_wanted(terminal: bool, env: dict[str, str], expected: bool) -> None:
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    assert render.has_colour(Stream(), env) is expected
    assert render.has_colour(None, env) is False


def test_a_full_disk_under_standard_output_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(DiskFull, match="standard output"):
            render.text("words")
        render.text("the stream leads nowhere now")


def test_a_closed_output_is_silent_or_an_error_with_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    render.text("words")
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as broken:
        os.close(reader)
        monkeypatch.setattr(sys, "stdout", broken)
        render.text("words")
    with Path(os.devnull).open(encoding="utf-8") as readonly:
        raw = io.TextIOWrapper(io.BufferedWriter(_Refusing(readonly.fileno())))
        monkeypatch.setattr(sys, "stdout", raw)
        with pytest.raises(Unwritable, match="standard output"):
            render.text("words")


class _Refusing(io.FileIO):
    """A stream whose every write fails."""

    def __init__(self, handle: int) -> None:
        super().__init__(handle, closefd=False)

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        del data
        raise OSError(5, "Input/output error")


def test_a_failure_never_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full")
    with full.open("w", encoding="utf-8") as out, full.open("w", encoding="utf-8") as err:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        assert render.failure(ObjectMissing(path="p"), as_json=True) == 4
        render.interrupted()
