"""The rows of the operation table about policies."""

from __future__ import annotations
