"""What is remembered is what a first run says; what was not touched is not judged again."""

from __future__ import annotations

import subprocess
import sys
from random import Random

import msgspec
import pytest

from stella.language.model import Addend as Column
from stella.language.model import All, Compared, Flagged, Not, OneOf, Policy, Sum
from stella.language.names import MICRO
from stella.prover.memory import Memory
from stella.prover.proofs import prove
from stella.prover.refactors import equivalent
from stella.prover.scene import Scene
from stella.prover.solver import Solver
from stella.prover.verdicts import Limits
from tests.prover_policies import Chance, policy, rule

KEV, FIX = Flagged("kev"), Flagged("fix.available")


def edited(one: Policy, chance: Chance, random: Random) -> Policy:
    at = random.randrange(len(one.rules))
    rules = list(one.rules)
    rules[at] = msgspec.structs.replace(rules[at], when=chance.condition(2))
    return msgspec.structs.replace(one, rules=tuple(rules))


@pytest.mark.parametrize("seed", range(10))
def test_a_run_with_memory_says_what_one_without_says(seed: int) -> None:
    chance = Chance(5000 + seed, 3, evidence=True)
    memory, one = Memory(), chance.policy(5)
    for _ in range(4):
        with_memory = prove(one, memory=memory)
        assert msgspec.json.encode(with_memory) == msgspec.json.encode(prove(one))
        one = edited(one, chance, chance.random)


def test_only_what_depends_on_a_change_is_judged_again() -> None:
    rules = [rule(f"r{at}", Compared(Sum((Column("cvss", MICRO),)), "==", at * MICRO), priority=at) for at in range(9)]
    memory, one = Memory(), policy(*rules)
    prove(one, memory=memory)
    memory.hits = 0
    prove(policy(*rules[:-1], rule("r8", KEV, priority=8)), memory=memory)
    assert memory.hits == 8
    memory.hits = 0
    prove(policy(rule("r0", KEV), *rules[1:]), memory=memory)
    assert memory.hits == 0


def test_nothing_is_asked_when_everything_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, one = Memory(), policy(rule("a", KEV), rule("b", All((KEV, FIX)), priority=1))
    first = prove(one, memory=memory)
    monkeypatch.setattr(Scene, "__init__", lambda *_: pytest.fail("a scene was made"))
    assert prove(one, memory=memory) == first


def test_another_instant_is_another_question() -> None:
    memory, one = Memory(), policy(rule("a", KEV))
    prove(one, as_of=1, memory=memory)
    memory.hits = 0
    prove(one, as_of=2, memory=memory)
    assert memory.hits == 0


def test_what_the_solver_gives_up_on_is_unproved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Solver, "_ask", lambda *_: None)
    found = prove(policy(rule("a", KEV), rule("b", All((KEV, OneOf("env.name", ("x",)))), priority=1)))
    assert {one.subject for one in found.unproved} == {"b"}
    assert not found.bad


def test_a_hard_question_ends_and_is_unproved() -> None:
    parts = [Column(name, MICRO * 7919 + at) for at, name in enumerate(("cvss", "epss", "trust.score", "age.days"))]
    hard = All(tuple(Compared(Sum(tuple(parts)), "==", MICRO * 7919 * 3 + at) for at in (1, 2)))
    found = prove(policy(rule("a", Not(Not(hard)))), limits=Limits(effort=1))
    assert {one.state for one in found.verdicts if one.claim == "never true"} <= {"unproved", "proved"}
    assert "refuted" not in {one.state for one in found.verdicts if one.claim == "never true"}


def test_the_same_policy_gives_the_same_bytes_in_another_process() -> None:
    script = (
        "import msgspec; from tests.prover_policies import Chance; from stella.prover.proofs import prove;"
        "print(msgspec.json.encode(prove(Chance(7, 3, evidence=True).policy(6))).hex())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(["", *sys.path]).strip(":")},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert found == {msgspec.json.encode(prove(Chance(7, 3, evidence=True).policy(6))).hex() + "\n"}


def test_an_example_with_a_text_is_made_anew_when_other_texts_are_asked_about() -> None:
    elsewhere = Not(OneOf("env.name", ("prod",)))
    first = [rule("a", elsewhere), rule("b", All((elsewhere, KEV)), priority=1)]
    memory = Memory()
    prove(policy(*first), memory=memory)
    more = policy(*first, rule("c", OneOf("env.name", ("other",)), priority=2))
    assert prove(more, memory=memory) == prove(more)


def test_a_comparison_that_the_solver_gives_up_on_is_unproved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Solver, "_ask", lambda *_: None)
    one, two = (policy(rule("a", when)) for when in (KEV, Not(All((Not(KEV), Not(All((KEV, FIX))))))))
    assert equivalent(one, two).state == "unproved"
