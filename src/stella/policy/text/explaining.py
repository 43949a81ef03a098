"""One finding of a snapshot is explained: its values, and what a policy makes of them."""

from __future__ import annotations

from collections.abc import Mapping

from stella.engine.facts import facts
from stella.inventory import snapshot as snapshots
from stella.inventory.loading import load_star
from stella.kernel.instant import format_time
from stella.kernel.nearest import did_you_mean
from stella.language import explain as language
from stella.language.groups import groups
from stella.language.interpret import Value, decide
from stella.language.ir import digest
from stella.operations import Context
from stella.policy.text.compiling import compiled_file
from stella.policy.text.evaluation import read_exceptions
from stella.policy.trial.errors import NoSuchFinding, NoSuchRule
from stella.policy.trial.model import ExplainFinding, PolicyExplained


def explain(ctx: Context, want: ExplainFinding) -> PolicyExplained:
    """Explain; raises BrokenSource, NoSuchFinding, NoSuchRule, the errors of snapshots, or what reading raises."""
    del ctx
    _, policy = compiled_file(want.policy)
    found = groups(policy, read_exceptions(want.exceptions))
    known = dict.fromkeys(group.rule for group in found)
    for rule in want.rule:
        if rule not in known:
            raise NoSuchRule(rule=rule, policy=want.policy, guess=did_you_mean(rule, known, "see the policy"))
    folder = snapshots.find(want.inventory)
    head, star = snapshots.read(folder), load_star(folder)
    if not 0 <= want.finding < star.findings:
        raise NoSuchFinding(finding=want.finding, count=star.findings)
    told = facts(star, want.finding, head.core.as_of)
    decision = decide(found, policy.settings.default_status, told)
    return PolicyExplained(
        policy=policy.policy_id,
        digest=digest(policy),
        snapshot=head.digest,
        as_of=format_time(head.core.as_of),
        finding=want.finding,
        values=_shown(told.values),
        statements=tuple(map(_shown, told.statements)),
        explanation=language.explain(found, decision, told, want.rule),
    )


def _shown(values: Mapping[str, Value]) -> dict[str, str]:
    return {name: language.shown(name, value) for name, value in sorted(values.items())}
