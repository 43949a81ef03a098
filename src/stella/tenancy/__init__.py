"""Who acts, and for which tenant: access tokens, their keys, their binding and their revocation."""
