"""From a claim to its verdict.

Rules:
- A claim is refuted when its formula can hold. Examples are made only for what is reported.
- Names in `by` follow from what the conditions mean, never from the order in which the solver found them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from stella.prover.claims import Claims, Question
from stella.prover.example import Example
from stella.prover.minimal import CONFIRMING
from stella.prover.scene import Confirm
from stella.prover.verdicts import CODES, State, Verdict

Rivals = Sequence[tuple[str, int]]
"""Names and formulas of groups."""


class Judge:
    """Claims and the scene that they are made in."""

    def __init__(self, claims: Claims) -> None:
        self.claims = claims
        self.scene = claims.outcomes.scene

    @property
    def is_spent(self) -> bool:
        """Whether nothing more is asked."""
        return self.scene.solver.is_spent

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
        example = self._example(question.shown, question.confirm_shown, question)
        by = self._shadows(question, example)
        return msgspec.structs.replace(verdict, by=by, example=example)

    def _shadows(self, question: Question, example: Example | None) -> tuple[str, ...]:
        """One rule that is always stronger, if there is one; else a set that is enough, and no longer without one."""
        if self.is_spent:
            return ()
        stronger = self.claims.stronger(question)
        if example is not None:  # whatever is always stronger is so in the example too
            true = {self.claims.groups[at].rule for at in self.claims.decide(example.facts()).true}
            for name, literal in stronger:
                if name in true and self.scene.can(question.shown, -literal) is False:
                    return (name,)
        return tuple(dict.fromkeys(name for name, _ in self._enough(question.shown, (), (), stronger)))

    def _enough(self, shown: int, given: Rivals, added: Rivals, rest: Rivals) -> list[tuple[str, int]]:
        """Which of the rest are needed beside the given ones, the strongest first: QuickXplain (Junker 2004)."""
        if added and self.scene.can(shown, *(-literal for _, literal in given)) is False:
            return []
        if len(rest) <= 1 or self.is_spent:
            return list(rest)
        middle = len(rest) // 2
        first, second = rest[:middle], rest[middle:]
        later = self._enough(shown, (*given, *first), first, second)
        return self._enough(shown, (*given, *later), later, first) + later

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
        self.scene.solver.spend(CONFIRMING)
        return msgspec.structs.replace(example, status=decided.status, severity=decided.severity)
