"""Prove what can be said of a policy: the one door to the solver.

Rules:
- The same policy gives the same verdicts, examples and bytes.
- A claim that was judged before, and that nothing has changed, is not judged again: `memory` is the caller's.
- What the solver gives up on is unproved, and never holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import structs

from stella.language.groups import Group, groups
from stella.language.interpret import decide
from stella.language.model import Condition, ExceptionRule, Policy, Rule
from stella.prover.claims import EXPLOITED, Claims, Question
from stella.prover.inclusions import included
from stella.prover.judging import Judge
from stella.prover.memory import Keys, Memory, digest, universe
from stella.prover.outcomes import Outcomes
from stella.prover.scene import Scene
from stella.prover.verdicts import Inclusion, Limits, Proofs, Verdict

LIMITS = Limits()


def prove(
    policy: Policy,
    exceptions: Iterable[ExceptionRule] = (),
    as_of: int | None = None,
    limits: Limits = LIMITS,
    memory: Memory | None = None,
) -> Proofs:
    """Judge every claim about a policy with its exceptions.

    With `as_of` (seconds since 1970) only runs about that instant count, and exceptions can be expired; without it any
    instant does. Raises ExampleUnconfirmed, SumTooWide, PolicyTooWide.
    """
    return _Run(policy, tuple(exceptions), as_of, limits, Memory() if memory is None else memory).proofs()


class _Run:
    def __init__(
        self,
        policy: Policy,
        exceptions: tuple[ExceptionRule, ...],
        as_of: int | None,
        limits: Limits,
        memory: Memory,
    ) -> None:
        self.policy = policy
        self.exceptions = sorted(exceptions, key=lambda one: one.name.encode())
        self.groups = groups(policy, self.exceptions)
        self.as_of = as_of
        self.limits = limits
        self.memory = memory
        self.conditions = every_condition(policy, self.groups)
        self.universe = universe(self.conditions)
        self._claims: Claims | None = None

    @property
    def claims(self) -> Claims:
        """The claims, and with them the scene; made when the first one has to be judged."""
        if self._claims is None:
            scene = Scene(self.conditions, self.as_of, self.limits.effort, self.limits.total)
            outcomes = Outcomes(scene, self.groups, self.policy.settings.default_status)
            self._claims = Claims(self.policy, self.groups, outcomes)
        return self._claims

    def proofs(self) -> Proofs:
        """Everything, from memory where it can be."""
        keys = Keys(self.policy, self.groups, (self.as_of, self.limits.effort))
        named = [keys.other("exception", one) for one in self.exceptions]
        named += [keys.rules[rule.name] for rule in self.policy.rules]
        named += [keys.other("invariant", one) for one in self.policy.invariants]
        recalled = [self._decided(self.memory.recall(key, self.universe)) for key in named]
        if None in recalled:
            # all formulas first: the graph does not grow once something was asked
            asked = [None if done is not None else list(self._questions(at)) for at, done in enumerate(recalled)]
            judge = Judge(self.claims)
            for at, questions in enumerate(asked):
                if questions is not None:
                    done = (*self._expiry(at), *judge.verdicts(questions))
                    if not judge.is_spent:  # what was not asked can be, another time
                        self.memory.keep(named[at], self.universe, done)
                    recalled[at] = done
        return Proofs(
            tuple(verdict for verdicts in recalled for verdict in verdicts or ()),
            tuple(self._inclusions()) if self.limits.inclusions else (),
        )

    def _decided(self, recalled: tuple[Verdict, ...] | None) -> tuple[Verdict, ...] | None:
        """With what the whole policy decides for the examples: rules that a claim does not depend on have a say too."""
        if recalled is None or all(verdict.example is None for verdict in recalled):
            return recalled
        return tuple(self._with_outcome(verdict) for verdict in recalled)

    def _with_outcome(self, verdict: Verdict) -> Verdict:
        if verdict.example is None:
            return verdict
        decided = decide(self.groups, self.policy.settings.default_status, verdict.example.facts())
        example = structs.replace(verdict.example, status=decided.status, severity=decided.severity)
        return structs.replace(verdict, example=example)

    def _questions(self, at: int) -> Iterator[Question]:
        """The claims about the subject with a number: exceptions, then rules, then invariants."""
        before = len(self.exceptions)
        if at < before:
            if not self._is_expired(self.exceptions[at]):
                yield from self.claims.exception(self.claims.units[at])
        elif at - before < len(self.policy.rules):
            yield from self.claims.rule(self.policy.rules[at - before])
        else:
            yield self.claims.invariant(self.policy.invariants[at - before - len(self.policy.rules)])

    def _is_expired(self, one: ExceptionRule) -> bool:
        return self.as_of is not None and one.expires is not None and one.expires <= self.as_of

    def _expiry(self, at: int) -> Iterator[Verdict]:
        """An exception's end needs no solver."""
        if at < len(self.exceptions) and self.as_of is not None and self.exceptions[at].expires is not None:
            one = self.exceptions[at]
            yield Verdict("expired", one.name, "proved" if self._is_expired(one) else "refuted", "exception")

    def _inclusions(self) -> Iterator[Inclusion]:
        rules, known = self.policy.rules, self.memory.inclusions
        keys = [digest(self.as_of, self.limits.effort, rule.when) for rule in rules]
        missing: dict[int, dict[str, Rule]] = {}
        for at, mine in enumerate(keys):
            for to, other in enumerate(keys):
                if at != to and (mine, other) not in known:
                    missing.setdefault(at, {})[other] = rules[to]
        for at, others in missing.items():
            for key, held in included(self.claims.outcomes.scene, rules[at], others).items():
                known[keys[at], key] = held
        for at, mine in enumerate(keys):
            holding = [to for to, other in enumerate(keys) if at != to and known[mine, other]]
            if holding and not self._is_never(rules[at], mine):
                yield from (Inclusion(rules[at].name, rules[to].name) for to in holding)
        if self._claims is not None and self._claims.outcomes.scene.solver.is_spent:
            for pair in [pair for pair, held in known.items() if held is None]:
                del known[pair]  # what was not asked can be, another time

    def _is_never(self, rule: Rule, key: str) -> bool:
        never = (key, "")
        if never not in self.memory.inclusions:
            scene = self.claims.outcomes.scene
            can = scene.can(scene.pair(rule.when).true)
            if can is None:
                return True  # nobody knows, and nothing is said
            self.memory.inclusions[never] = not can
        return self.memory.inclusions[never] is True


def every_condition(policy: Policy, found: Sequence[Group]) -> list[Condition]:
    """All that is asked by a policy, by its groups, and by the claims about it."""
    conditions: list[Condition] = [EXPLOITED]
    conditions += [rule.when for rule in policy.rules]
    conditions += [group.condition for group in found]
    conditions += [condition for one in policy.invariants for condition in (one.given, one.then)]
    return conditions
