"""Logging in: the device flow (RFC 8628) for people, client credentials (RFC 6749 section 4.4) for services."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from stella.client import issuing
from stella.client.errors import LoginExpired, NoIssuer, NoServer, NotAService, ServiceAway
from stella.client.issuing import Endpoints, Granted, Problem, plain
from stella.client.kept import Kept, Tokens
from stella.client.model import LoggedIn, LoggedOut, Login, Logout
from stella.client.transport import RESTART
from stella.kernel.errors import StellaError
from stella.kernel.instant import format_time
from stella.operations import Context

CLIENT = "stella-cli"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
LONGEST = 15 * 60  # seconds that an issuer may let somebody wait
LIFE = range(1, 24 * 60 * 60 + 1)  # seconds that a token may say it lives
SLOWER = 5  # seconds that RFC 8628 section 3.5 adds when it is asked too often; it may also be away for a moment
SLOW = frozenset({"slow_down", "temporarily_unavailable"})

Pause = Callable[[float], None]


def login(ctx: Context, want: Login, pause: Pause = time.sleep) -> LoggedIn:
    """Log in and keep the token."""
    server = _server(ctx)
    at = issuing.discovered(want.issuer) if want.issuer else issuing.of_service(server)
    client = want.client or CLIENT
    fields = {"client_id": client} | ({"scope": " ".join(want.scope)} if want.scope else {})
    before = ctx.clock.read().wall
    if want.secret is not None:
        secret = ctx.secret(want.secret).decode(errors="replace").strip()
        granted = issuing.token(at.token, {**fields, "grant_type": "client_credentials", "client_secret": secret})
    else:
        granted = _by_person(ctx, at, fields, pause)
        before = ctx.clock.read().wall
    _require_usable(granted, at.token)
    kept = Kept(server, client, granted.access_token, before + granted.expires_in, at.revocation)
    Tokens(os.environ).keep(kept)
    return LoggedIn(server=server, scopes=tuple(granted.scope.split()), expires=format_time(kept.expires))


def logout(ctx: Context, want: Logout) -> LoggedOut:
    """Forget the token, and revoke it where that needs no secret and the issuer can be reached."""
    del want
    server, tokens = _server(ctx), Tokens(os.environ)
    found = tokens.of(server)
    revoked = False
    if found is not None and found.revocation:
        try:
            issuing.revoke(found.revocation, {"client_id": found.client, "token": found.token})
            revoked = True
        except StellaError:
            revoked = False  # it ends by itself within minutes
    return LoggedOut(server=server, forgotten=tokens.forget(server), revoked=revoked)


def _server(ctx: Context) -> str:
    if not ctx.settings.client.server:
        raise NoServer
    return ctx.settings.client.server


def _by_person(ctx: Context, at: Endpoints, fields: dict[str, str], pause: Pause) -> Granted:
    """Show the code and wait until somebody has typed it."""
    if not at.device:
        raise NoIssuer(url=at.token)
    begun = issuing.begin(at.device, fields)
    ctx.say(f"open {plain(begun.verification_uri)} and type {plain(begun.user_code)}")
    asking = {"grant_type": DEVICE, "client_id": fields["client_id"], "device_code": begun.device_code}
    waited, every, away = 0, min(max(begun.interval, 1), LONGEST), 0
    while waited < min(begun.expires_in, LONGEST):
        pause(every)
        waited += every
        found = _polled(at.token, asking, may_be_away=away < RESTART)
        if isinstance(found, Granted):
            return found
        away = away + every if found is None else 0
        if found is None or found.error in SLOW:
            every += SLOWER
        elif found.error != "authorization_pending":
            raise issuing.refused(found)
    raise LoginExpired


def _polled(address: str, asking: dict[str, str], *, may_be_away: bool) -> Granted | Problem | None:
    """The answer to one poll; None where there was none, as while a service restarts."""
    try:
        return issuing.poll(address, asking)
    except ServiceAway:
        if may_be_away:
            return None
        raise


def _require_usable(granted: Granted, address: str) -> None:
    """Raise NotAService for a token that cannot be sent, or says of itself what cannot be."""
    token = granted.access_token
    if granted.token_type.lower() != "bearer":
        raise NotAService(url=address, problem="its token is of another type than was asked for")
    if not token or not (token.isascii() and token.isprintable()) or granted.expires_in not in LIFE:
        raise NotAService(
            url=address, problem="its token has characters that no token has, or no life of a day at most"
        )
