"""How a client or a principal proves itself to the issuer.

Rules:
- A client uses one method, the one that it was made with.
- Every attempt is counted before anything is compared; who is not there costs what a wrong secret does.
- What a tenant has is read in a transaction of that tenant: the issuer has no right over all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

from stella.identity import assertion, secret
from stella.identity.asked import Asked, read_basic
from stella.identity.attempts import ADDRESS_BURST, ADDRESS_INTERVAL, Attempts, origin
from stella.identity.reach import PACKAGE
from stella.identity.refusals import Refused, bad_client, bad_request, too_many
from stella.identity.rules import read_subject, subject_of
from stella.kernel.instant import Instant, Reading
from stella.runtime.transaction import Row, Transaction
from stella.tenancy.binding import Replays, certificate_thumbprint

COUNTED = 200  # characters

Open = Callable[[str], AbstractContextManager[Transaction]]


class Known(NamedTuple):
    """A client or principal that has proved itself.

    `revoked` is until when its tokens are revoked, `certificate` the thumbprint that a client proved itself with.
    """

    tenant: str
    name: str
    scopes: frozenset[str]
    revoked: Instant = 0
    certificate: str = ""

    @property
    def subject(self) -> str:
        return subject_of(self.tenant, self.name)


class Proving:
    """Compares what is presented with what the database keeps."""

    def __init__(self, opened: Open, audiences: frozenset[str], replays: Replays) -> None:
        self._opened = opened
        self._audiences = audiences
        self._replays = replays
        self._names = Attempts()
        self._addresses = Attempts(ADDRESS_BURST, ADDRESS_INTERVAL)

    def client(self, asked: Asked, now: Reading) -> Known:
        """The client that asks; raises Refused."""
        method, name, given = _presented(asked)
        self._count(name, asked.address, now)
        who = read_subject(name)
        row = self._row("client_proof", who)
        if row is None or who is None or row[0] != method:
            if method == "secret":
                secret.spend(given)
            raise bad_client()
        good = self._good(method, given, str(row[1]), name, now)
        if not good:
            raise bad_client()
        self._forgive(name, asked.address, now)
        return Known(*who, frozenset(row[2]), row[3], given if method == "certificate" else "")

    def _good(self, method: str, given: str, kept: str, name: str, now: Reading) -> bool:
        """Whether what a client presents is what is kept of it."""
        if method == "key":
            return assertion.proves(given, name, kept, self._audiences, now, self._replays)
        return secret.matches(given, kept) if method == "secret" else given == kept

    def principal(self, name: str, given: str, address: str, now: Reading) -> Known | None:
        """The principal with that subject and secret; None when there is none. Raises Refused for too many attempts."""
        self._count(name, address, now)
        who = read_subject(name)
        row = self._row("principal_secret", who)
        if row is None or who is None:
            secret.spend(given)
            return None
        if not secret.matches(given, row[0]):
            return None
        self._forgive(name, address, now)
        return Known(*who, frozenset(row[1]), row[2])

    def still(self, tenant: str, name: str) -> Known | None:
        """A principal that proved itself before, if it may still act."""
        row = self._row("principal_secret", (tenant, name))
        return None if row is None else Known(tenant, name, frozenset(row[1]), row[2])

    def guess(self, address: str, now: Reading) -> None:
        """Count an attempt at a code; raises Refused."""
        self._count(f"code {origin(address)}", address, now)

    def guessed(self, address: str, now: Reading) -> None:
        """The code was right."""
        self._forgive(f"code {origin(address)}", address, now)

    def _count(self, name: str, address: str, now: Reading) -> None:
        """Count an attempt at a name from an address; raises Refused. A long name is counted by its begin."""
        seconds = now.boot_seconds
        if wait := self._addresses.take(origin(address), seconds):
            raise too_many(wait)
        if wait := self._names.take(name[:COUNTED], seconds):
            raise too_many(wait)

    def _forgive(self, name: str, address: str, now: Reading) -> None:
        self._names.give_back(name[:COUNTED], now.boot_seconds)
        self._addresses.give_back(origin(address), now.boot_seconds)

    def _row(self, statement: str, who: tuple[str, str] | None) -> Row | None:
        if who is None:
            return None
        tenant, name = who
        with self._opened(tenant) as t:
            return t.one(PACKAGE, statement, who=name, ids=[tenant, subject_of(tenant, name)])


def client_named(asked: Asked) -> str:
    """Whom a request says that it comes from; empty when it does not say."""
    try:
        return _presented(asked)[1]
    except Refused:
        return ""


def _presented(asked: Asked) -> tuple[str, str, str]:
    """Method, client id and proof of a request; raises Refused."""
    form, named = asked.form, asked.form.get("client_id", "")
    ways = [bool(asked.authorization), "client_secret" in form, "client_assertion" in form]
    if sum(ways) > 1:
        raise bad_request("a client proves itself in one way")
    if asked.authorization:
        name, given = read_basic(asked.authorization)
        method = "secret"
    elif "client_assertion" in form:
        if form.get("client_assertion_type") != assertion.KIND:
            raise bad_request("the assertion has another type")
        given = form["client_assertion"]
        method, name = "key", assertion.client_named(given)
    elif "client_secret" in form:
        method, name, given = "secret", named, form["client_secret"]
    elif asked.certificate is not None and named:
        method, name, given = "certificate", named, certificate_thumbprint(asked.certificate)
    else:
        raise bad_client()
    if not name or named not in {"", name}:
        raise bad_client()
    return method, name, given
