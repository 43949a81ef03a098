"""What people see of logging in."""

from __future__ import annotations

from stella.client.model import LoggedIn, LoggedOut
from stella.formats.view import Facts, View


def logged_in(result: LoggedIn) -> View:
    """After login."""
    return [
        Facts([("logged in at", result.server), ("until", result.expires), ("scopes", " ".join(result.scopes))]),
    ]


def logged_out(result: LoggedOut) -> View:
    """After logout."""
    if not result.forgotten:
        return [Facts([("server", result.server), ("login", "there was none")])]
    return [Facts([("logged out at", result.server), ("token", "revoked" if result.revoked else "forgotten here")])]
