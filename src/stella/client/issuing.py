"""An issuer of tokens as a client speaks to it: the service itself, or any OpenID provider by its discovery.

Rules:
- A document of discovery counts for the issuer that it names, and that must be the one that was asked.
- Secrets and tokens go to https addresses, or to this machine.
"""

from __future__ import annotations

import http.client
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec

from stella.client.errors import LoginExpired, LoginRefused, NoIssuer, NotAService
from stella.client.transport import Transport
from stella.kernel.errors import StellaError

FORM = "application/x-www-form-urlencoded"
DISCOVERY = "/.well-known/openid-configuration"
NO_ISSUER = {http.client.UNAUTHORIZED, http.client.NOT_FOUND, http.client.METHOD_NOT_ALLOWED}  # of a service without
MAX_SHOWN = 200  # characters of what an issuer says


class Begun(msgspec.Struct, frozen=True):
    """What an issuer says of a login that has begun (RFC 8628 section 3.2)."""

    device_code: str
    user_code: str
    verification_uri: str
    expires_in: int
    interval: int = 5


class Granted(msgspec.Struct, frozen=True):
    """What it says of a token (RFC 6749 section 5.1)."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str = ""


class Problem(msgspec.Struct, frozen=True):
    """How it refuses (RFC 6749 section 5.2)."""

    error: str
    error_description: str = ""


class Endpoints(NamedTuple):
    """Addresses; `revocation` is empty where there is none."""

    token: str
    device: str
    revocation: str


class _Document(msgspec.Struct):
    issuer: str
    token_endpoint: str
    device_authorization_endpoint: str = ""
    revocation_endpoint: str = ""


def of_service(server: str) -> Endpoints:
    """The issuer inside a service."""
    base = server.rstrip("/")
    return Endpoints(f"{base}/token", f"{base}/device_authorization", f"{base}/revoke")


def discovered(issuer: str) -> Endpoints:
    """The endpoints that an issuer publishes; raises ServiceAway or NotAService."""
    transport = Transport(issuer, "")
    status, data = transport.plain(DISCOVERY)
    if status != http.client.OK:
        raise NotAService(url=issuer, problem=f"status {status} where an issuer describes itself")
    found = transport.decoded(data, _Document)
    if found.issuer != issuer:
        raise NotAService(url=issuer, problem="it describes another issuer")
    return Endpoints(found.token_endpoint, found.device_authorization_endpoint, found.revocation_endpoint)


def begin(address: str, fields: dict[str, str]) -> Begun:
    """Begin a login; raises LoginRefused, NoIssuer, or as a transport."""
    transport = Transport(address, "")
    return transport.decoded(_good(transport, fields), Begun)


def token(address: str, fields: dict[str, str]) -> Granted:
    """A token; raises as `begin`."""
    transport = Transport(address, "")
    return transport.decoded(_good(transport, fields), Granted)


def poll(address: str, fields: dict[str, str]) -> Granted | Problem:
    """A token, or why there is none yet; raises as a transport."""
    transport = Transport(address, "")
    status, data = _sent(transport, fields)
    if status == http.client.OK:
        return transport.decoded(data, Granted)
    return transport.decoded(data, Problem)


def revoke(address: str, fields: dict[str, str]) -> None:
    """Revoke a token; raises as `begin`."""
    _good(Transport(address, ""), fields)


def refused(problem: Problem) -> StellaError:
    """The error of a refusal."""
    if problem.error == "expired_token":
        return LoginExpired()
    return LoginRefused(problem=plain(problem.error_description or problem.error))


def plain(text: str) -> str:
    """What an issuer says, so that it cannot move the cursor of a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)[:MAX_SHOWN]


def _good(transport: Transport, fields: dict[str, str]) -> bytes:
    """The answer to a form when it is a good one."""
    status, data = _sent(transport, fields)
    if status == http.client.OK:
        return data
    try:
        problem = transport.decoded(data, Problem)
    except NotAService:
        if status in NO_ISSUER:
            raise NoIssuer(url=transport.url) from None
        raise
    raise refused(problem)


def _sent(transport: Transport, fields: dict[str, str]) -> tuple[int, bytes]:
    return transport.plain("", urlencode(fields).encode(), FORM)
