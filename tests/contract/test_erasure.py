"""The erasure of tenants on a real PostgreSQL: its proof, what holds it back, and what a kill leaves."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from stella.audit.sealer import signing_key
from stella.formats.view import Cell, Facts
from stella.http.identity import Identity
from stella.identity import erasure, export, tenants, views
from stella.identity.errors import TenantStops
from stella.identity.model import ExportTenant, NameTenant, State, StopTenant
from stella.kernel import dsse
from stella.kernel.errors import StellaError
from stella.runtime.errors import StoreUnreachable
from tests.database import postgres
from tests.identity import (
    ADDRESS,
    GRACE,
    KEY,
    SIGNS,
    WHY,
    World,
    credentials,
    erase,
    fill,
    issuer_of,
    presented,
    rows_of,
    world,
)
from tests.tenants import guarded

__all__ = ["guarded", "postgres", "world"]  # fixtures
pytestmark = [pytest.mark.network]


class Cellar:
    """A place outside of the database. `locked` is what its door says: to a look, or when something is to go."""

    def __init__(self, world: World, bottles: int) -> None:
        self.world, self.bottles = world, bottles
        self.shut: Exception | None = None
        self.locked: Exception | None = None

    def find(self, tenant: str) -> list[erasure.Gone]:
        if self.shut:
            raise self.shut
        return [erasure.Gone(f"bottles of {tenant}", self.bottles, f"sha256 of {self.bottles}")]

    def remove(self, tenant: str) -> None:
        assert tenant == "acme"
        if self.locked:
            self.bottles = min(self.bottles, 1)  # it fails halfway
            raise self.locked
        self.bottles = 0


def _proof(world: World, tenant: str) -> erasure.Erasure:
    shown = tenants.show(world.context(), NameTenant(tenant))
    assert (shown.state, shown.problem) == (State.ERASED, None)
    assert shown.proof is not None
    opened = dsse.verify(shown.proof.encode(), erasure.PAYLOAD_TYPE, [signing_key(KEY).public], 1, "proof")
    return msgspec.json.decode(opened.payload, type=erasure.Erasure)


def test_a_place_that_cannot_be_reached_keeps_the_erasure_pending(world: World) -> None:
    fill(world)
    tenants.delete(world.context(), StopTenant("acme", **WHY))
    world.clock.pass_time(GRACE)
    cellar, before = Cellar(world, 3), rows_of(world, "acme")
    cellar.shut = StoreUnreachable(endpoint="http://x", path="tenants/acme", problem="connection refused")
    for _ in range(2):
        with pytest.raises(StoreUnreachable):
            erasure.sweep(world.context(), [cellar])
        shown = tenants.show(world.context(), NameTenant("acme"))
        assert (shown.state, shown.proof) == (State.DELETING, None)
        assert "connection refused" in (shown.problem or "")
        (facts,) = views.tenant(shown)
        assert isinstance(facts, Facts)
        assert ("erasure waits", Cell(str(shown.problem), "bad")) in facts.rows
    assert ("tenant.erase", "success") not in world.events("acme")
    assert {name: digest for name, digest in rows_of(world, "acme").items() if name != "identity.erasures"} == {
        name: digest for name, digest in before.items() if name != "identity.erasures"
    }
    assert tenants.resume(world.context(), NameTenant("acme")).problem is None  # nothing of it is gone yet
    tenants.delete(world.context(), StopTenant("acme", **WHY))
    world.clock.pass_time(GRACE)
    cellar.shut = None
    assert erasure.sweep(world.context(), [cellar]) == ["acme"]
    assert _proof(world, "acme").elsewhere == (erasure.Gone("bottles of acme", 3, "sha256 of 3"),)


def test_a_tenant_that_is_half_erased_does_not_come_back_and_its_proof_is_whole(world: World) -> None:
    """What a kill, or a store that goes away, leaves between the first object and the last."""
    fill(world)
    tenants.delete(world.context(), StopTenant("acme", **WHY))
    world.clock.pass_time(GRACE)
    cellar = Cellar(world, 3)
    cellar.locked = StoreUnreachable(endpoint="http://x", path="tenants/acme", problem="connection refused")
    with pytest.raises(StoreUnreachable):
        erasure.sweep(world.context(), [cellar])
    assert cellar.bottles == 1
    with pytest.raises(TenantStops, match="being erased"):
        tenants.resume(world.context(), NameTenant("acme"))
    assert "connection refused" in (tenants.show(world.context(), NameTenant("acme")).problem or "")
    cellar.locked = None
    assert erasure.sweep(world.context(), [cellar]) == ["acme"]
    assert cellar.bottles == 0
    proof = _proof(world, "acme")
    assert proof.elsewhere == (erasure.Gone("bottles of acme", 3, "sha256 of 3"),)
    assert {one.table: one.rows for one in proof.tables}["identity.erasures"] == 0
    assert world.guarded.execute("SELECT count(*) FROM identity.erasures").fetchone() == (0,)
    assert erasure.sweep(world.context(), [cellar]) == []


def test_an_erasure_that_takes_long_keeps_no_suspension_from_counting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket of a million objects, or a store that answers after a minute."""
    monkeypatch.setattr("stella.http.identity.EVERY", 0.01)
    fill(world)
    tenants.delete(world.context(), StopTenant("acme", **WHY))
    world.clock.pass_time(GRACE)
    begun, go = threading.Event(), threading.Event()

    class Slow(Cellar):
        def remove(self, tenant: str) -> None:
            begun.set()
            go.wait(60)
            super().remove(tenant)

    identity = Identity(world.context(), ADDRESS, lambda *_: None, [Slow(world, 3)])
    identity.start()
    try:
        assert begun.wait(60)
        tenants.suspend(world.context(), StopTenant("beta", **WHY))
        assert soon(lambda: identity.stopped("beta") == "suspended")
        go.set()
        assert soon(lambda: tenants.show(world.context(), NameTenant("acme")).state is State.ERASED)
    finally:
        go.set()
        identity.stop()
        identity.join(60)


def soon(found: Callable[[], bool]) -> bool:
    """Whether something holds before long."""
    return any(found() or time.sleep(0.01) for _ in range(3000))


def test_one_tenant_that_cannot_be_erased_holds_back_no_other(world: World) -> None:
    fill(world)
    for tenant in ("acme", "beta"):
        tenants.delete(world.context(), StopTenant(tenant, **WHY))
    world.clock.pass_time(GRACE)

    class Uneven(Cellar):
        def remove(self, tenant: str) -> None:
            if tenant == "acme":
                raise StoreUnreachable(endpoint="http://x", path="tenants/acme", problem="no")

    with pytest.raises(StoreUnreachable):
        erasure.sweep(world.context(), [Uneven(world, 3)])
    assert tenants.show(world.context(), NameTenant("beta")).state is State.ERASED
    assert tenants.show(world.context(), NameTenant("acme")).state is State.DELETING


def test_nothing_is_added_to_a_tenant_that_was_erased(world: World, tmp_path: Path) -> None:
    erase(world)
    before = rows_of(world, "acme")
    for add in (
        lambda: world.principal("ada"),
        lambda: world.client("ci"),
        lambda: export.export(world.context(), ExportTenant("acme", str(tmp_path / "x.tar"), **WHY)),
    ):
        with pytest.raises(TenantStops, match="erased"):
            add()
    assert rows_of(world, "acme") == before
    assert list(tmp_path.iterdir()) == []


def test_what_is_refused_to_an_erased_tenant_is_not_in_its_log(world: World) -> None:
    """Its log would get a new key for personal texts, which nobody erases."""
    identity = world.identity()
    token = issuer_of(identity).token(credentials(world.client("ci")))["access_token"]
    erase(world)
    identity._look()
    before = world.events("acme")
    identity._told("device.refuse", "acme", {"subject": "acme.ada"})
    assert world.events("acme") == before
    world.clock.pass_time(-GRACE)  # an issuer elsewhere may give out tokens for it as long as it likes
    given = presented(token)
    with pytest.raises(StellaError):
        identity.verify(given)
    assert given.known is None
    living = world.guarded.execute("SELECT count(*) FROM audit.keys WHERE tenant_id = 'acme' AND wrapped IS NOT NULL")
    assert living.fetchone() == (0,)


def test_nothing_is_erased_within_the_grace_period(world: World) -> None:
    fill(world)
    tenants.delete(world.context(), StopTenant("acme", **WHY))
    before = rows_of(world, "acme")
    world.clock.pass_time(GRACE - 1)
    assert erasure.sweep(world.context()) == []
    assert not erasure._erased(world.context(), "acme", world.clock.read().wall, ())  # deleted anew after it was listed
    assert rows_of(world, "acme") == before
    tenants.resume(world.context(), NameTenant("acme"))
    world.clock.pass_time(GRACE)
    assert erasure.sweep(world.context()) == []


def test_an_erasure_is_proved_and_touches_nobody_else(world: World, tmp_path: Path) -> None:
    fill(world)
    tenants.delete(world.context(), StopTenant("acme", **WHY))
    exported = export.export(world.context(), ExportTenant("acme", str(tmp_path / "acme.tar"), **WHY))
    others = rows_of(world, "beta")
    world.clock.pass_time(GRACE)
    assert erasure.sweep(world.context(), [Cellar(world, 3)]) == ["acme"]
    assert rows_of(world, "beta") == others
    shown = tenants.show(world.context(), NameTenant("acme"))
    assert (shown.state, shown.name) == (State.ERASED, "")
    assert shown.proof is not None
    key = signing_key(KEY)
    opened = dsse.verify(shown.proof.encode(), erasure.PAYLOAD_TYPE, [key.public], 1, "proof")
    proof = msgspec.json.decode(opened.payload, type=erasure.Erasure)
    assert proof.elsewhere == (erasure.Gone("bottles of acme", 3, "sha256 of 3"),)
    erased = {one.table: (one.rows, one.sha256) for one in proof.tables}
    assert erased["identity.principals"][0] == erased["service.answers"][0] == 1
    kept = {one.table: (one.rows, one.sha256) for one in exported.tables}
    assert {name: erased[name] for name in erased} == {name: kept[name] for name in erased}
    assert set(proof.kept) == {"audit.events", "audit.waiting", "audit.chain", "audit.checkpoints", "audit.keys"}
    for table in erased:
        left = world.guarded.execute(f"SELECT count(*) FROM {table} WHERE tenant_id = 'acme'").fetchone()
        assert left == (0,), table
    assert world.guarded.execute(
        "SELECT count(*) FROM audit.keys WHERE tenant_id = 'acme' AND wrapped IS NOT NULL"
    ).fetchone() == (0,)
    assert world.events("acme")[-1] == ("tenant.erase", "success")
    for move in (tenants.suspend, tenants.delete):
        with pytest.raises(TenantStops):
            move(world.context(), StopTenant("acme", **WHY))


def test_a_proof_without_a_key_is_not_signed(world: World) -> None:
    del world.secrets[SIGNS]
    assert erase(world) == ["acme"]
    shown = tenants.show(world.context(), NameTenant("acme"))
    assert json.loads(shown.proof or "")["signatures"] == []


def test_what_fails_on_the_way_erases_nothing(world: World) -> None:
    fill(world)
    tenants.delete(world.context(), StopTenant("acme", **WHY))
    world.clock.pass_time(GRACE)
    before = rows_of(world, "acme")
    cellar = Cellar(world, 3)
    cellar.locked = OSError("acme")
    with pytest.raises(OSError, match="acme"):
        erasure.sweep(world.context(), [cellar])
    assert rows_of(world, "acme") | {"identity.erasures": ""} == before | {"identity.erasures": ""}
    assert erasure.sweep(world.context()) == ["acme"]
