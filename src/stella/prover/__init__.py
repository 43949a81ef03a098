"""Proofs about policies: what holds of every finding there could be, or one finding of which it does not."""
