"""One layout: it changes no meaning, loses no comment, and is its own layout."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stella.language.compile import compile_policy
from stella.language.format import WIDTH, formatted
from stella.language.ir import digest
from stella.language.lexer import lex
from stella.language.parser import parse
from tests.policy_texts import Texts, policies


def form(text: str) -> str:
    parsed = parse(text)
    assert parsed.policy is not None
    assert not parsed.diagnostics
    return formatted(parsed.policy, parsed.lexed)


def comments(text: str) -> list[str]:
    return [" ".join(comment.text.split()) for comment in lex(text).comments]


@settings(max_examples=80)
@given(policies)
def test_formatting_changes_no_meaning_and_loses_no_comment(text: str) -> None:
    made = form(text)
    one, other = compile_policy(text), compile_policy(made)
    assert one.policy is not None
    assert other.policy is not None
    assert digest(one.policy) == digest(other.policy)
    assert comments(made) == comments(text)
    assert form(made) == made


@settings(max_examples=25)
@given(st.randoms(use_true_random=False))
def test_what_has_no_meaning_is_formatted_all_the_same(random: object) -> None:
    texts = Texts(random)  # type: ignore[arg-type]
    text = texts.laid(texts.program(), comments=0.2)
    made = form(text)
    assert form(made) == made
    assert comments(made) == comments(text)


def within(expression: str) -> str:
    text = form(f'policy "p" syntax "stella-dsl@1" {{ rule a {{ when {expression} then warn "" }} }}')
    return text.split("when ", 1)[1].rsplit("\n    then", 1)[0]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("((a))", "a"),
        ("a and (b and c)", "a and (b and c)"),
        ("(a or b) and c", "(a or b) and c"),
        ("a or (b and c)", "a or b and c"),
        ("not (a and b)", "not (a and b)"),
        ("not (a == 1)", "not a == 1"),
        ("(not a) == true", "(not a) == true"),
        ("not(not a)", "not not a"),
        ("a - (b - c) > 1", "a - (b - c) > 1"),
        ("- a + b > 1", "-a + b > 1"),
        ("a - -1 > 0", "a - (-1) > 0"),
        ("-(-a) > 0", "-(-a) > 0"),
        ("(a + b) > 1", "a + b > 1"),
        ("+0.50 < a", "+0.50 < a"),
        ("a == 1.000", "a == 1.000"),
        ("a == 007", "a == 7"),
        ('a in ["x",]', 'a in ["x"]'),
        ("f( a,b, )", "f(a, b)"),
        ("(a < b) == true", "(a < b) == true"),
        ('"tab\\t\\"q\\"\\\\"  == a', '"tab\\t\\"q\\"\\\\" == a'),
        ("a==null", "a == null"),
    ],
)
def test_expressions_have_the_parentheses_that_they_need(written: str, shown: str) -> None:
    assert within(written) == shown
    assert within(shown) == shown


def test_a_long_condition_is_broken_before_its_words() -> None:
    names = [f"some_name_{number:02}" for number in range(12)]
    text = within(" and ".join(names))
    assert text.split("\n") == [names[0], *(f"      and {name}" for name in names[1:])]
    assert max(map(len, text.split("\n"))) < WIDTH


LAID = """\
// first

// second
policy "p" syntax "stella-dsl@1" {
  // of settings
  settings {
    shadow = true // beside
  }

  profile p {
    n = 1
    map m {
      source "a" => 0.5 // why
    }
    env e {
      // a case
      if kev then +1
    }
  }

  // of all rules

  // of the rule
  rule a priority 1 { // of its head
    // before when
    when kev
    // before then
    then status := "blocked"
        warn message "x"
        requireVex {
          vendors = ["a"]
        }
    else annotate k "v"
    because "y"
    // the end
  }

  invariant i {
    kev => status == "blocked"
  }
  // last
}
// behind
"""


def test_what_is_laid_out_stays() -> None:
    assert form(LAID) == LAID


@pytest.mark.parametrize(
    "end", ["/* b\n c */", "// b", "/* b */ // c", "/* b */ /* c\n */ // d"], ids=["block", "line", "both", "three"]
)
def test_what_stands_behind_a_line_comment_never_becomes_code(end: str) -> None:
    text = f'policy "p" syntax "stella-dsl@1" {{ rule a {{ when kev // a\n and epss > 0 {end}\n then warn "" }} }}'
    made = form(text)
    assert comments(made) == comments(text)
    assert form(made) == made


def test_lines_end_with_lf_alone() -> None:
    assert "\r" not in form('policy "p" syntax "stella-dsl@1" {\r\n/* a\r\n b\r c */\r\n}\r\n')
