"""The rows of the operation table about exceptions."""

from __future__ import annotations

from stella.operations import Context, operation
from stella.policy import views
from stella.policy.exception_model import (
    ApproveException,
    CreateException,
    ExceptionApproved,
    ExceptionCreated,
    ExceptionRevoked,
    ExceptionShown,
    ExceptionsListed,
    ListExceptions,
    NameException,
    RevokeException,
)
from stella.policy.lifecycle_operations import told


@operation(
    "exception.create",
    "POST /v1/policy/exceptions",
    scope="policy:author",
    view=views.exception,
    example="stella exception create EX-1 --policy P-7 --when 'asset.id == \"build-3\"' --status deferred"
    ' --justification "replaced in May" --expires 2026-06-01T00:00:00Z',
    creates=True,
    tells=told,
)
def create(ctx: Context, want: CreateException) -> ExceptionCreated:
    """Ask for an exception from a policy; somebody else must approve it before it counts."""
    from stella.policy import exceptions

    return exceptions.create(ctx, want)


@operation(
    "exception.list",
    "GET /v1/policy/exceptions",
    scope="policy:read",
    view=views.exceptions,
    example="stella exception list --policy P-7",
)
def list_(ctx: Context, want: ListExceptions) -> ExceptionsListed:
    """List exceptions, those that overlap too."""
    from stella.policy import exceptions

    return exceptions.list_(ctx, want)


@operation(
    "exception.show",
    "GET /v1/policy/exceptions/{exception}",
    scope="policy:read",
    view=views.exception,
    example="stella exception show EX-1",
)
def show(ctx: Context, want: NameException) -> ExceptionShown:
    """Show an exception and what happened to it."""
    from stella.policy import exceptions

    return exceptions.show(ctx, want)


@operation(
    "exception.approve",
    "POST /v1/policy/exceptions/{exception}/approval",
    scope="policy:approve",
    view=views.exception,
    example='stella exception approve EX-1 --reason "agreed with the owner" --ticket SEC-8',
    tells=told,
)
def approve(ctx: Context, want: ApproveException) -> ExceptionApproved:
    """Let an exception count; one that never ends with --permanent alone. Its author cannot."""
    from stella.policy import exceptions

    return exceptions.approve(ctx, want)


@operation(
    "exception.revoke",
    "POST /v1/policy/exceptions/{exception}/revocation",
    scope="policy:review",
    view=views.exception,
    example='stella exception revoke EX-1 --reason "the host is gone"',
    tells=told,
)
def revoke(ctx: Context, want: RevokeException) -> ExceptionRevoked:
    """Let an exception count no more, at once."""
    from stella.policy import exceptions

    return exceptions.revoke(ctx, want)
