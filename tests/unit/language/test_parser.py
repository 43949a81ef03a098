"""Blocks: what is read, and that one error neither hides nor makes up another."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stella.language.compile import MAX_SOURCE, compile_policy
from stella.language.diagnostics import MAX_DIAGNOSTICS, Lines
from stella.language.expressions import MAX_DEPTH
from stella.language.parser import parse, parse_expression, parse_invariant
from stella.language.tree import Arithmetic, Comparison, EntriesNode, Logic, Name, Negation, Number, RuleNode, Wrong
from tests.policy_texts import Texts, policies

HEAD = 'policy "p" syntax "stella-dsl@1" {\n'
RULE = 'rule {name} {{ when kev then status := "blocked" because "x" }}\n'


def wrong(text: str) -> list[tuple[int, int, str]]:
    """Line, column and code of each diagnostic of a whole file."""
    compiled = compile_policy(text)
    lines = Lines(compiled.text)
    return [(*lines.at(one.span.start), one.code) for one in compiled.diagnostics]


def test_both_dialects_of_entries_are_read() -> None:
    read = parse(HEAD + 'metadata { a = "1"; b: "2", c : "3" } }').policy
    assert read is not None
    (block,) = read.members
    assert isinstance(block, EntriesNode)
    assert [entry.key for entry in block.entries] == ["a", "b", "c"]


def test_clauses_stand_in_any_order_and_semicolons_anywhere() -> None:
    text = HEAD + 'rule a priority 3 { because "x"; else warn "y"; then status := "fixed"; warn "z"; when kev; } }'
    parsed = parse(text)
    assert not parsed.diagnostics
    assert parsed.policy is not None
    (rule,) = parsed.policy.members
    assert isinstance(rule, RuleNode)
    assert (len(rule.then), len(rule.otherwise)) == (2, 1)


SAME = [
    ("a or b and c", "a or (b and c)"),
    ("not a and b", "(not a) and b"),
    ("not a == true", "not (a == true)"),
    ("not not a", "not (not a)"),
    ("a - 1 < b + 2", "(a - 1) < (b + 2)"),
    ("a -1 < 2", "(a - 1) < 2"),
    ("- a + b > 1", "(-a) + b > 1"),
    ('a not in ["x"] or b', '(a not in ["x"]) or b'),
    ("a and b or c and d", "(a and b) or (c and d)"),
]


def _plain(node: object) -> object:  # noqa: PLR0911  a match over kinds returns from each
    """An expression without its places."""
    match node:
        case Name(name):
            return name
        case Number(micros):
            return micros
        case Logic(word, items):
            return (word, *map(_plain, items))
        case Negation(item):
            return ("not", _plain(item))
        case Comparison(sign, left, right):
            return (sign, _plain(left), _plain(right))
        case Arithmetic(items):
            return ("sum", *((minus, _plain(item)) for minus, item in items))
        case _:
            return type(node).__name__


@pytest.mark.parametrize(("text", "closed"), SAME)
def test_operators_bind_as_the_reference_says(text: str, closed: str) -> None:
    one, other = parse_expression(text), parse_expression(closed)
    assert not one.diagnostics
    assert _plain(one.expression) == _plain(other.expression)


@pytest.mark.parametrize("text", ["a < b < c", "a == b == c", 'a in ["x"] in ["y"]', "a < b not in c"])
def test_comparisons_do_not_chain(text: str) -> None:
    assert [one.code for one in parse_expression(text).diagnostics] == ["POL1001"]


def test_an_expression_alone_ends_with_its_text() -> None:
    assert [one.span for one in parse_expression("kev kev").diagnostics] == [(4, 7)]
    assert isinstance(parse_expression("").expression, Wrong)
    given_, then, said = parse_invariant('kev => status == "x"')
    assert not said
    assert (type(given_), type(then)) == (Name, Comparison)
    assert [one.code for one in parse_invariant("kev")[2]] == ["POL1001"]


LOST = {
    "no syntax": ('policy "p" {\nrule a { when kev then x }\n}', [(1, 12, "POL1001"), (2, 24, "POL2001")]),
    "a word between": (
        'policy "p" syntax "stella-dsl@1" oh {\nrule a { when }\n}',
        [(1, 34, "POL1001"), (2, 15, "POL1001")],
    ),
    "two clauses of a rule": (
        HEAD + 'rule a {\n when kev and\n then status = "blocked" foo\n because 3\n}\n}',
        [(4, 2, "POL1001"), (4, 14, "POL1001"), (4, 26, "POL2001"), (5, 10, "POL1001")],
    ),
    "then is missing, no more": (HEAD + 'rule a { when kev\n status := "x"\n because "y" }\n}', [(3, 2, "POL1001")]),
    "a brace is missing": (
        HEAD + 'rule a { when kev then warn "x"\nrule b { when nme then warn "x" }\n}',
        [(3, 1, "POL1001"), (3, 15, "POL2001")],
    ),
    "the last brace": (HEAD + 'rule a { when kev then warn "x" }', [(2, 34, "POL1001")]),
    "entries": (
        HEAD + 'metadata {\n a "x"\n b = "y"\n c = [1\n d = "z" }\nrule a { when kv > then warn "" }\n}',
        [(3, 4, "POL1001"), (6, 2, "POL1001"), (7, 20, "POL1001")],
    ),
    "a map and a case": (
        HEAD
        + 'profile p {\n map m { source GHSA => 1\n source "B" 2 }\n env e { if kev 3\n if x then 1 }\n foo 3\n}\n}',
        [(3, 17, "POL1001"), (4, 13, "POL1001"), (5, 17, "POL1001"), (6, 5, "POL2001"), (7, 6, "POL1001")],
    ),
    "a block that is mistyped": (HEAD + "setings { shadow = 1 }\n" + RULE.format(name="a") + "}", [(2, 1, "POL1001")]),
    "three rules": (
        HEAD + "rule a { when ( then }\nrule b { when kev then }\nrule c { when kev then warn }\n}",
        [(2, 17, "POL1001"), (2, 22, "POL1001"), (3, 24, "POL1001"), (4, 29, "POL1001")],
    ),
    "requireVex": (
        HEAD + 'rule a { when kev then requireVex {\n vendors ["x"]\n justifications = ["y"]\n }\n warn 3 }\n}',
        [(3, 10, "POL1001"), (4, 19, "POL2003"), (6, 7, "POL1001")],
    ),
    "an invariant": (
        HEAD + "invariant a { kev }\ninvariant b { kev => kve }\n}",
        [(2, 19, "POL1001"), (3, 22, "POL2001")],
    ),
    "two policies": (HEAD + "}\n" + HEAD + "}", [(3, 1, "POL1003")]),
    "text before the policy": (
        'hello\npolicy "p" syntax "stella-dsl@1" { x }',
        [(1, 1, "POL1001"), (2, 36, "POL1001")],
    ),
    "nothing": ("", [(1, 1, "POL1001")]),
    "nothing but a comment": ("// hello", [(1, 1, "POL1001")]),
}


@pytest.mark.parametrize("name", LOST)
def test_every_error_is_found_where_it_stands_and_none_is_made_up(name: str) -> None:
    text, expected = LOST[name]
    assert wrong(text) == expected


@settings(max_examples=25)
@given(policies, st.data())
def test_an_error_in_one_rule_leaves_the_others_alone(text: str, data: st.DataObject) -> None:
    parsed = parse(text)
    assert parsed.policy is not None
    rules = [one for one in parsed.policy.members if isinstance(one, RuleNode)]
    broken = data.draw(st.sampled_from(rules))
    assert broken.when is not None
    spoilt = text[: broken.when.span.start] + "== " + text[broken.when.span.start :]
    again = parse(spoilt)
    assert again.policy is not None
    names = [one.name for one in again.policy.members if isinstance(one, RuleNode)]
    assert names == [one.name for one in rules]
    assert [one.code for one in again.diagnostics] == ["POL1001"]
    assert again.diagnostics[0].span.start == broken.when.span.start


def test_depth_is_what_the_author_nested() -> None:
    assert not parse_expression("(" * (MAX_DEPTH - 1) + "kev" + ")" * (MAX_DEPTH - 1)).diagnostics
    assert not parse_expression(" and ".join(["kev"] * 5000)).diagnostics
    assert [one.code for one in parse_expression("(" * MAX_DEPTH + "kev" + ")" * MAX_DEPTH).diagnostics] == ["POL1004"]


UNITS = {
    "parentheses": "(",
    "quotes": '"',
    "half strings": '"\n',
    "rules": "rule a {",
    "signs": "-",
    "comments": "/*",
    "nots": "not ",
    "lists": "[",
    "items": '["a",',
    "braces": "{",
    "ends": "}",
    "policies": 'policy "p" syntax "s" {',
    "dots": "a.",
    "calls": "a(",
    "chains": "a<",
    "strange": "é ",
    "escapes": '"\\q" ',
    "elses": "else ",
    "maps": 'map m{source "a"=>1}',
    "cases": "env e{if kev then 1}",
    "invariants": "invariant i {kev=>kev}",
    "whole rules": 'rule a{when kev then warn""}',
    "unknown": "rule a{when kv<3 then warn x}",
    "quantifiers": "vex.any(",
    "numbers": "1",
    "zeros": "\x00",
    "small comments": "/**/",
}
BEGINNINGS = {"text": "", "policy": HEAD, "rule": HEAD + "rule a { when ", "profile": HEAD + "profile p {"}


def hostile(unit: str, beginning: str, size: int) -> str:
    return beginning + unit * ((size - len(beginning)) // len(unit.encode()))


@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.parametrize("unit", UNITS)
def test_a_hostile_text_gives_few_diagnostics(unit: str, beginning: str) -> None:
    compiled = compile_policy(hostile(UNITS[unit], BEGINNINGS[beginning], 32_000))
    assert compiled.policy is None
    assert 0 < len(compiled.diagnostics) <= MAX_DIAGNOSTICS
    assert compiled.errors


@pytest.mark.nightly
@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.parametrize("unit", UNITS)
def test_a_hostile_text_of_the_largest_size_gives_few_diagnostics(unit: str, beginning: str) -> None:
    compiled = compile_policy(hostile(UNITS[unit], BEGINNINGS[beginning], MAX_SOURCE))
    assert 0 < len(compiled.diagnostics) <= MAX_DIAGNOSTICS
    assert compiled.errors


LONG = {
    "sums": "rule a { when " + "cvss + " * 20_000 + 'cvss > 3 then warn "" }',
    "names": "rule a { when " + " or ".join(f"nam{i}" for i in range(30_000)) + ' then warn "" }',
    "wrong words": "rule a { when env.exposure in [" + '"intrnet", ' * 50_000 + '] then warn "" }',
    "keys": "settings {" + " ".join(f"shado{i} = 1" for i in range(30_000)) + "}",
    "profiles": "profile p {"
    + " ".join(f"a{i} = 1" for i in range(10_000))
    + "}"
    + "".join(f'rule r{i} {{ when profile.p.x{i} > 1 then warn "" }}' for i in range(2000)),
    "a long name": "rule a { when " + "a" * 500_000 + ' then warn "" }',
    "justifications": "rule a { when kev then requireVex { justifications = ["
    + '"component_not_presnt", ' * 20_000
    + "] } }",
}


@pytest.mark.parametrize("name", LONG)
def test_a_long_list_of_errors_costs_no_more_than_its_length(name: str) -> None:
    """Where the cost grows with the square, this does not end within the time of a run."""
    assert len(compile_policy(HEAD + LONG[name] + "}").diagnostics) <= MAX_DIAGNOSTICS


@given(st.binary(max_size=300))
def test_any_bytes_are_diagnostics_or_a_policy(data: bytes) -> None:
    compiled = compile_policy(data)
    assert compiled.policy is not None or compiled.errors
    assert len(compiled.diagnostics) <= MAX_DIAGNOSTICS


@settings(max_examples=50)
@given(st.randoms(use_true_random=False), st.data())
def test_a_policy_that_was_tampered_with_is_diagnostics_or_a_policy(random: object, data: st.DataObject) -> None:
    texts = Texts(random)  # type: ignore[arg-type]
    tokens = texts.program()
    place = data.draw(st.integers(0, len(tokens) - 1))
    other = data.draw(st.sampled_from([*tokens, "{", "}", "(", ")", "]", "and", '"', "/*", "999999999999", "\ud800"]))
    text = texts.laid([*tokens[:place], other, *tokens[place + data.draw(st.integers(0, 1)) :]])
    compiled = compile_policy(text, strict=data.draw(st.booleans()))
    assert compiled.policy is not None or compiled.errors
    places = [(one.span.start, one.span.end) for one in compiled.diagnostics]
    assert places == sorted(places)
    assert all(0 <= start <= end <= len(compiled.text) for start, end in places)
