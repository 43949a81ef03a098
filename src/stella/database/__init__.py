"""The schemas of the database: what was applied to them, what is pending, and who may apply it."""
