"""Proofs beside the typing: nobody waits, and the last wish counts."""

from __future__ import annotations

import queue
import threading

from stella.language.compile import Compiled, compile_policy
from stella.policy.editor.background import Background, Wish
from tests.unit.policy.texts import GOOD

COMPILED = compile_policy(GOOD)
PATIENCE = 30  # seconds before a test gives up


def test_the_last_of_several_wishes_counts() -> None:
    begun, may_end = threading.Event(), threading.Event()
    done: queue.Queue[tuple[str, int, str]] = queue.Queue()

    def judge(compiled: Compiled) -> str:
        del compiled
        begun.set()
        assert may_end.wait(PATIENCE)
        return "proved"

    background: Background[str] = Background(judge, lambda wish, found: done.put((wish.uri, wish.version, str(found))))
    background.ask(Wish("a", 1, COMPILED))
    assert begun.wait(PATIENCE)
    for version in (2, 3, 4):
        background.ask(Wish("a", version, COMPILED))  # returns while the first is at work
    background.ask(Wish("b", 1, COMPILED))
    background.ask(Wish("c", 1, COMPILED))
    background.forget("b")
    background.forget("never asked")
    may_end.set()
    assert [done.get(timeout=PATIENCE) for _ in range(3)] == [
        ("a", 1, "proved"),
        ("a", 4, "proved"),
        ("c", 1, "proved"),
    ]
    assert done.empty()


def test_what_is_raised_is_handed_on_and_the_next_wish_is_heard() -> None:
    done: queue.Queue[object] = queue.Queue()
    answers = iter((ValueError("x"), "fine"))

    def judge(compiled: Compiled) -> str:
        del compiled
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    background: Background[str] = Background(judge, lambda _, found: done.put(found))
    background.ask(Wish("a", 1, COMPILED))
    assert isinstance(done.get(timeout=PATIENCE), ValueError)
    background.ask(Wish("a", 2, COMPILED))
    assert done.get(timeout=PATIENCE) == "fine"
