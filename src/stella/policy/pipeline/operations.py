"""The row of the operation table about all checks of policies at once."""

from __future__ import annotations

from stella.kernel.errors import Exit
from stella.operations import Context, operation
from stella.policy.pipeline import views
from stella.policy.pipeline.model import CheckPolicies, PoliciesChecked


@operation(
    "policy.ci",
    "POST /v1/policy/checks",
    scope="policy:simulate",
    view=views.checked,
    example="stella policy ci policies/ --min-coverage 100 --report sarif=policy.sarif --report junit=policy.xml\n"
    "stella policy ci policies/ --from base/policies --inventory I/SNAPSHOT --limits limits.toml"
    " --report markdown=comment.md",
    long=True,
    verdict=lambda result: Exit.NEGATIVE if result.reason else Exit.OK,
)
def ci(ctx: Context, want: CheckPolicies) -> PoliciesChecked:
    """Lint, prove, test, simulate and verify policies in one go, as a pipeline does.

    Fixtures are those beside each policy. With `--inventory` each policy is held against the one of today; with
    `--trust` or `--key` its signature is verified. One report says it all. Exit code 6 when a step fails; the reason is
    that of the first.
    """
    from stella.policy.pipeline import ci as steps

    return steps.ci(ctx, want)
