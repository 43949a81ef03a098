"""The rows of the operation table about policies, each beside what it is about."""

from __future__ import annotations

import stella.policy.signing_operations  # noqa: F401  # it registers its rows
