"""The rows of the operation table about versions: made, shown, and moved along their life."""

from __future__ import annotations

from typing import Any

from stella.operations import Context, declare_scopes, operation
from stella.policy import views
from stella.policy.model import (
    BumpPolicy,
    CreatePolicy,
    DecidePolicy,
    DiffPolicy,
    HistoryListed,
    ListHistory,
    ListPolicies,
    PoliciesListed,
    PolicyApproved,
    PolicyArchived,
    PolicyBumped,
    PolicyCreated,
    PolicyDiffed,
    PolicyPublished,
    PolicyReviewed,
    PolicyShown,
    PolicySubmitted,
    ReviewPolicy,
    ShowPolicy,
    SubmitPolicy,
)

WHY = '--reason "closes the gap" --ticket SEC-7'

declare_scopes("policy:simulate", "findings:read", "effective:write")


def told(_: Context, __: Any) -> bool:  # noqa: ANN401  # a request of any kind
    """Each of these writes its event in the transaction of its change."""
    return True


@operation(
    "policy.create",
    "POST /v1/policy/policies",
    scope="policy:author",
    view=views.version,
    example="stella policy create P-7 --template baseline\nstella policy create P-8 --from P-7@3",
    creates=True,
    tells=told,
)
def create(ctx: Context, want: CreatePolicy) -> PolicyCreated:
    """Make a policy; its first version is a draft.

    It begins with a file, a template or a version that there is. What does not compile is not stored.
    """
    from stella.policy import versions

    return versions.create(ctx, want)


@operation(
    "policy.list",
    "GET /v1/policy/policies",
    scope="policy:read",
    view=views.policies,
    example="stella policy list",
)
def list_(ctx: Context, want: ListPolicies) -> PoliciesListed:
    """List the policies of the tenant."""
    from stella.policy import versions

    return versions.list_(ctx, want)


@operation(
    "policy.show",
    "GET /v1/policy/policies/{policy}",
    scope="policy:read",
    view=views.shown,
    example="stella policy show P-7 --version 3",
)
def show(ctx: Context, want: ShowPolicy) -> PolicyShown:
    """Show a version: where it stands, what can be done with it, and what is known of it."""
    from stella.policy import versions

    return versions.show(ctx, want)


@operation(
    "policy.diff",
    "GET /v1/policy/policies/{policy}/differences",
    scope="policy:read",
    view=views.diff,
    example="stella policy diff P-7 --old 2 --new 3",
)
def diff(ctx: Context, want: DiffPolicy) -> PolicyDiffed:
    """Show which rules were added, changed and removed between two versions."""
    from stella.policy import versions

    return versions.diff(ctx, want)


@operation(
    "policy.bump",
    "POST /v1/policy/policies/{policy}/versions",
    scope="policy:author",
    view=views.version,
    example="stella policy bump P-7 kev.stella --level minor",
    creates=True,
    tells=told,
)
def bump(ctx: Context, want: BumpPolicy) -> PolicyBumped:
    """Add a version to a policy, as a draft."""
    from stella.policy import versions

    return versions.bump(ctx, want)


@operation(
    "policy.submit",
    "POST /v1/policy/policies/{policy}/submissions",
    scope="policy:author",
    view=views.version,
    example="stella policy submit P-7 --version 3",
    tells=told,
)
def submit(ctx: Context, want: SubmitPolicy) -> PolicySubmitted:
    """Ask others to look at a draft.

    Lint must be clean and fixtures must pass, and its settings or `--shadow` must ask for a run in shadow first.
    """
    from stella.policy import lifecycle

    return lifecycle.submit(ctx, want)


@operation(
    "policy.review",
    "POST /v1/policy/policies/{policy}/reviews",
    scope="policy:review",
    view=views.version,
    example='stella policy review P-7 --version 3 --reason "the second rule is too wide"',
    tells=told,
)
def review(ctx: Context, want: ReviewPolicy) -> PolicyReviewed:
    """Send a version back to its author, with what is to be changed."""
    from stella.policy import lifecycle

    return lifecycle.review(ctx, want)


@operation(
    "policy.approve",
    "POST /v1/policy/policies/{policy}/approvals",
    scope="policy:approve",
    view=views.version,
    example=f"stella policy approve P-7 --version 3 {WHY}",
    tells=told,
)
def approve(ctx: Context, want: DecidePolicy) -> PolicyApproved:
    """Say that a version is good.

    Whoever has written or submitted it cannot. It takes a login of the last 15 minutes.
    """
    from stella.policy import lifecycle

    return lifecycle.approve(ctx, want)


@operation(
    "policy.publish",
    "POST /v1/policy/policies/{policy}/publications",
    scope="policy:publish",
    view=views.version,
    example=f"stella policy publish P-7 --version 3 {WHY}",
    tells=told,
)
def publish(ctx: Context, want: DecidePolicy) -> PolicyPublished:
    """Let an approved version be promoted; its signature must have been verified."""
    from stella.policy import lifecycle

    return lifecycle.publish(ctx, want)


@operation(
    "policy.archive",
    "POST /v1/policy/policies/{policy}/archive",
    scope="policy:archive",
    view=views.version,
    example=f"stella policy archive P-7 --version 2 {WHY}",
    tells=told,
)
def archive(ctx: Context, want: DecidePolicy) -> PolicyArchived:
    """Let a version decide nowhere any more.

    Where it decided alone, nothing of that policy decides then.
    """
    from stella.policy import lifecycle

    return lifecycle.archive(ctx, want)


@operation(
    "policy.history",
    "GET /v1/policy/policies/{policy}/history",
    scope="policy:audit",
    view=views.history,
    example="stella policy history P-7",
)
def history(ctx: Context, want: ListHistory) -> HistoryListed:
    """List what happened to the versions of a policy: who did what, and why."""
    from stella.policy import lifecycle

    return lifecycle.history(ctx, want)
