"""What is proposed while a policy is written, what is said of its words, and the shape of it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.language.compile import compile_policy
from stella.language.names import SEVERITY, STATUS, VEX_STATUS
from stella.policy.editor.completion import proposals
from stella.policy.editor.hover import hover
from stella.policy.editor.outline import painted, symbols
from tests.unit.policy.texts import policy, rule

EXAMPLES = sorted((Path(__file__).parents[3] / "examples/policies").glob("*.stella"))
HEAD = 'policy "p" syntax "stella-dsl@1" {\n'
RULE = HEAD + "  rule a {\n    "


def labels(text: str) -> list[str]:
    return [one.label for one in proposals(text, len(text), compile_policy(text).tree)]


@pytest.mark.parametrize(
    ("text", "there", "absent"),
    [
        ("", {"policy"}, {"rule"}),
        (HEAD, {"rule", "invariant", "profile", "metadata", "settings"}, {"kev", "when"}),
        (HEAD + "  ru", {"rule"}, {"kev"}),
        (HEAD + "  settings { ", {"shadow", "default_status"}, {"description"}),
        (HEAD + "  settings { shadow = ", {"true", "false"}, {"shadow"}),
        (HEAD + "  metadata { ", {"description", "tags"}, {"shadow"}),
        (RULE, {"when", "then", "because"}, {"kev"}),
        (RULE + "when ", {"kev", "vex.any", "not", "as_of"}, {"status", "verified", "then"}),
        (RULE + "when kev ", {"and", "or", "then", "in"}, {"kev", "cvss"}),
        (RULE + "when kev and env.", {"env.exposure"}, {"status"}),
        (RULE + "when vex.any(", {"status", "verified"}, {"kev", "vex.any", "as_of"}),
        (RULE + "when vex.any(verified) and ", {"kev"}, {"verified"}),
        (RULE + "when kev then ", {"status", "severity", "warn", "requireVex"}, {"kev", "because"}),
        (RULE + 'when kev then status := "fixed" ', {"because", "else", "warn"}, {"kev"}),
        (RULE + "when kev then requireVex { ", {"vendors", "justifications"}, {"kev"}),
        (RULE + 'when kev then requireVex { vendors = ["x"] } ', {"because", "warn"}, {"kev", "when"}),
        (RULE + 'when kev then status := "fixed" because "x" }\n  ', {"rule"}, {"kev"}),
        (HEAD + "  invariant i { kev => ", {"status", "severity", "cvss"}, {"when"}),
        (HEAD + "  profile w { env e { ", {"if"}, {"kev"}),
        (HEAD + "  profile w { env e { if env.", {"env.exposure"}, {"if"}),
        (HEAD + "  profile w { x = 1 }\n  rule a { when cvss + profile.", {"profile.w.x"}, {"if"}),
        (RULE + "when kev // an", set(), {"and"}),
        (RULE + 'when component.name == "k', set(), {"kev"}),
    ],
)
def test_what_is_proposed(text: str, there: set[str], absent: set[str]) -> None:
    found = set(labels(text))
    assert found >= there
    assert not found & absent


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        ("when severity.normalized >= ", SEVERITY),
        ("when severity.normalized in [", SEVERITY),
        ('when severity.normalized not in ["High", ', SEVERITY),
        ("when vex.any(status == ", VEX_STATUS),
        ("when vex.latest.status == ", VEX_STATUS),
        ("when kev then status := ", STATUS),
        ("when kev then severity := ", SEVERITY),
    ],
)
def test_words_of_what_is_compared(tail: str, words: object) -> None:
    found = proposals(RULE + tail, len(RULE + tail), None)
    wanted = getattr(words, "words", ())
    assert [one.label for one in found if one.kind == "word"] == list(wanted)
    assert all(one.insert == f'"{one.label}"' for one in found if one.kind == "word")
    inside = proposals(RULE + tail + '"H', len(RULE + tail) + 2, None)
    assert [one.insert for one in inside] == list(wanted)
    assert {one.start for one in inside} == {len(RULE + tail) + 1}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_place_of_a_real_policy_has_an_answer(path: Path) -> None:
    text = path.read_text()
    tree = compile_policy(text).tree
    said = 0
    for offset in range(0, len(text), 5):
        proposals(text[:offset], offset, tree)
        found = hover(text, offset, ())
        if found is not None:
            said += 1
            assert found.span.start <= offset <= found.span.end
    assert said


@given(st.text(max_size=60), st.integers(0, 60))
def test_any_text_has_an_answer(text: str, at: int) -> None:
    compiled = compile_policy(text)
    at = min(at, len(text))
    proposals(text, at, compiled.tree)
    hover(text, at, compiled.diagnostics)
    spans = [span for span, _ in painted(compiled.lexed)]
    assert all(one.end <= other.start for one, other in pairwise(spans))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("kev", "known exploited"),
        ("epss", "from 0 to 1"),
        ("env.exposure", "`isolated` < `internal`"),
        ("internet", "`partner` < `internet`"),
        ("vex.any", "vex.any(condition)"),
        ("trust", "in a statement"),
        ("because", "for whoever is told"),
        ("because_of", "POL2001"),
    ],
)
def test_what_is_said(word: str, said: str) -> None:
    text = policy(rule('kev and epss > 0.5 and env.exposure == "internet" and vex.any(trust > 0.5) and because_of'))
    found = hover(text, text.rindex(f" {word}" if word == "because" else word) + 2, compile_policy(text).diagnostics)
    assert found is not None
    assert said in found.text


def test_the_shape() -> None:
    text = policy("settings { shadow = true }", "profile w { x = 1 }", rule("kev"), "invariant i { kev => kev }")
    compiled = compile_policy(text)
    assert compiled.tree is not None
    assert [(one.name, one.part) for one in symbols(compiled.tree)] == [
        ("p", "policy"),
        ("settings", "block"),
        ("w", "profile"),
        ("a", "rule"),
        ("i", "invariant"),
    ]
    paints = {text[span.start : span.end]: paint for span, paint in painted(compiled.lexed)}
    assert (paints["rule"], paints["a"], paints["kev"], paints['"why"'], paints["1"], paints[":="]) == (
        "keyword",
        "class",
        "variable",
        "string",
        "number",
        "operator",
    )
    found = compile_policy("// c\n" + policy(rule("vex.any(true) and exists(cvss) and vex.latest.verified")))
    words = [(found.text[span.start : span.end], paint) for span, paint in painted(found.lexed)]
    assert words[0] == ("// c", "comment")
    assert ("any", "function") in words
    assert ("exists", "function") in words
    assert ("verified", "variable") in words
