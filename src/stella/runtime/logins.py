"""From the settings to a login of PostgreSQL: addresses and passwords, each of which may be a reference.

Rules:
- The role of the service owns nothing; the owner of the schemas is asked for only where schemas are changed.
- A password is read when it is needed, from the reference that the settings hold.
"""

from __future__ import annotations

from collections.abc import Callable

from stella.runtime.errors import NoDatabase, SecretMissing
from stella.runtime.postgres import Login
from stella.runtime.settings import DatabaseSettings

PLAIN = "env:PGPASSWORD"  # what the settings name when nobody says anything
REFERENCES = ("env:", "file:")

Secret = Callable[[str], bytes]


def service_login(found: DatabaseSettings, secret: Secret) -> Login:
    """The service's way in; raises NoDatabase, BadDsn, or the error of a secret."""
    if not found.dsn:
        raise NoDatabase
    return _login(found.dsn, found.password, secret, "")


def owner_login(found: DatabaseSettings, secret: Secret) -> Login:
    """The way in of the role that owns the schemas, else the service's; raises as `service_login`."""
    if not found.owner_dsn:
        return service_login(found, secret)
    return _login(found.owner_dsn, found.owner_password, secret, "owner_")


def _login(dsn: str, password: str, secret: Secret, key: str) -> Login:
    address = secret(dsn).decode().strip() if dsn.startswith(REFERENCES) else dsn
    return Login(address, _password(password, secret), f"`database.{key}dsn`", f"database.{key}password").checked()


def _password(reference: str, secret: Secret) -> str:
    """The password; none when libpq's own variable is named and nobody set it."""
    try:
        return secret(reference).decode()
    except SecretMissing:
        if reference != PLAIN:
            raise
        return ""
