"""The operations of `issuer` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from stella.client.remote import Caller
from stella.identity.model import KeyRotated, KeysShown, RotateKey, ShowKeys


class IssuerCalls:
    """The operations of `issuer` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def keys(self) -> KeysShown:
        """List the keys that sign access tokens, and those that did."""
        return self._call("issuer.keys", ShowKeys(), KeysShown)

    def rotate_key(self, *, reason: str, ticket: str) -> KeyRotated:
        """Make a new signing key."""
        return self._call("issuer.rotate-key", RotateKey(reason=reason, ticket=ticket), KeyRotated)
