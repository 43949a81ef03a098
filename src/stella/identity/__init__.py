"""The embedded identity: tenants, their principals and clients, and the issuer of their access tokens."""
