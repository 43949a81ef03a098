"""The sealer of a service: nothing that nobody foresaw ends it, and what it does is told."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from stella.audit import sealer
from stella.audit.errors import BadAuditKey, ChainDamaged
from stella.audit.sealer import Pass
from stella.http.logs import Log
from stella.http.sealing import Sealing
from stella.operations import Context, Principal
from stella.runtime.errors import SecretMissing
from stella.runtime.settings import DatabaseSettings, Settings
from stella.testing import ManualClock, SilentProgress, counted_entropy

KEY = b"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
CTX = Context(
    clock=ManualClock(0),
    entropy=counted_entropy("sealing"),
    progress=SilentProgress(),
    settings=Settings(database=DatabaseSettings(dsn="host=/nowhere dbname=none")),
    secret=lambda _: KEY,
    actor="service",
    principal=Principal("service", frozenset()),
)


def said(monkeypatch: pytest.MonkeyPatch, run: Callable[..., None]) -> list[dict[str, Any]]:
    """What a service's log says when its sealer does this instead of its work."""
    reading, writing = os.pipe()
    monkeypatch.setattr(sealer, "run", run)
    sealing = Sealing(CTX, Log(ManualClock(0), writing, json=True))
    sealing.start()
    sealing.join(30)
    os.close(writing)
    with os.fdopen(reading) as stream:
        return [json.loads(line) for line in stream]


def test_a_surprise_is_told_and_sealing_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []

    def run(_: object, __: object, stop: Any, ___: object) -> None:
        calls.append(stop)
        if len(calls) < 3:
            raise ZeroDivisionError("a secret")

    lines = said(monkeypatch, run)
    assert len(calls) == 3
    assert [(line["event"], line["operation"]) for line in lines] == [("failed", "audit.seal")] * 2
    assert "test_sealing" in lines[0]["traceback"]
    assert "secret" not in json.dumps(lines)


def test_a_surprise_at_the_end_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_: object, __: object, stop: Any, ___: object) -> None:
        stop.set()
        raise ZeroDivisionError

    assert len(said(monkeypatch, run)) == 1


def test_a_pass_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_: object, __: object, ___: object, told: Callable[[Pass], None]) -> None:
        told(Pass({"acme": 3, "beta": 4}, {"gamma": ChainDamaged(tenant="gamma", problem="x")}, 2))

    lines = said(monkeypatch, run)
    assert [line["event"] for line in lines] == ["audit_forgotten", "audit_sealed", "audit_not_sealed"]
    assert (lines[0]["events"], lines[1]["events"], lines[1]["tenants"], lines[2]["tenant"]) == (2, 7, 2, "gamma")


@pytest.mark.parametrize("name", ["audit.key", "audit.wrap_key"])
@pytest.mark.parametrize("secret", [None, b"short"])
def test_a_service_does_not_start_without_the_keys_of_its_log(name: str, secret: bytes | None) -> None:
    reference = {"audit.key": CTX.settings.audit.key, "audit.wrap_key": CTX.settings.audit.wrap_key}[name]

    def reveal(wanted: str) -> bytes:
        if wanted != reference:
            return KEY
        if secret is None:
            raise SecretMissing(reference=wanted, name=wanted)
        return secret

    with pytest.raises(SecretMissing if secret is None else BadAuditKey, match=None if secret is None else name):
        Sealing(dataclasses.replace(CTX, secret=reveal), Log(ManualClock(0), 2, json=True))
