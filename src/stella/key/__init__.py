"""Keys that sign statements: made, rotated, revoked, and used; and identities that sign without a key of their own."""
