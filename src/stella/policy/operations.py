"""The rows of the operation table about policies, each part in a module of its own."""

from __future__ import annotations

from stella.policy import exception_operations, lifecycle_operations, promotion_operations
from stella.policy.examination import operations as examination_operations
from stella.policy.pipeline import operations as ci_operations
from stella.policy.signature import operations as signing_operations
from stella.policy.simulation import operations as simulation_operations
from stella.policy.text import operations as text_operations
from stella.policy.trial import operations as trial_operations

__all__ = [
    "ci_operations",
    "examination_operations",
    "exception_operations",
    "lifecycle_operations",
    "promotion_operations",
    "signing_operations",
    "simulation_operations",
    "text_operations",
    "trial_operations",
]
