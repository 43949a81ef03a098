"""Stella: a software release, cut, signed and carried across an air gap, then verified and run on the other side."""

__version__ = "0.1.0"
