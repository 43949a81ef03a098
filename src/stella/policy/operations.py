"""The rows of the operation table about policies, each part in a module of its own."""

from __future__ import annotations

from stella.policy import simulation_operations, text_operations, trial_operations

__all__ = ["simulation_operations", "text_operations", "trial_operations"]
