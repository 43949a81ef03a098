"""The operations of `lint` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from stella.client.remote import Caller
from stella.lint.model import LintTenancy, TenancyLinted


class LintCalls:
    """The operations of `lint` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def tenancy(
        self, *, paths: tuple[str, ...], room: str = "runtime", squawk: bool = True, report: tuple[str, ...] = ()
    ) -> TenancyLinted:
        """Find what could let one tenant see another, in Python and SQL, before it runs."""
        return self._call(
            "lint.tenancy", LintTenancy(paths=paths, room=room, squawk=squawk, report=report), TenancyLinted
        )
