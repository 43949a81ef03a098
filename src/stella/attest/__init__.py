"""Attestations: signed statements about what was examined, verified without a network."""
