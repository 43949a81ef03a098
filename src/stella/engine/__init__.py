"""A policy asked about a whole fleet at once: its plan of bit masks, and the ways to evaluate it."""
