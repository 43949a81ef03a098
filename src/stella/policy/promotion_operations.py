"""The rows of the operation table about promotion: inputs, runs, the gate, canaries, and the way back."""

from __future__ import annotations

from stella.kernel.errors import Exit
from stella.operations import Context, Lane, operation
from stella.policy import views
from stella.policy.errors import QueueFull
from stella.policy.lifecycle_operations import WHY, told
from stella.policy.model import (
    ActivatePolicy,
    AskGate,
    Decided,
    GateAsked,
    ObservePolicy,
    PolicyActivated,
    PolicyObserved,
    PolicyPromoted,
    PolicyRolledBack,
    PromotePolicy,
    RollbackPolicy,
)
from stella.policy.run_model import FreezeInputs, InputsFrozen, NameRun, PolicyRan, RunPolicy, RunShown

SIMULATIONS = Lane("simulation", 10, 100, lambda waiting: QueueFull(waiting=waiting))  # simulations and runs together


def negative(result: Decided) -> Exit:
    """What is not allowed is a negative verdict."""
    return Exit.OK if result.decision == "allow" else Exit.NEGATIVE


def rolled_back(result: PolicyObserved) -> Exit:
    """A canary that ended is one too."""
    return Exit.NEGATIVE if result.rolled_back else Exit.OK


def admit(ctx: Context, want: RunPolicy) -> None:
    """Let nothing wait whose inputs cannot be used; raises InputsUnfrozen or InputsStale."""
    from stella.policy import inputs

    inputs.admit(ctx, want)


@operation(
    "policy.freeze",
    "POST /v1/policy/inputs",
    scope="policy:operate",
    view=views.inputs,
    example="stella policy freeze --inventory SHA256",
    idempotent=True,
    creates=True,
    tells=told,
)
def freeze(ctx: Context, want: FreezeInputs) -> InputsFrozen:
    """Freeze the inputs of runs and simulations, by the digests of their parts.

    They can be used for 24 hours.
    """
    from stella.policy import inputs

    return inputs.freeze(ctx, want)


@operation(
    "policy.run",
    "POST /v1/policy/runs",
    scope="policy:run",
    view=views.run,
    example="stella policy run P-7 --version 3 --inputs SHA256 --snapshot SHA256",
    idempotent=True,
    long=True,
    creates=True,
    tells=told,
    lane=SIMULATIONS,
    admit=admit,
)
def run(ctx: Context, want: RunPolicy) -> PolicyRan:
    """Judge the findings of a stored snapshot, over frozen inputs.

    The decisions are an object of the kind `policy-decisions`.
    """
    from stella.policy import running

    return running.run(ctx, want)


@operation(
    "policy.run-status",
    "GET /v1/policy/runs/{run}",
    scope="policy:read",
    view=views.run,
    example="stella policy run-status RUN",
)
def run_status(ctx: Context, want: NameRun) -> RunShown:
    """Show a run."""
    from stella.policy import running

    return running.show(ctx, want)


@operation(
    "policy.gate",
    "POST /v1/policy/gate",
    scope="policy:run",
    view=views.gate,
    example="stella policy gate --tenantId acme --promotionId R-1 --targetEnvironment prod"
    " --artifactDigest SHA256 --evidenceRef SHA256 --policyBundleDigest SHA256",
    idempotent=True,
    verdict=negative,
)
def gate(ctx: Context, want: AskGate) -> GateAsked:
    """Ask whether an artifact may go on to an environment under a policy; what cannot be shown is not allowed."""
    from stella.policy import evidence

    return evidence.gate(ctx, want)


@operation(
    "policy.promote",
    "POST /v1/policy/policies/{policy}/promotions",
    scope="policy:promote",
    view=views.placed,
    example=f"stella policy promote P-7 --version 3 --env prod --canary 5 {WHY}",
    tells=told,
)
def promote(ctx: Context, want: PromotePolicy) -> PolicyPromoted:
    """Let a published version decide in an environment, for all assets or for a share of them.

    The gate must allow it. With a share it is a canary, which is compared with what was foretold for its assets.
    """
    from stella.policy import promotion

    return promotion.promote(ctx, want)


@operation(
    "policy.activate",
    "POST /v1/policy/policies/{policy}/activations",
    scope="policy:activate",
    view=views.placed,
    example=f"stella policy activate P-7 --version 3 --env prod {WHY}",
    tells=told,
)
def activate(ctx: Context, want: ActivatePolicy) -> PolicyActivated:
    """Publish an approved version and let it decide in an environment, in one step; the gate must allow it."""
    from stella.policy import promotion

    return promotion.activate(ctx, want)


@operation(
    "policy.observe",
    "POST /v1/policy/policies/{policy}/observations",
    scope="policy:operate",
    view=views.observed,
    example='stella policy observe P-7 --env prod --transition "default>kev=12"',
    verdict=rolled_back,
    tells=told,
)
def observe(ctx: Context, want: ObservePolicy) -> PolicyObserved:
    """Say what a canary has done; it is rolled back when that is not what was foretold, or a limit is exceeded."""
    from stella.policy import promotion

    return promotion.observe(ctx, want)


@operation(
    "policy.rollback",
    "POST /v1/policy/policies/{policy}/rollbacks",
    scope="policy:promote",
    view=views.version,
    example=f"stella policy rollback P-7 --to 2 --env prod --incident INC-4 {WHY}",
    tells=told,
)
def rollback(ctx: Context, want: RollbackPolicy) -> PolicyRolledBack:
    """Let a version decide again that did before."""
    from stella.policy import promotion

    return promotion.rollback(ctx, want)
