"""The operations of `exception` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from stella.client.remote import Caller
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


class ExceptionCalls:
    """The operations of `exception` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def create(
        self,
        *,
        exception: str,
        policy: str,
        when: str,
        status: str,
        justification: str,
        expires: str | None = None,
        permanent: bool = False,
    ) -> ExceptionCreated:
        """Ask for an exception from a policy; somebody else must approve it before it counts."""
        return self._call(
            "exception.create",
            CreateException(
                exception=exception,
                policy=policy,
                when=when,
                status=status,
                justification=justification,
                expires=expires,
                permanent=permanent,
            ),
            ExceptionCreated,
        )

    def list(self, *, policy: str = "", limit: int = 50, cursor: str | None = None) -> ExceptionsListed:
        """List exceptions, those that overlap too."""
        return self._call("exception.list", ListExceptions(policy=policy, limit=limit, cursor=cursor), ExceptionsListed)

    def show(self, *, exception: str) -> ExceptionShown:
        """Show an exception and what happened to it."""
        return self._call("exception.show", NameException(exception=exception), ExceptionShown)

    def approve(self, *, exception: str, reason: str, ticket: str, permanent: bool = False) -> ExceptionApproved:
        """Let an exception count; one that never ends with --permanent alone. Its author cannot."""
        return self._call(
            "exception.approve",
            ApproveException(exception=exception, reason=reason, ticket=ticket, permanent=permanent),
            ExceptionApproved,
        )

    def revoke(self, *, exception: str, reason: str) -> ExceptionRevoked:
        """Let an exception count no more, at once."""
        return self._call("exception.revoke", RevokeException(exception=exception, reason=reason), ExceptionRevoked)
