"""The guard as a database holds it: the key of the seal, and whether it is there at all."""

from __future__ import annotations

from stella.runtime.postgres import Connection, speaking
from stella.runtime.transaction import Seal, ask


def installed(connection: Connection) -> bool:
    """Whether the database has the guard."""
    with speaking("the catalogue"):
        return bool(ask(connection, "stella.tenancy", "guarded")[0][0])


def install(connection: Connection, seal: Seal) -> None:
    """Let the database know the key of the seal; the connection is the owner's. Nothing where there is no guard."""
    if installed(connection):
        inner, outer = seal.blocks()
        with speaking("the key of the seal"):
            ask(connection, "stella.tenancy", "install_seal", ipad=inner, opad=outer)
