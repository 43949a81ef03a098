"""A stored version is examined, and what is found is its evidence for the gate."""
