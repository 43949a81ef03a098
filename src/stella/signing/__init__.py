"""Keys, signer policies, proofs of time and TUF metadata: who may say what, and when it was said."""
