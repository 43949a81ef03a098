"""The audit log: who did what to what, chained per tenant, signed, and verified without a network."""
