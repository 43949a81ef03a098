"""The claims of an access token (RFC 9068), each of its one type and within its bounds.

Rules:
- Times are integers: no text, fraction, truth value or null. A life is bounded before anything is computed with it.
- One issuer, one audience, one tenant; the tenant comes from `tid` alone.
- Ids are printable and short, because they go into logs and tables.
- Scopes are those of `scope` and `scp` together. The scope that stands for all is not for a token to carry.
"""

from __future__ import annotations

import re

import msgspec

from stella.kernel.instant import Instant
from stella.kernel.tenant import is_tenant
from stella.tenancy.errors import (
    TokenAudience,
    TokenExpired,
    TokenMalformed,
    TokenNotYet,
    TokenTenantMismatch,
    Whose,
)
from stella.tenancy.model import SKEW, Confirmation, Issuer, Verified

MAX_ID = 255  # characters of a subject, client or token id
MAX_SCOPES = 256  # the reference set has more than ninety

_SCOPES = re.compile(r"[ !#-\[\]-~]*\Z", re.ASCII)  # RFC 6749 section 3.3: no quote, no backslash
_PATH = re.compile(r"`\$\.([a-z_]+)")
_MISSING = re.compile(r"missing required field `([a-z_]+)`")
_NO_SCOPES = frozenset({"", "*"})  # what lies between two spaces, and what would stand for every scope


class Actor(msgspec.Struct, frozen=True):
    """Who acts for the subject (RFC 8693 section 4.1)."""

    sub: str


class Claims(msgspec.Struct, frozen=True):
    """Claims as they are spelled in a token. Decoding them is the check of their types."""

    iss: str
    sub: str
    aud: str | tuple[str, ...]
    exp: int
    iat: int
    jti: str
    tid: str
    nbf: int = 0
    client_id: str = ""
    scope: str = ""
    scp: str | tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    inst: str = ""
    auth_time: int = 0
    act: Actor | msgspec.UnsetType = msgspec.UNSET
    cnf: Confirmation | msgspec.UnsetType = msgspec.UNSET


_decoder = msgspec.json.Decoder(Claims)


def read(payload: bytes) -> Claims:
    """The claims of a payload, types checked and nothing else; raises TokenMalformed."""
    try:
        return _decoder.decode(payload.decode())  # as bytes it does not look at what it skips
    except msgspec.ValidationError as error:
        raise TokenMalformed(problem=f"its claim `{_named(str(error))}` is missing or of a wrong type") from None
    except (ValueError, RecursionError):  # msgspec's and UTF-8's errors are ValueErrors
        raise TokenMalformed(problem="its claims are not JSON") from None


def _named(message: str) -> str:
    """Which of our claims a message of msgspec is about. What else it quotes may be the token's own words."""
    found = _PATH.search(message) or _MISSING.search(message)
    return found[1] if found and found[1] in Claims.__struct_fields__ else "?"


def check(claims: Claims, issuer: Issuer, audience: str, now: Instant) -> Verified:
    """What claims say at that time, by that issuer and for that audience; raises one of the closed set."""
    _check_audience(claims, audience)
    _check_times(claims, issuer, now)
    _check_words(claims)
    if issuer.tenants is not None and claims.tid not in issuer.tenants:
        raise TokenTenantMismatch(asked="those of its issuer")
    return Verified(
        issuer=claims.iss,
        subject=claims.sub,
        tenant=claims.tid,
        scopes=_scopes(claims),
        id=claims.jti,
        issued=claims.iat,
        expires=claims.exp,
        client=claims.client_id,
        installation=claims.inst,
        roles=claims.roles,
        acting=claims.act.sub if isinstance(claims.act, Actor) else "",
        authenticated=claims.auth_time,
        confirmation=_confirmation(claims),
    )


def whose(claims: Claims, issuer: Issuer) -> Whose | None:
    """Whose claims are that were refused; None when the issuer may not say that, or not in this form."""
    if not is_tenant(claims.tid) or (issuer.tenants is not None and claims.tid not in issuer.tenants):
        return None
    return Whose(claims.tid, claims.sub) if 0 < len(claims.sub) <= MAX_ID and claims.sub.isprintable() else None


def _check_audience(claims: Claims, audience: str) -> None:
    named = (claims.aud,) if isinstance(claims.aud, str) else claims.aud
    if named != (audience,):
        raise TokenAudience(audience=audience)


def _check_times(claims: Claims, issuer: Issuer, now: Instant) -> None:
    """Bounds first, so that no number of a thousand digits is ever formatted or stored."""
    if not 0 < claims.exp - claims.iat <= issuer.max_life:
        raise TokenMalformed(problem=f"it lives for more than {issuer.max_life} s, or ends before it begins")
    if now >= claims.exp + SKEW:
        raise TokenExpired
    if claims.iat > now + SKEW or claims.nbf > now + SKEW:
        raise TokenNotYet


def _check_words(claims: Claims) -> None:
    if not is_tenant(claims.tid):
        raise TokenMalformed(problem="its claim `tid` is no tenant id")
    if not claims.sub or not claims.jti:
        raise TokenMalformed(problem="its claim `sub` or `jti` is empty")
    acting = claims.act.sub if isinstance(claims.act, Actor) else ""
    for text in (claims.sub, claims.jti, claims.client_id, claims.inst, acting, *claims.roles):
        if len(text) > MAX_ID or not text.isprintable():
            raise TokenMalformed(problem=f"an id in it is not printable or longer than {MAX_ID} characters")
    if not 0 <= claims.auth_time <= claims.iat + SKEW:
        raise TokenMalformed(problem="its claim `auth_time` is after its issue")


def _scopes(claims: Claims) -> frozenset[str]:
    text = claims.scope
    if claims.scp:
        listed = (claims.scp,) if isinstance(claims.scp, str) else claims.scp
        if listed is claims.scp and any(" " in scope for scope in listed):
            raise TokenMalformed(problem="a listed scope has a space in it")
        text = " ".join((text, *listed))
    if not _SCOPES.match(text):
        raise TokenMalformed(problem="a scope has characters that a scope cannot have")
    found = frozenset(text.split(" ")) - _NO_SCOPES
    if len(found) > MAX_SCOPES:
        raise TokenMalformed(problem=f"it has more than {MAX_SCOPES} scopes")
    return found


def _confirmation(claims: Claims) -> Confirmation | None:
    if not isinstance(claims.cnf, Confirmation):
        return None
    if not claims.cnf.jkt and not claims.cnf.x5t:
        raise TokenMalformed(problem="its claim `cnf` names no key")
    return claims.cnf
