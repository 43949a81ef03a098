"""The language server of policies."""
