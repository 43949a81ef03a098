"""Results that are kept: in the store of objects of the tenant, by their digest.

Rules:
- A result is kept as it is shown, but for the reports that were written and its own digest, which is in the answer.
- Without a database there is no installation to keep anything for: a command on a laptop leaves nothing behind.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

import msgspec

from stella.operations import Context

KIND = "policy-results"


class Kept(Protocol):
    """A result that says where it is kept."""

    @property
    def result(self) -> str: ...


Result = TypeVar("Result", bound=Kept)


def keep(ctx: Context, made: Result) -> Result:
    """Keep a result where there is an installation; the same with its digest."""
    if ctx.database is None:
        return made
    return msgspec.structs.replace(made, result=put(ctx, made))  # type: ignore[type-var]  # every result is a struct


def put(ctx: Context, made: object) -> str:
    """Keep anything that was found; its digest."""
    return ctx.blobs().put(KIND, msgspec.json.encode(made, order="sorted"))
