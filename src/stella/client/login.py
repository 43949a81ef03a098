"""Logging in: the device flow (RFC 8628) for people, client credentials (RFC 6749 section 4.4) for services."""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import msgspec

from stella.client.errors import LoginExpired, LoginRefused, NoIssuer, NoServer, NotAService
from stella.client.kept import Kept, Tokens
from stella.client.model import LoggedIn, LoggedOut, Login, Logout
from stella.client.transport import Transport
from stella.kernel.errors import StellaError
from stella.kernel.instant import format_time
from stella.operations import Context

CLIENT = "stella-cli"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
FORM = "application/x-www-form-urlencoded"
LONGEST = 15 * 60  # seconds that a service may let somebody wait
NO_ISSUER = {http.client.UNAUTHORIZED, http.client.NOT_FOUND, http.client.METHOD_NOT_ALLOWED}  # of a service without
MAX_SHOWN = 200  # characters of what a service says

Pause = Callable[[float], None]


class Pending(msgspec.Struct, frozen=True):
    """What the service says of a login that has begun."""

    device_code: str
    user_code: str
    verification_uri: str
    expires_in: int
    verification_uri_complete: str = ""
    interval: int = 5


class Granted(msgspec.Struct, frozen=True):
    """What the service says of a token."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str = ""


class Problem(msgspec.Struct, frozen=True):
    """How it refuses (RFC 6749 section 5.2)."""

    error: str
    error_description: str = ""


def login(ctx: Context, want: Login, pause: Pause = time.sleep) -> LoggedIn:
    """Log in and keep the token."""
    server = _server(ctx)
    issuer = _Issuer(Transport(server, ""))
    scopes = {"scope": " ".join(want.scope)} if want.scope else {}
    began = ctx.clock.read().wall
    if want.client is None:
        client, granted = CLIENT, _by_person(ctx, issuer, scopes, pause)
    else:
        secret = ctx.secret(want.secret).decode(errors="replace").strip()
        fields = {"grant_type": "client_credentials", "client_id": want.client, "client_secret": secret}
        client, granted = want.client, issuer.token({**fields, **scopes})
    if granted.token_type.lower() != "bearer":
        raise NotAService(url=server, problem="its token is of another type than was asked for")
    now = began if want.client else ctx.clock.read().wall
    kept = Kept(server, client, granted.access_token, now + granted.expires_in)
    Tokens(os.environ).keep(kept)
    return LoggedIn(server=server, scopes=tuple(granted.scope.split()), expires=format_time(kept.expires))


def logout(ctx: Context, want: Logout) -> LoggedOut:
    """Forget the token, and revoke it where the service can be reached."""
    del want
    server, tokens = _server(ctx), Tokens(os.environ)
    found = tokens.of(server)
    revoked = False
    if found is not None and found.client == CLIENT:
        try:
            _Issuer(Transport(server, "")).send("/revoke", {"client_id": CLIENT, "token": found.token})
            revoked = True
        except StellaError:
            revoked = False  # it ends by itself within minutes
    return LoggedOut(server=server, forgotten=tokens.forget(server), revoked=revoked)


def _server(ctx: Context) -> str:
    if not ctx.settings.client.server:
        raise NoServer
    return ctx.settings.client.server


def _by_person(ctx: Context, issuer: _Issuer, scopes: dict[str, str], pause: Pause) -> Granted:
    """Show the code and wait until somebody has typed it."""
    pending = issuer.begin({"client_id": CLIENT, **scopes})
    ctx.say(f"open {_plain(pending.verification_uri)} and type {_plain(pending.user_code)}")
    fields = {"grant_type": DEVICE, "client_id": CLIENT, "device_code": pending.device_code}
    waited, every = 0.0, float(max(pending.interval, 1))
    while waited < min(pending.expires_in, LONGEST):
        pause(every)
        waited += every
        found = issuer.poll(fields)
        if isinstance(found, Granted):
            return found
        if found.error == "slow_down":
            every += 5  # RFC 8628 section 3.5
        elif found.error != "authorization_pending":
            raise _refused(found)
    raise LoginExpired


def _plain(text: str) -> str:
    """What a service says, so that it cannot move the cursor of a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)[:MAX_SHOWN]


def _refused(problem: Problem) -> StellaError:
    if problem.error == "expired_token":
        return LoginExpired()
    return LoginRefused(problem=_plain(problem.error_description or problem.error))


class _Issuer:
    """The issuer of a service."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def begin(self, fields: dict[str, str]) -> Pending:
        return self._transport.decoded(self.send("/device_authorization", fields), Pending)

    def token(self, fields: dict[str, str]) -> Granted:
        return self._transport.decoded(self.send("/token", fields), Granted)

    def poll(self, fields: dict[str, str]) -> Granted | Problem:
        status, data = self._sent("/token", fields)
        kind: Any = Granted if status == http.client.OK else Problem
        found: Granted | Problem = self._transport.decoded(data, kind)
        return found

    def send(self, path: str, fields: dict[str, str]) -> bytes:
        """The answer to a form; raises LoginRefused, NoIssuer, or as a transport."""
        status, data = self._sent(path, fields)
        if status == http.client.OK:
            return data
        try:
            found = self._transport.decoded(data, Problem)
        except NotAService:
            if status in NO_ISSUER:
                raise NoIssuer(url=self._transport.url) from None
            raise
        raise _refused(found)

    def _sent(self, path: str, fields: dict[str, str]) -> tuple[int, bytes]:
        return self._transport.form(path, urlencode(fields).encode(), FORM)
