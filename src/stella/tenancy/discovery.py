"""Where an issuer says that its key set is (OpenID Connect Discovery 1.0, RFC 8414).

Rules:
- What is found must name exactly the issuer that was asked, so that no document speaks for another one.
- The address of the key set obeys the rules of `fetch`: https or this machine, and nowhere that an answer leads to. It
  is looked for once; it is asked for again when the key set is gone from there.
"""

from __future__ import annotations

import ssl

import msgspec

from stella.tenancy.errors import KeySetUnreachable
from stella.tenancy.fetch import KeyAddress
from stella.tenancy.jwks import Answer

SUFFIX = "/.well-known/openid-configuration"


class _Document(msgspec.Struct):
    issuer: str
    jwks_uri: str


class Discovered:
    """The transport of a key cache for an issuer that is known by its name alone; raises UnusableKeyAddress."""

    def __init__(self, issuer: str, trust: ssl.SSLContext | None = None) -> None:
        self._issuer = issuer
        self._trust = trust
        self._about = KeyAddress(issuer.rstrip("/") + SUFFIX, trust)
        self._keys: KeyAddress | None = None

    def __call__(self, etag: str) -> Answer:
        """As `KeyAddress`; raises KeySetUnreachable or UnusableKeyAddress."""
        if self._keys is None:
            self._keys, etag = KeyAddress(self._found(), self._trust), ""
        try:
            return self._keys(etag)
        except KeySetUnreachable:
            self._keys = None
            raise

    def _found(self) -> str:
        url = self._issuer.rstrip("/") + SUFFIX
        try:
            found = msgspec.json.decode(self._about("").body or b"", type=_Document)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise KeySetUnreachable(url=url, problem="it is no discovery document") from None
        if found.issuer != self._issuer:
            raise KeySetUnreachable(url=url, problem="it is the document of another issuer")
        return found.jwks_uri
