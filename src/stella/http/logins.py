"""Whether the logins of the service are such that the database holds them to what they may do."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable

from stella.runtime.postgres import Login, connect, speaking
from stella.runtime.statements import statements
from stella.tenancy.errors import LoginTooStrong


def check_logins(logins: Iterable[Login], schemas: Collection[str]) -> None:
    """Raise LoginTooStrong for one that passes the policies or owns a schema, or as `postgres.connect`."""
    for one in logins:
        with contextlib.closing(connect(one, "stella serve")) as connection, speaking(one.where):
            found = connection.execute(statements("stella.http")["session"].sql, {"schemas": list(schemas)}).fetchone()
            role, strong, owned = found or ("", "", "")
        if strong:
            raise LoginTooStrong(role=role, problem=f"is, or may become, {strong}")
        if owned:
            raise LoginTooStrong(role=role, problem=f"owns the schemas {owned}")
