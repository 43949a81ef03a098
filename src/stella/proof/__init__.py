"""The proof that tenants are apart: gate, bypass matrix, non-interference, mutations, as one attestation."""
