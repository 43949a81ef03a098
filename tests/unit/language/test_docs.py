"""The reference of the language is what the language is, and its examples are what they say."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest

from stella.language.codes import CODES
from stella.language.compare import decimal
from stella.language.compile import compile_policy
from stella.language.diagnostics import Lines
from stella.language.expressions import MAX_DEPTH, RESERVED
from stella.language.format import formatted
from stella.language.functions import FUNCTIONS
from stella.language.lexer import ESCAPES
from stella.language.names import COLUMNS, LATEST, SEVERITY, STATEMENT, STATUS, Column
from stella.language.parser import VERBS, parse
from stella.language.size import MAX_TERMS
from tests.policy_texts import Grammar

TOP = Path(__file__).resolve().parents[3]
PAGES = sorted((TOP / "docs/policy").glob("*.md"))
LANGUAGE = (TOP / "docs/policy/language.md").read_text()
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXPECTED = re.compile(r"// ! (POL\d{4})")
BLOCKS = [
    (page.name, number, text)
    for page in PAGES
    for number, (kind, text) in enumerate(FENCED.findall(page.read_text()))
    if kind == "stella"
]
EXAMPLES = sorted((TOP / "examples/policies").glob("*.stella"))


def whole(block: str) -> str:
    """A block that is no policy is what stands in one."""
    return block if "\npolicy " in f"\n{block}" else f'policy "example" syntax "stella-dsl@1" {{ {block} }}'


@pytest.mark.parametrize(("page", "number", "block"), BLOCKS, ids=[f"{page}-{number}" for page, number, _ in BLOCKS])
def test_an_example_has_the_diagnostics_that_it_shows(page: str, number: int, block: str) -> None:
    del page, number
    text = whole(block)
    compiled = compile_policy(text, strict=True)
    lines = Lines(text)
    expected = [(number, code) for number, line in enumerate(text.split("\n"), 1) for code in EXPECTED.findall(line)]
    assert [(lines.at(one.span.start).line, one.code) for one in compiled.diagnostics] == expected


def test_the_reference_has_examples() -> None:
    assert len(BLOCKS) >= 5


def _rows(column: Column) -> list[str]:
    match column.type:
        case "word":
            assert column.words is not None
            words = " ".join(f"`{word}`" for word in column.words.words)
            values = f"ordered: {words}" if column.words.ordered else words
        case "decimal":
            values = f"number {decimal(column.low)} to {decimal(column.high)}"
        case "texts":
            values = "set of texts"
        case other:
            values = other
    return [column.help, values]


def test_the_reference_has_every_name() -> None:
    findings = [
        f"| `{name}` | {column.dimension} | {' | '.join(_rows(column))} |"
        for name, column in COLUMNS.items()
        if not name.startswith(LATEST)
    ]
    statements = [f"| `{name}` | {' | '.join(_rows(column))} |" for name, column in STATEMENT.items()]
    assert "\n".join(findings) in LANGUAGE
    assert "\n".join(statements) in LANGUAGE


def test_the_reference_has_every_word_function_and_bound() -> None:
    for signature in FUNCTIONS.values():
        assert f"| `{signature}` |" in LANGUAGE
    for words in (STATUS, SEVERITY):
        assert " ".join(f"`{word}`" for word in words.words) in LANGUAGE
    for word in (*VERBS, *RESERVED, *(f"\\{letter}" for letter in ESCAPES)):
        assert f"`{word}" in LANGUAGE
    assert f"nested at most {MAX_DEPTH} deep" in LANGUAGE
    assert f"more than {MAX_TERMS:,}" in LANGUAGE


def test_every_code_has_its_cause_and_its_remedy() -> None:
    page = (TOP / "docs/reference/diagnostics.md").read_text()
    assert re.findall(r"^## (POL\d{4})$", page, re.MULTILINE) == list(CODES) == sorted(CODES)
    for one in CODES.values():
        assert f"{one.what} {one.why}" in page
        assert one.fix in page
    known = set(re.findall(r"POL\d{4}", " ".join(path.read_text() for path in (TOP / "src/stella").rglob("*.py"))))
    assert known <= CODES.keys()


def test_what_the_grammar_makes_is_read_and_has_one_layout() -> None:
    (rules,) = [text for kind, text in FENCED.findall(LANGUAGE) if kind == "ebnf"]
    grammar = Grammar(rules)
    for seed in range(400):
        text = grammar.text(Random(seed))
        parsed = parse(text)
        # what is no matter of grammar: a clause is there twice or not at all, a map is about two names
        assert not [one.message for one in parsed.diagnostics if one.message.startswith("expected")], text
        assert parsed.policy is not None
        if not parsed.diagnostics:
            made = formatted(parsed.policy, parsed.lexed)
            again = parse(made)
            assert again.policy is not None
            assert formatted(again.policy, again.lexed) == made
    assert {"policy", "rule", "invariant", "weights", "unary", "call"} <= grammar.used


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_policies_that_are_shown_compile_strictly_and_are_formatted(path: Path) -> None:
    text = path.read_text()
    compiled = compile_policy(text, strict=True)
    assert compiled.diagnostics == ()
    assert compiled.tree is not None
    assert formatted(compiled.tree, compiled.lexed) == text
