"""What logging in takes and gives."""

from __future__ import annotations

from typing import Annotated

import msgspec

from stella.operations import arg


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of login."""

    scope: Annotated[tuple[str, ...], arg("Scope to ask for; without any, all that you have.", metavar="SCOPE")] = ()
    client: Annotated[str | None, arg("Log in as this OAuth client, such as `acme.ci`.", metavar="ID")] = None
    secret: Annotated[
        str | None, arg("Where that client's secret is: `env:NAME` or `file:PATH`.", metavar="REFERENCE")
    ] = None
    issuer: Annotated[
        str | None, arg("The provider that issues tokens, where it is not the service itself.", metavar="URL")
    ] = None


class LoggedIn(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.login@1"):
    """Result of login; the token itself is in a file that only you can read."""

    server: str
    scopes: tuple[str, ...]
    expires: str


class Logout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of logout."""


class LoggedOut(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.logout@1"):
    """Result of logout. `revoked` says whether the service was told; a token ends by itself within minutes."""

    server: str
    forgotten: bool
    revoked: bool
