"""From a claim to its verdict.

Rules:
- A claim is refuted when its formula can hold. Examples are made only for what is reported.
- Names in `by` follow from what the conditions mean, never from the order in which the solver found them.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from stella.prover.claims import Claims, Question
from stella.prover.example import Example
from stella.prover.scene import Confirm
from stella.prover.verdicts import CODES, State, Verdict


class Judge:
    """Claims and the scene that they are made in."""

    def __init__(self, claims: Claims) -> None:
        self.claims = claims
        self.scene = claims.outcomes.scene

    def verdicts(self, questions: Iterable[Question]) -> tuple[Verdict, ...]:
        """Judge the claims about one subject."""
        found: list[Verdict] = []
        never = set()
        for question in questions:
            if question.claim == "never wins" and question.branch in never:
                continue  # what is never true needs no rule that is stronger
            verdict = self._verdict(question)
            if verdict.claim == "never true" and verdict.state == "proved":
                never.add(verdict.branch)
            found.append(verdict)
        return tuple(found)

    def _verdict(self, question: Question) -> Verdict:
        can = self.scene.can(question.against)
        state: State = "unproved" if can is None else "refuted" if can else "proved"
        verdict = Verdict(question.claim, question.subject, state, question.branch, question.attribute)
        if state != CODES[question.claim][1]:
            return verdict
        if question.claim == "never wins":
            return self._shadowed(question, verdict)
        if state == "refuted":
            return self._with_example(question, verdict)
        return verdict

    def _shadowed(self, question: Question, verdict: Verdict) -> Verdict:
        by = self._shadows(question.shown, self.claims.stronger(question))
        example = self._example(question.shown, question.confirm_shown, question)
        return msgspec.structs.replace(verdict, by=by, example=example)

    def _shadows(self, shown: int, stronger: list[tuple[str, int]]) -> tuple[str, ...]:
        """One that is always stronger; else as few as are enough together."""
        can = self.scene.can
        for name, true in stronger:
            if can(shown, -true) is False:
                return (name,)
        needed = list(stronger)
        for one in reversed(stronger):
            rest = [other for other in needed if other is not one]
            if can(shown, *(-true for _, true in rest)) is False:
                needed = rest
        return tuple(dict.fromkeys(name for name, _ in needed))

    def _with_example(self, question: Question, verdict: Verdict) -> Verdict:
        against, by = question.against, self._rivals(question)
        if by:
            against = dict(question.rivals)[by[0]]
        example = self._example(against, question.confirm, question)
        if example is None:
            return msgspec.structs.replace(verdict, state="unproved")
        return msgspec.structs.replace(verdict, by=by, example=example)

    def _rivals(self, question: Question) -> tuple[str, ...]:
        """All rules with which there can be a tie."""
        scene = self.scene
        found = {name for name, literal in question.rivals if scene.seen(literal)}
        waiting = {name: literal for name, literal in question.rivals if name not in found}
        ruled = [-literal for name, literal in question.rivals if name in found]
        while waiting and scene.can(question.against, *ruled) is True:
            more = [name for name, literal in waiting.items() if scene.solver.in_model(literal)]
            if not more:
                break
            found.update(more)
            ruled += [-waiting.pop(name) for name in more]
        return tuple(name for name, _ in question.rivals if name in found)

    def _example(self, literal: int, confirm: Confirm, question: Question) -> Example | None:
        example = self.scene.example(literal, confirm, (question.claim, question.subject))
        if example is None:
            return None
        decided = self.claims.decide(example.facts())
        return msgspec.structs.replace(example, status=decided.status, severity=decided.severity)
