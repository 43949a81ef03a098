"""Policies from their text to their promotion: lint, proof, simulation, signatures, and the life of a version."""
