"""The guard as a database holds it: the key of the seal, and whether it is there at all."""

from __future__ import annotations

from stella.runtime.postgres import Connection, speaking
from stella.runtime.statements import statements
from stella.runtime.transaction import Seal


def installed(connection: Connection) -> bool:
    """Whether the database has the guard."""
    with speaking("the catalogue"):
        row = connection.execute(statements("stella.tenancy")["guarded"].sql).fetchone()
    return bool(row and row[0])


def install(connection: Connection, seal: Seal) -> None:
    """Let the database know the key of the seal; the connection is the owner's. Nothing where there is no guard."""
    if installed(connection):
        inner, outer = seal.blocks()
        with speaking("the key of the seal"):
            connection.execute(statements("stella.tenancy")["install_seal"].sql, {"ipad": inner, "opad": outer})
