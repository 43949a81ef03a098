"""Logging in at an issuer that answers oddly, slowly, or not at all for a moment."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stella.client import issuing
from stella.client.errors import LoginExpired, LoginRefused, NotAService, ServiceAway
from stella.client.issuing import Begun, Granted, Problem
from stella.client.kept import Tokens
from stella.client.login import LONGEST, login
from stella.client.model import Login
from stella.operations import Context
from stella.runtime.settings import ClientSettings, Settings
from stella.testing import ManualClock, SilentProgress, counted_entropy

SERVER = "https://hub.example"
GRANTED = Granted("a.b.c", "Bearer", 300)
BEGUN = Begun("device", "BCDF-GHJK", f"{SERVER}/device", 600)


@pytest.fixture
def ctx(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Context:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    settings = Settings(client=ClientSettings(server=SERVER))
    return Context(
        ManualClock(),
        counted_entropy("login"),
        SilentProgress(),
        settings,
        lambda _: b"secret",
        "ada",
        say=lambda _: None,
    )


def answering(monkeypatch: pytest.MonkeyPatch, begun: Begun, *answers: Any) -> Callable[[Context], list[float]]:
    """Log in at an issuer that answers polls with these, the last one for ever; how long each pause was."""
    left = list(answers)

    def poll(address: str, fields: dict[str, str]) -> Any:
        del address, fields
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(issuing, "begin", lambda *_: begun)
    monkeypatch.setattr(issuing, "poll", poll)

    def asked(ctx: Context) -> list[float]:
        pauses: list[float] = []
        login(ctx, Login(), pauses.append)
        return pauses

    return asked


AWAY = ServiceAway(url=SERVER, problem="it restarts")
PENDING = Problem("authorization_pending")


def test_what_passes_ends_no_login(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person has approved; the service restarts, or has too much to do, just then."""
    busy = Problem("temporarily_unavailable")
    asked = answering(monkeypatch, BEGUN, PENDING, AWAY, busy, Problem("slow_down"), PENDING, GRANTED)
    assert asked(ctx) == [5, 5, 10, 15, 20, 20]
    assert Tokens(os.environ).usable(SERVER, 0) == "a.b.c"


@pytest.mark.parametrize("answer", [PENDING, AWAY, Problem("temporarily_unavailable")], ids=str)
@pytest.mark.parametrize(
    "begun", [(600, 5), (10**30, 1), (10**9, 0), (900, 10**400), (900, -5)], ids=lambda begun: str(begun)[:12]
)
def test_waiting_ends(ctx: Context, monkeypatch: pytest.MonkeyPatch, answer: Any, begun: tuple[int, int]) -> None:
    pauses: list[float] = []
    told = Begun("device", "BCDF-GHJK", SERVER, *begun)
    answering(monkeypatch, told, answer)
    with pytest.raises((LoginExpired, ServiceAway)):
        login(ctx, Login(), pauses.append)
    assert 0 < sum(pauses) <= 2 * LONGEST


def test_a_refusal_ends_it_at_once(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LoginRefused):
        answering(monkeypatch, BEGUN, PENDING, Problem("access_denied"))(ctx)


@pytest.mark.parametrize(
    "odd",
    [
        Granted("a.b.c", "Bearer", 10**30),
        Granted("a.b.c", "Bearer", -1),
        Granted("a.b.c", "Bearer", 0),
        Granted("", "Bearer", 300),
        Granted("a\nX: y", "Bearer", 300),
        Granted("\u0430.b.c", "Bearer", 300),
        Granted("a.b.c", "DPoP", 300),
    ],
    ids=lambda odd: ascii(odd)[8:40],
)
def test_a_token_that_cannot_be_used_is_not_kept(ctx: Context, monkeypatch: pytest.MonkeyPatch, odd: Granted) -> None:
    with pytest.raises(NotAService):
        answering(monkeypatch, BEGUN, odd)(ctx)
    assert Tokens(os.environ).of(SERVER) is None
