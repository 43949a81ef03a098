"""Where an issuer says that its key set is (OpenID Connect Discovery 1.0, RFC 8414).

Rules:
- What is found must name exactly the issuer that was asked, so that no document speaks for another one.
- The address of the key set obeys the rules of `fetch`: https or this machine, and nowhere that an answer leads to. One
  on this machine without TLS is for an issuer on this machine alone: no other chooses what is asked for here.
- It is looked for once, and again when the key set is gone from there or some downloads later: a provider that moves
  may leave something at the old address. The old one stays in use when the document cannot be read then.
"""

from __future__ import annotations

import contextlib
import ssl

import msgspec

from stella.tenancy.errors import KeySetUnreachable, UnusableKeyAddress
from stella.tenancy.fetch import KeyAddress
from stella.tenancy.jwks import Answer

SUFFIX = "/.well-known/openid-configuration"
AGAIN = 12  # downloads for one reading of the document: an hour at the usual age of a set


_KNOWN = (KeySetUnreachable, UnusableKeyAddress)  # what does not matter where an address is known


class _Document(msgspec.Struct):
    issuer: str
    jwks_uri: str


class Discovered:
    """The transport of a key cache for an issuer that is known by its name alone; raises UnusableKeyAddress."""

    def __init__(self, issuer: str, trust: ssl.SSLContext | None = None) -> None:
        self._issuer = issuer
        self._trust = trust
        self._about = KeyAddress(issuer.rstrip("/") + SUFFIX, trust)
        self._url = ""  # of the key set; empty when it is not known
        self._left = 0

    def __call__(self, etag: str) -> Answer:
        """As `KeyAddress`; raises KeySetUnreachable or UnusableKeyAddress."""
        known = self._url
        if not known or self._left <= 0:
            with contextlib.suppress(*(_KNOWN if known else ())):
                self._url = self._found()
            self._left = AGAIN
        self._left -= 1
        try:
            return KeyAddress(self._url, self._trust)(etag if self._url == known else "")
        except KeySetUnreachable:
            self._url = ""
            raise

    def _found(self) -> str:
        url = self._issuer.rstrip("/") + SUFFIX
        try:
            found = msgspec.json.decode(self._about("").body or b"", type=_Document)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise KeySetUnreachable(url=url, problem="it is no discovery document") from None
        if found.issuer != self._issuer:
            raise KeySetUnreachable(url=url, problem="it is the document of another issuer")
        if self._issuer.startswith("https:") and not found.jwks_uri.startswith("https:"):
            raise KeySetUnreachable(url=url, problem="it names a key set that is not behind https")
        KeyAddress(found.jwks_uri, self._trust)  # raises when it cannot be used
        return found.jwks_uri
