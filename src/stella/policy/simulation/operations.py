"""The row of the operation table about simulations."""

from __future__ import annotations

from stella.kernel.errors import Exit
from stella.operations import Context, operation
from stella.policy.simulation import views
from stella.policy.simulation.model import PolicySimulated, SimulatePolicy


@operation(
    "policy.simulate",
    "POST /v1/policy/simulations",
    scope="policy:simulate",
    view=views.simulated,
    example="stella policy simulate --from old.stella --to new.stella --inventory I/SNAPSHOT --limits limits.toml\n"
    "stella policy simulate --to new.stella --inventory I/SNAPSHOT --report markdown=comment.md",
    long=True,
    verdict=lambda result: Exit.NEGATIVE if result.reason else Exit.OK,
)
def simulate(ctx: Context, want: SimulatePolicy) -> PolicySimulated:
    """Show what a policy would change for every finding of a snapshot, and hold it against limits.

    Nothing is sampled: the counts are those of all findings, by status, severity, rule, environment and asset. Without
    `--limits` the one limit is that nothing is unblocked that is known to be exploited. Exit code 6 when a limit is
    exceeded.
    """
    from stella.policy.simulation import simulating as simulation

    return simulation.simulate(ctx, want)
