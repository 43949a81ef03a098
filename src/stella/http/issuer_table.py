"""The endpoints of the embedded issuer as a table: routes and document are made from it.

Rules:
- Forms and answers are those of RFC 6749, 7009, 8414 and 8628; a refusal has their words in place of a problem.
- The page for people answers in HTML, whatever it says.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from stella.http.table import Header, Reply, Resource

JWK_SET = "application/jwk-set+json"
HTML = "text/html"
_TEXT = {"type": "string"}


class _Client(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How a client proves itself in a form, if not by HTTP Basic or by its certificate."""

    client_id: str = ""
    client_secret: str = ""
    client_assertion_type: str = ""
    client_assertion: str = ""


class TokenForm(_Client, frozen=True, omit_defaults=True, kw_only=True):
    """What a token is asked for with."""

    grant_type: Literal["client_credentials", "urn:ietf:params:oauth:grant-type:device_code"]
    scope: str = ""
    device_code: str = ""


class DeviceForm(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a login of a person is begun with, by the command line."""

    client_id: Literal["stella-cli"]
    scope: str = ""


class RevokeForm(_Client, frozen=True, omit_defaults=True, kw_only=True):
    """A token that is to count no more, and whose it is."""

    token: str


class TokenGiven(msgspec.Struct, frozen=True):
    """A token."""

    access_token: str
    token_type: Literal["Bearer", "DPoP"]
    expires_in: int
    scope: str


class DeviceGiven(msgspec.Struct, frozen=True):
    """A login that somebody has to approve."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


class Revoked(msgspec.Struct, frozen=True):
    """The token counts no more, or it was none."""


class Refusal(msgspec.Struct, frozen=True):
    """Why there is no token (RFC 6749, section 5.2): a word for machines, and words for people."""

    error: str
    error_description: str


class Metadata(msgspec.Struct, frozen=True):
    """What an issuer says of itself (RFC 8414); there is more in it."""

    issuer: str
    jwks_uri: str
    token_endpoint: str
    device_authorization_endpoint: str
    revocation_endpoint: str
    grant_types_supported: tuple[str, ...]
    scopes_supported: tuple[str, ...]
    token_endpoint_auth_methods_supported: tuple[str, ...]


class KeySet(msgspec.Struct, frozen=True):
    """Public keys, those that sign and those that did (RFC 7517)."""

    keys: tuple[dict[str, Any], ...]


class AskDevice(msgspec.Struct, frozen=True):
    """Query of the page for people."""

    user_code: str | None = None


class ApproveForm(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a person sends from the page."""

    form: str
    user_code: str
    name: str
    secret: str


_REFUSED = (
    Reply(400, "The request is refused.", Refusal),
    Reply(401, "The client has not proved that it is one.", Refusal),
    Reply(413, "The form is too large.", Refusal),
    Reply(429, "Too many attempts.", Refusal),
    Reply(503, "The issuer cannot work now.", Refusal),
)
_PAGE = (
    Reply(400, "The request is refused, and why.", None, HTML),
    Reply(403, "It was not approved, and why.", None, HTML),
    Reply(413, "The form is too large.", None, HTML),
    Reply(429, "Too many attempts.", None, HTML),
    Reply(503, "The issuer cannot work now.", None, HTML),
)
_UNCHANGED = Reply(304, "It has not changed.")
_METADATA = (Reply(200, "The metadata.", Metadata), _UNCHANGED)
_DPOP = (Header("DPoP", "A proof of possession, to bind the token to a key (RFC 9449).", _TEXT),)

ISSUER = (
    Resource(
        "GET", "/.well-known/openid-configuration", "oauth.discovery", "", "Say where the endpoints are.", _METADATA
    ),
    Resource(
        "GET",
        "/.well-known/oauth-authorization-server",
        "oauth.metadata",
        "",
        "Say where the endpoints are.",
        _METADATA,
    ),
    Resource(
        "GET",
        "/jwks",
        "oauth.keys",
        "",
        "List the public keys.",
        (Reply(200, "The keys.", KeySet, JWK_SET), _UNCHANGED),
    ),
    Resource(
        "POST",
        "/token",
        "oauth.token",
        "",
        "Give a token to a client, or to a login that was approved.",
        (Reply(200, "The token.", TokenGiven), *_REFUSED),
        headers=_DPOP,
        body=TokenForm,
        form=True,
    ),
    Resource(
        "POST",
        "/device_authorization",
        "oauth.device",
        "",
        "Begin a login of a person.",
        (Reply(200, "The codes.", DeviceGiven), *_REFUSED),
        headers=_DPOP,
        body=DeviceForm,
        form=True,
    ),
    Resource(
        "POST",
        "/revoke",
        "oauth.revoke",
        "",
        "Let a token count no more.",
        (Reply(200, "It does not.", Revoked), *_REFUSED),
        body=RevokeForm,
        form=True,
    ),
    Resource(
        "GET",
        "/device",
        "oauth.page",
        "",
        "Show a person what a login asks for.",
        (Reply(200, "The page.", None, HTML), *_PAGE),
        query=AskDevice,
    ),
    Resource(
        "POST",
        "/device",
        "oauth.approve",
        "",
        "Approve a login.",
        (Reply(200, "The page.", None, HTML), *_PAGE),
        body=ApproveForm,
        form=True,
    ),
)
