"""The checker, the groups and the interpreter together mean what the text says, by a second reading of it."""

from __future__ import annotations

from random import Random

import pytest

from stella.language.compile import compile_policy
from stella.language.groups import groups
from stella.language.interpret import Facts, Value, decide, truth
from stella.language.model import Annotate, RequireVex, Warn
from stella.language.names import COLUMNS, MICRO, STATEMENT, Column
from stella.language.tree import InvariantNode
from tests.policy_meaning import Finding, Meaning
from tests.policy_texts import WORDS, Texts

INSTANTS = (1767225600, 1782820800 - 1, 1782820800, 1801439998, 1801439999, 1801440000)  # around those of the texts
EDGES = (0, MICRO // 10, 4 * MICRO, 7 * MICRO, 9 * MICRO)
STEP = MICRO // 100  # with it nothing is rounded


def some_value(random: Random, column: Column) -> Value:
    match column.type:
        case "flag":
            return random.random() < 1 / 2
        case "word":
            assert column.words is not None
            return random.choice(column.words.words)
        case "text":
            return random.choice(WORDS)
        case "texts":
            return frozenset(random.sample(WORDS, random.randint(0, 3)))
        case "decimal":
            high = min(column.high, 100 * MICRO)
            return random.choice([*(edge for edge in EDGES if edge <= high), random.randrange(0, high + 1, STEP)])
        case "instant":
            return random.choice(INSTANTS)


def some_finding(random: Random) -> Facts:
    share = random.choice((0.3, 0.7, 0.95, 1))
    known = {name: some_value(random, column) for name, column in COLUMNS.items() if random.random() < share}
    statements = tuple(
        {name: some_value(random, column) for name, column in STATEMENT.items() if random.random() < share}
        for _ in range(random.choice((0, 1, 1, 2, 3)))
    )
    return Facts(known, statements, random.choice(INSTANTS))


def check(seed: int) -> None:
    random = Random(seed)
    texts = Texts(random)
    compiled = compile_policy(texts.laid(texts.policy()), strict=True)
    assert compiled.policy is not None, compiled.errors
    assert compiled.tree is not None
    meaning, made = Meaning(compiled.tree), groups(compiled.policy)
    invariants = {one.name: one for one in compiled.tree.members if isinstance(one, InvariantNode)}
    for _ in range(20):
        facts = some_finding(random)
        found = decide(made, compiled.policy.settings.default_status, facts)
        finding = Finding(facts.values, facts.statements, facts.as_of)
        said = sorted(_said(note) for note in found.notes)
        assert (found.status, found.severity, said, found.undecided) == meaning.decide(finding), compiled.text
        outcome = {"status": found.status, "severity": found.severity}
        known = facts._replace(outcome={name: word for name, word in outcome.items() if word is not None})
        for one in compiled.policy.invariants:
            broken = meaning.broken(invariants[one.name], finding._replace(outcome=outcome))
            held, then = truth(one.given, known), truth(one.then, known)
            assert broken is (False if held is False or then is True else True if held and then is False else None)


def _said(note: Annotate | Warn | RequireVex) -> str:
    match note:
        case Annotate(_, value):
            return value
        case Warn(message):
            return message
        case RequireVex(_, justifications):
            return " ".join(("require", *justifications))


def test_two_readings_of_a_policy_agree() -> None:
    for seed in range(120):
        check(seed)


@pytest.mark.nightly
def test_two_readings_of_many_policies_agree() -> None:
    for seed in range(120, 20_000):
        check(seed)
