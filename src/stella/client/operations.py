"""The client's rows of the operation table: logging in and out."""

from __future__ import annotations

from stella.client import views
from stella.client.model import LoggedIn, LoggedOut, Login, Logout
from stella.operations import Context, operation


@operation(
    "login",
    "LOCAL /login",
    scope="client:login",
    view=views.logged_in,
    example=(
        "stella login --server https://stella.example\n"
        "stella login --client acme.ci --secret file:ci.secret\n"
        "stella login --issuer https://idp.example --client stella"
    ),
)
def login(ctx: Context, want: Login) -> LoggedIn:
    """Log in to a service, so that `--server` needs no token.

    Shows an address and a code; open the one, type the other with your name and your secret. With `--secret` nobody is
    asked: the client's own secret is sent. With `--issuer` the token comes from the provider
    that the service believes, by its discovery. A token is kept for this server, readable by you alone, for minutes.
    """
    from stella.client import login as logging_in

    return logging_in.login(ctx, want)


@operation(
    "logout",
    "LOCAL /logout",
    scope="client:login",
    view=views.logged_out,
    example="stella logout --server https://stella.example",
)
def logout(ctx: Context, want: Logout) -> LoggedOut:
    """Forget the token for a service, and tell the service that it counts no more."""
    from stella.client import login as logging_in

    return logging_in.logout(ctx, want)
