"""The row of the operation table about all checks of policies at once."""

from __future__ import annotations

from stella.kernel.errors import Exit
from stella.operations import Context, operation
from stella.policy.pipeline import views
from stella.policy.pipeline.model import CheckPolicies, PoliciesChecked
from stella.policy.promotion_operations import SIMULATIONS


def admit(ctx: Context, want: CheckPolicies) -> None:
    """Let nothing wait whose snapshot cannot be used; raises InputsUnfrozen, or as `snapshot.require_fresh`."""
    from stella.policy import inputs

    if want.inventory is not None:
        inputs.snapshot_of(ctx, want.inventory, want.max_age)


@operation(
    "policy.ci",
    "POST /v1/policy/checks",
    scope="policy:simulate",
    view=views.checked,
    example="stella policy ci policies/ --min-coverage 100 --report sarif=policy.sarif --report junit=policy.xml\n"
    "stella policy ci p.stella --from active --record P-7@3 --inventory I/SNAPSHOT\n"
    "stella policy ci policies/ --from base/policies --inventory I/SNAPSHOT --limits limits.toml"
    " --report markdown=comment.md",
    long=True,
    lane=SIMULATIONS,
    admit=admit,
    verdict=lambda result: Exit.NEGATIVE if result.reason else Exit.OK,
)
def ci(ctx: Context, want: CheckPolicies) -> PoliciesChecked:
    """Lint, prove, test, simulate and verify policies in one go, as a pipeline does.

    Fixtures are those beside each policy. With `--inventory` each policy is held against the one of today; with
    `--trust` or `--key` its signature is verified. With `--record` what is found becomes evidence about a stored
    version. One report says it all. Exit code 6 when a step fails; the reason is that of the first.
    """
    from stella.policy.pipeline import ci as steps

    return steps.ci(ctx, want)
