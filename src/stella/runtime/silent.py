"""The Progress port that says nothing."""

from __future__ import annotations


class Silent:
    """Ignores every word."""

    def start(self, task: str, total: int | None, unit: str) -> None:
        """Ignore."""

    def advance(self, amount: int) -> None:
        """Ignore."""
