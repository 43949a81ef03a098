"""Whether the logins of the service are such that the database holds them to what they may do."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable

from stella.runtime.postgres import Login, connect, speaking
from stella.runtime.transaction import ask
from stella.tenancy.errors import LoginTooStrong


def check_logins(logins: Iterable[Login], schemas: Collection[str]) -> None:
    """Raise LoginTooStrong for one that passes the policies or owns a schema, or as `postgres.connect`."""
    for one in logins:
        # stella: allow STL003 until 2027-11-30: asks what a login may do, and nothing else
        with contextlib.closing(connect(one, "stella serve")) as connection, speaking(one.where):
            role, strong, owned = ask(connection, "stella.http", "session", schemas=list(schemas))[0]
        if strong:
            raise LoginTooStrong(role=role, problem=f"is, or may become, {strong}")
        if owned:
            raise LoginTooStrong(role=role, problem=f"owns the schemas {owned}")
