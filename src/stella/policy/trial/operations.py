"""The rows of the operation table about fixtures, and about single findings."""

from __future__ import annotations

from stella.kernel.errors import Exit
from stella.operations import Context, operation
from stella.policy.trial import views
from stella.policy.trial.model import (
    EvalPolicy,
    ExplainFinding,
    PolicyEvaluated,
    PolicyExplained,
    PolicyTested,
    TestPolicy,
)


@operation(
    "policy.test",
    "POST /v1/policy/tests",
    scope="policy:read",
    view=views.tested,
    example="stella policy test policies/\n"
    "stella policy test policies/ --min-coverage 100 --min-score 90 --report junit=fixtures.xml",
    long=True,
    verdict=lambda result: Exit.OK if result.verdict == "passed" else Exit.NEGATIVE,
)
def test(ctx: Context, want: TestPolicy) -> PolicyTested:
    """Run the fixtures beside policies, and measure how much they would notice.

    The fixtures of `NAME.stella` are in `NAME.fixtures.toml` or `.json`. Coverage is the share of terms, the
    alternatives of each condition, that hold of some fixture. The score is the share of mutants, rules with one small
    mistake, that some fixture notices; what a solver proves to mean the same is no mutant. Exit code 6 when a fixture
    fails, a policy has none, or a figure is too low.
    """
    from stella.policy.trial import testing

    return testing.test(ctx, want)


@operation(
    "policy.eval",
    "POST /v1/policy/evaluations",
    scope="policy:read",
    view=views.evaluated,
    example="stella policy eval policies/prod.stella --finding finding.json",
)
def evaluate(ctx: Context, want: EvalPolicy) -> PolicyEvaluated:
    """Show what a policy decides of one finding, and why: each rule that holds or might, clause by clause."""
    from stella.policy.text import evaluation

    return evaluation.evaluate(ctx, want)


@operation(
    "policy.explain",
    "POST /v1/policy/explanations",
    scope="policy:read",
    view=views.explained,
    example="stella policy explain 4711 --policy policies/prod.stella --inventory I/SNAPSHOT",
)
def explain(ctx: Context, want: ExplainFinding) -> PolicyExplained:
    """Show what a policy decides of one finding of a snapshot, and why, with every value that it has.

    Findings have the numbers that a simulation over the same snapshot shows. `--rule` adds rules that do not hold, to
    see which clause keeps them from it.
    """
    from stella.policy.text import explaining

    return explaining.explain(ctx, want)
