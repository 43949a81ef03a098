"""Signed policies."""
