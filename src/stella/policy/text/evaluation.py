"""One finding is evaluated by the reference interpreter, and explained."""

from __future__ import annotations

from pathlib import Path

from stella.kernel.instant import format_time, parse_time
from stella.language.exceptions import MAX_SOURCE as MAX_EXCEPTIONS
from stella.language.exceptions import exceptions
from stella.language.explain import explain
from stella.language.groups import groups
from stella.language.interpret import decide
from stella.language.ir import digest
from stella.language.model import ExceptionRule
from stella.operations import Context
from stella.policy.text.compiling import compiled_file
from stella.policy.text.errors import BrokenSource
from stella.policy.trial.fixtures import MAX_SOURCE, read_finding
from stella.policy.trial.model import EvalPolicy, PolicyEvaluated
from stella.runtime.files import read_file


def evaluate(ctx: Context, want: EvalPolicy) -> PolicyEvaluated:
    """Evaluate; raises BrokenSource, BadTime, the errors of fixtures, or what reading raises."""
    _, policy = compiled_file(want.file)
    facts, dated = read_finding(read_file(Path(want.finding), MAX_SOURCE), want.finding)
    if want.as_of is not None:
        facts = facts._replace(as_of=parse_time(want.as_of))
    elif not dated:
        facts = facts._replace(as_of=ctx.clock.read().wall)
    found = groups(policy, read_exceptions(want.exceptions))
    decision = decide(found, policy.settings.default_status, facts)
    return PolicyEvaluated(
        policy=policy.policy_id,
        digest=digest(policy),
        as_of=format_time(facts.as_of),
        explanation=explain(found, decision, facts),
    )


def read_exceptions(path: str | None) -> tuple[ExceptionRule, ...]:
    """The exceptions of a file; none without one. Raises BrokenSource, or what reading raises."""
    if path is None:
        return ()
    read = exceptions(read_file(Path(path), MAX_EXCEPTIONS))
    wrong = [one for one in read.diagnostics if one.level == "error"]
    if wrong:
        raise BrokenSource(path=path, problem=f"{wrong[0].message} [{wrong[0].code}]")
    return read.rules
