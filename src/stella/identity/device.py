"""Logging in from a device without a browser of its own (RFC 8628): the command line.

Rules:
- The device keeps a long code, of which only the digest is stored; a person types a short one within ten minutes.
- What is approved is at most what the device asked for and the person may do. A login is used once, and what takes back
  tokens takes back logins that wait.
- Whether a code is wrong, used or expired is one answer, and guesses are counted by address.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from stella.identity.asked import Asked
from stella.identity.proving import Known, Proving
from stella.identity.reach import PACKAGE
from stella.identity.refusals import Refused, away, bad_grant, bad_scope
from stella.kernel.instant import Instant, Reading, Seconds
from stella.runtime.ports import Entropy
from stella.runtime.transaction import Duty
from stella.tenancy.compact import encode

CLIENT = "stella-cli"  # the command line; it has no secret, since everybody has it
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels, so that no word comes about (RFC 8628 section 6.1)
LENGTH = 8  # 34 bits, of which an address may guess ten and then one every half minute
LIFE: Seconds = 10 * 60
INTERVAL: Seconds = 5
MOST = 1000  # logins that wait at the same time
TRIES = 3  # at a code that is not taken


class Waiting(NamedTuple):
    """A login that waits for a person."""

    client: str
    scopes: tuple[str, ...]
    address: str
    made: Instant


class Approved(NamedTuple):
    """A login that a person has approved."""

    who: Known
    scopes: frozenset[str]
    at: Instant


class Devices:
    """Logins that wait, in the database."""

    def __init__(self, duty: Duty, proving: Proving, entropy: Entropy) -> None:
        self._duty = duty
        self._proving = proving
        self._entropy = entropy

    def begin(self, asked: Asked, scopes: tuple[str, ...], jkt: str, now: Instant) -> tuple[str, str]:
        """The two codes of a new login; raises Refused when too many wait."""
        self._duty.all(PACKAGE, "forget_logins", now=now)
        for _ in range(TRIES):
            code, user_code = encode(self._entropy(32)), _user_code(self._entropy)
            made = self._duty.one(
                PACKAGE,
                "put_device_code",
                code=_digest(code),
                user_code=user_code,
                client=CLIENT,
                scopes=list(scopes),
                jkt=jkt,
                address=asked.address,
                made=now,
                expires=now + LIFE,
                most=MOST,
            )
            if made is not None:
                return code, _shown(user_code)
        raise away()

    def waiting(self, typed: str, address: str, now: Reading) -> Waiting | None:
        """The login that a person means; None when there is none. Raises Refused for too many guesses."""
        self._proving.guess(address, now)
        row = self._duty.one(PACKAGE, "waiting_login", user_code=read_code(typed), now=now.wall)
        if row is None:
            return None
        self._proving.guessed(address, now)
        client, scopes, asked_by, made = row
        return Waiting(client, tuple(scopes), asked_by, made)

    def approve(self, typed: str, subject: str, given: str, address: str, now: Reading) -> Known | None:
        """Let a login be the principal's; who it is, or None when code, name or secret is wrong. Raises Refused."""
        login = self.waiting(typed, address, now)
        who = self._proving.principal(subject, given, address, now)
        if login is None or who is None:
            return None
        granted = who.scopes & frozenset(login.scopes) if login.scopes else who.scopes
        if not granted:
            raise bad_scope("you may do nothing of what was asked for")
        done = self._duty.one(
            PACKAGE,
            "approve_login",
            user_code=read_code(typed),
            subject_tenant=who.tenant,
            subject=who.name,
            granted=sorted(granted),
            now=now.wall,
        )
        return None if done is None else who._replace(scopes=granted)

    def take_up(self, code: str, jkt: str, now: Instant) -> Approved:
        """The login that a device waited for, which is used up; raises Refused."""
        digest = _digest(code)
        row = self._duty.one(PACKAGE, "poll_login", code=digest, now=now)
        if row is None or row[1] != jkt:
            raise bad_grant("the code is not known, or was used")
        _, _, expires, polled, tenant, name, granted, made = row
        if expires <= now:
            raise Refused("expired_token", "the code has expired; begin again")
        if name is None:
            if now - polled < INTERVAL:
                raise Refused("slow_down", f"ask every {INTERVAL} seconds at most")
            raise Refused("authorization_pending", "nobody has approved it yet")
        who = self._proving.still(tenant, name)
        if who is None or who.revoked >= made or self._duty.one(PACKAGE, "take_login", code=digest) is None:
            raise bad_grant("the code is not known, or was used")
        return Approved(who, who.scopes & frozenset(granted), made)


def read_code(typed: str) -> str:
    """What a person typed, as it is stored."""
    return "".join(letter for letter in typed.upper()[:64] if letter in LETTERS)


def _user_code(entropy: Entropy) -> str:
    number = int.from_bytes(entropy(16))  # the bias of the reduction is below 2**-90
    letters = []
    for _ in range(LENGTH):
        number, digit = divmod(number, len(LETTERS))
        letters.append(LETTERS[digit])
    return "".join(letters)


def _shown(code: str) -> str:
    return f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}"


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode("utf-8", "replace")).digest()
