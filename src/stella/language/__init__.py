"""The policy language `stella-dsl@1`: from text to a checked, canonical policy, and what such a policy means."""
