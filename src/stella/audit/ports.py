"""What the audit log needs of the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Transaction(Protocol):
    """An open transaction of one tenant. Statements are those of `queries.sql`; the value `tenant` is added to each."""

    def all(self, package: str, name: str, **values: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401  # parameters of any type
        """The rows of a statement."""
        ...

    def one(self, package: str, name: str, **values: Any) -> tuple[Any, ...] | None:  # noqa: ANN401  # as all
        """The first row of a statement, or None."""
        ...

    def run(self, package: str, name: str, **values: Any) -> int:  # noqa: ANN401  # as all
        """How many rows a statement changed."""
        ...

    def many(self, package: str, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Send a statement for each row."""
        ...


class Waiting(Protocol):
    """What the sealer sees: it works for every tenant, one after the other."""

    def tenants(self) -> Sequence[str]:
        """Tenants that have events without a place in their chain; see the statement `list_waiting_tenants`."""
        ...

    def forgotten(self) -> int:
        """Let events wait that neither have a place nor wait for one; how many. See the statement `find_forgotten`."""
        ...

    def transaction(self, tenant: str) -> AbstractContextManager[Transaction]:
        """A transaction for one of them."""
        ...
