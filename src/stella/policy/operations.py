"""The rows of the operation table about policies, in the order of a reader's work."""

from __future__ import annotations

from stella.policy import exception_operations, lifecycle_operations, promotion_operations

__all__ = ["exception_operations", "lifecycle_operations", "promotion_operations"]
