"""Servers that somebody else runs, which replace embedded ones: whether they answer, and let us in.

Rules:
- Their secrets are references, as everywhere; a default that is unset means that the server asks for none.
- Each is asked as a client would, with the secret that clients will use.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from urllib.parse import urlsplit

from stella.kernel.errors import StellaError
from stella.runtime import egress
from stella.runtime.config import read_secret
from stella.runtime.errors import SecretMissing
from stella.runtime.settings import StackSettings
from stella.stack.model import Plan

PATIENCE = 5.0  # seconds for an answer
UNSAID = frozenset({"", StackSettings().postgres_password, StackSettings().nats_token})  # nobody named a secret


class NoEntry(Exception):
    """A server does not answer, or does not let us in; the text says why."""


def secret_of(reference: str) -> str:
    """What a reference stands for; none for a default that is unset. Raises SecretMissing or SecretUnreadable."""
    try:
        return read_secret(reference, os.environ).decode(errors="replace")
    except SecretMissing:
        if reference not in UNSAID:
            raise
        return ""


def require_secrets(plan: Plan) -> None:
    """Raise SecretMissing or SecretUnreadable for a reference that leads nowhere."""
    for reference in (plan.postgres_password, plan.nats_token):
        secret_of(reference)


def far(plan: Plan) -> str:
    """The first server of a plan that may be on another machine, in words; empty when all are on this one."""
    if plan.postgres_dsn:
        from stella.runtime.postgres import Login  # noqa: PLC0415  # psycopg is heavy

        into = Login(plan.postgres_dsn)
        if not into.on_this_machine:
            return into.where
    for url in filter(None, plan.nats_url.split(",")):
        if not egress.on_this_machine(urlsplit(url.strip()).hostname):
            return url
    return ""


def problems(plan: Plan) -> dict[str, str]:
    """What is wrong with each server of the plan that is not ours, by name; empty for one that lets us in."""
    asked: dict[str, tuple[str, str, Callable[[str, str], None]]] = {
        "postgres": (plan.postgres_dsn, plan.postgres_password, ask_postgres),
        "nats": (plan.nats_url, plan.nats_token, ask_nats),
    }
    return {name: _problem(*how) for name, how in asked.items() if how[0]}


def _problem(address: str, reference: str, ask: Callable[[str, str], None]) -> str:
    try:
        ask(address, secret_of(reference))
    except (NoEntry, StellaError) as problem:
        return str(problem)
    return ""


def ask_postgres(dsn: str, password: str) -> None:
    """Connect once; raises an error of `runtime.postgres`."""
    from stella.runtime import postgres  # noqa: PLC0415  # psycopg is heavy, and needed for servers of others alone

    into = postgres.Login(dsn, password, "`stack.postgres_dsn`", "stack.postgres_password").checked()
    # stella: allow STL003 until 2027-11-30: asks whether a server lets us in, and nothing else
    postgres.connect(into).close()


def ask_nats(urls: str, token: str) -> None:
    """Connect to one of the addresses once; raises NoEntry."""
    import asyncio  # noqa: PLC0415  # as psycopg

    heard: list[str] = []
    try:
        asyncio.run(_greet(urls.split(","), token, heard))
    except TimeoutError:
        raise NoEntry(f"{urls}: {heard[0] if heard else f'no answer within {PATIENCE:.0f} s'}") from None
    except Exception as problem:  # noqa: BLE001  # the library raises whatever its parts do, for a port of no number too
        raise NoEntry(f"{urls}: {heard[0] if heard else problem}") from None


async def _greet(urls: list[str], token: str, heard: list[str]) -> None:
    import asyncio  # noqa: PLC0415  # as psycopg

    import nats  # noqa: PLC0415  # as psycopg

    async def note(problem: Exception) -> None:
        heard.append(" ".join(str(problem).split()).removeprefix("nats: ") or type(problem).__name__)

    async with asyncio.timeout(PATIENCE):
        line = await nats.connect(
            urls,
            token=token or None,
            error_cb=note,
            connect_timeout=int(PATIENCE),
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
        )
        with contextlib.suppress(nats.errors.Error):
            await line.close()
