"""The commands about the text of policies: lint, layout, compilation, proofs, one finding at a time."""
