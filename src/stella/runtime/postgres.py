"""Connections to PostgreSQL, and statements kept under names in `queries.sql`.

Rules:
- An address holds no password; the password comes beside it and appears in no message.
- A connection commits each statement on its own, so that a transaction is always an explicit block.
- What the driver raises leaves as a class of `runtime.errors`; it names the server, never the secret.
- A statement has a name, a description and one home. It is read once.
- Text goes out as UTF-8, whatever the environment of the process says of its own.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from stella.kernel.errors import StellaError
from stella.runtime import egress
from stella.runtime.errors import (
    BadDsn,
    DatabaseAbsent,
    DatabaseDenied,
    DatabaseUnavailable,
    EgressBlocked,
    NoDatabase,
    SecretMissing,
    StatementRefused,
)
from stella.runtime.settings import DatabaseSettings
from stella.runtime.statements import statements

Connection = psycopg.Connection[tuple[Any, ...]]

CONNECT_SECONDS = 10  # longer looks like a hang to whoever waits
REFERENCES = ("env:", "file:", "bao:")
PLAIN = "env:PGPASSWORD"  # what the settings name when nobody says anything
DENIED = ("28", "42501")  # authorisation; missing rights
UNAVAILABLE = ("08", "53", "57P", "58", "XX", "25006", "40", "55P03")  # from connections to locks: it may pass
UNKNOWN_DATABASE = "3D000"

# At connect the driver has no state.
_NO_DATABASE = re.compile(r'database ".*" does not exist')
_NO_ENTRY = re.compile(r"password|authentication failed|no pg_hba\.conf entry|not permitted|denied for database")


class Login(NamedTuple):
    """Where a database is and who asks: an address in libpq's form, the password apart from it.

    `origin` and `reference` name the settings they come from, for messages.
    """

    dsn: str
    password: str = ""
    origin: str = "the address"
    reference: str = "database.password"

    @property
    def where(self) -> str:
        """Database, user and host, for messages."""
        parts, reached = self._parts(), self._reached()
        host = reached["host"] or reached["hostaddr"] or "the local socket"
        return f"`{parts.get('dbname') or parts.get('user') or ''}` of {parts.get('user') or 'the caller'} at {host}"

    @property
    def on_this_machine(self) -> bool:
        """Whether the address is a Unix socket or a loopback address; a name may resolve to anything and is not."""
        reached = self._reached()
        hosts = f"{reached['host']},{reached['hostaddr']}".split(",")
        near = all(host.startswith("/") or egress.on_this_machine(host) for host in hosts if host)
        return near and not reached["service"]

    def _reached(self) -> Mapping[str, str]:
        """What leads to the server; libpq adds from the environment of the process what the address leaves out."""
        parts = self._parts()
        keys = ("host", "hostaddr", "service")
        return {key: parts[key] if key in parts else os.environ.get(f"PG{key.upper()}", "") for key in keys}

    @property
    def conninfo(self) -> str:
        """Address and password in one, for the driver alone."""
        secret = {"password": self.password} if self.password else {}
        return make_conninfo(self.dsn, client_encoding="UTF8", **secret)

    def checked(self) -> Login:
        """The same; raises BadDsn for an address that libpq does not understand or that holds a password."""
        if self._parts().get("password"):
            raise self._bad("it contains a password")
        return self

    def _parts(self) -> Mapping[str, Any]:
        try:
            return conninfo_to_dict(self.dsn)
        except psycopg.ProgrammingError as error:
            raise self._bad(_first_line(error)) from None

    def _bad(self, problem: str) -> BadDsn:
        return BadDsn(origin=self.origin, problem=problem, password=self.reference)


def login(settings: DatabaseSettings, secret: Callable[[str], bytes], *, owner: bool = False) -> Login | None:
    """The way into the database that is configured: the service's, or the owner's; None when there is none.

    `secret` reads a reference. Raises BadDsn, SecretMissing or SecretUnreadable.
    """
    key = "owner_" if owner else ""
    address: str = getattr(settings, f"{key}dsn")
    if not address:
        return None
    if address.startswith(REFERENCES):
        address = secret(address).decode(errors="replace").strip()
    password = _password(getattr(settings, f"{key}password"), secret)
    return Login(address, password, f"`database.{key}dsn`", f"database.{key}password").checked()


def service_login(settings: DatabaseSettings, secret: Callable[[str], bytes]) -> Login:
    """The service's way in; raises NoDatabase, or as `login`."""
    found = login(settings, secret)
    if found is None:
        raise NoDatabase
    return found


def owner_login(settings: DatabaseSettings, secret: Callable[[str], bytes]) -> Login:
    """The way in of the role that owns the schemas, else the service's; raises NoDatabase, or as `login`."""
    return login(settings, secret, owner=True) or service_login(settings, secret)


def duty_login(settings: DatabaseSettings, secret: Callable[[str], bytes], role: str) -> Login:
    """The way in of a role whose duty spans tenants: as another user into the service's database.

    Raises as `service_login`.
    """
    into = service_login(settings, secret)
    key = f"{role.removeprefix('stella_')}_password"
    password = _password(getattr(settings, key), secret)
    return Login(make_conninfo(into.dsn, user=role), password, into.origin, f"database.{key}")


def _password(reference: str, secret: Callable[[str], bytes]) -> str:
    """The password; none when libpq's own variable is named and nobody set it."""
    try:
        return secret(reference).decode(errors="replace")
    except SecretMissing:
        if reference != PLAIN:
            raise
        return ""


def connect(into: Login, application: str = "stella", **settings: str) -> Connection:
    """A connection in autocommit with these run-time parameters.

    Raises DatabaseUnavailable, DatabaseDenied, DatabaseAbsent or BadDsn.

    A sealed process reaches the sockets of its own machine alone: anything else raises EgressBlocked. The driver's own
    calls do not pass the guard of `egress`, so it is asked here.
    """
    if egress.sealed() and not into.on_this_machine:
        raise EgressBlocked(target=into.where)
    given = into._parts()  # noqa: SLF001  # of this module
    extra = {"connect_timeout": given.get("connect_timeout") or str(CONNECT_SECONDS)}
    if settings:
        words = [given.get("options") or "", *(f"-c {name}={value}" for name, value in settings.items())]
        extra["options"] = " ".join(filter(None, words))
    address = make_conninfo(into.conninfo, application_name=application, **extra)
    with speaking(into.where):
        return psycopg.connect(address, autocommit=True)


@contextlib.contextmanager
def speaking(where: str, database: str = "") -> Iterator[None]:
    """Turn what the driver raises in the block into errors of Stella; `where` says what was done, or with whom."""
    try:
        yield
    except psycopg.Error as error:
        raise named(error, where, database or where) from None


@contextlib.contextmanager
def names_in_full(connection: Connection) -> Iterator[None]:
    """Let the server print every name with its schema for the length of the block, whatever a file has set.

    What the catalogue prints depends on the search path: the same policy would look like another one. The block only
    looks: whatever it does is undone.
    """
    with connection.transaction(force_rollback=True):
        connection.execute(statements("stella.runtime")["names_in_full"].sql)
        yield


def named(error: psycopg.Error, where: str, database: str) -> StellaError:
    """The error of Stella for one of the driver."""
    state, problem = error.sqlstate or "", _first_line(error)
    if state == UNKNOWN_DATABASE or (not state and _NO_DATABASE.search(problem)):
        return DatabaseAbsent(where=database)
    if state.startswith(DENIED) or (not state and _NO_ENTRY.search(problem)):
        return DatabaseDenied(where=database, problem=problem)
    if state.startswith(UNAVAILABLE) or (not state and isinstance(error, psycopg.OperationalError)):
        return DatabaseUnavailable(where=database, problem=problem)
    return StatementRefused(where=where, problem=problem, state=state or "none")


def _first_line(error: psycopg.Error) -> str:
    """What went wrong in one line, without the driver's frame."""
    text = error.diag.message_primary or str(error)
    return " ".join(text.split()).removeprefix("connection failed: ").removesuffix(".") or type(error).__name__


def storable(text: str) -> bool:
    """Whether PostgreSQL can keep the text: it knows neither NUL nor what is no Unicode."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def keepable(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same, with the signs that PostgreSQL cannot keep written out: paths and reasons may hold any."""
    return {name: _written_out(value) if isinstance(value, str) else value for name, value in values.items()}


def _written_out(text: str) -> str:
    return text if storable(text) else text.replace("\0", r"\x00").encode(errors="backslashreplace").decode()
