"""Fixtures beside policies, and what they would notice."""
