"""The row of the operation table about examinations."""

from __future__ import annotations

from stella.kernel.errors import Exit
from stella.operations import Context, operation
from stella.policy.examination import views
from stella.policy.examination.model import ExaminePolicy, PolicyExamined
from stella.policy.lifecycle_operations import told
from stella.policy.promotion_operations import SIMULATIONS


@operation(
    "policy.examine",
    "POST /v1/policy/policies/{policy}/examinations",
    scope="policy:operate",
    view=views.examined,
    example="stella policy examine P-7 --version 3 --fixtures prod.fixtures.toml\n"
    "stella policy examine P-7 --version 3 --inventory I/SNAPSHOT --limits limits.toml",
    long=True,
    verdict=lambda result: Exit.OK if all(one.verdict == "passed" for one in result.evidence) else Exit.NEGATIVE,
    tells=told,
    lane=SIMULATIONS,
)
def examine(ctx: Context, want: ExaminePolicy) -> PolicyExamined:
    """Examine a version, and record what was found as evidence for the gate.

    With `--fixtures` lint, fixtures and coverage. With `--inventory` a run in shadow and a simulation against the
    version that decides today, counted twice by different means. With `--attestation` its signature, by the keys that
    this installation trusts. Exit code 6 when something is bad, which is recorded too.
    """
    from stella.policy.examination import examining

    return examining.examine(ctx, want)
