"""The rows of the operation table about policies, each part in a module of its own."""

from __future__ import annotations

from stella.policy import (
    ci_operations,
    exception_operations,
    lifecycle_operations,
    promotion_operations,
    signing_operations,
    simulation_operations,
    text_operations,
    trial_operations,
)

__all__ = [
    "ci_operations",
    "exception_operations",
    "lifecycle_operations",
    "promotion_operations",
    "signing_operations",
    "simulation_operations",
    "text_operations",
    "trial_operations",
]
