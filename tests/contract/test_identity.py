"""Tenants, principals and clients on a real PostgreSQL: what is done, what is refused, what is written down."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stella.audit.sealer import signing_key
from stella.identity import clients, erasure, export, principals, tenants
from stella.identity.errors import (
    BadClientKey,
    BadName,
    NameTaken,
    NoGraceLeft,
    NoSuchName,
    NoTenant,
    OtherTenant,
    ScopeNotTogether,
    TenantStops,
    TenantTaken,
    UnknownScope,
)
from stella.identity.model import (
    CreatePrincipal,
    CreateTenant,
    DeleteClient,
    DeletePrincipal,
    DisablePrincipal,
    ExportTenant,
    ListClients,
    ListPrincipals,
    ListTenants,
    NameClient,
    NamePrincipal,
    NameTenant,
    RotateClient,
    State,
    StopTenant,
)
from stella.kernel import dsse
from stella.kernel.errors import BadTenant, StellaError
from stella.runtime import roles
from stella.runtime.settings import IdentitySettings
from stella.tenancy.model import MAX_LIFE, SKEW
from tests.database import postgres
from tests.identity import KEY, SIGNS, WHY, WRAPS, World, world
from tests.tenants import guarded

__all__ = ["guarded", "postgres", "world"]  # fixtures
pytestmark = [pytest.mark.network]

GRACE = 30 * 24 * 3600


def test_the_gate_is_quiet_and_a_duty_is_no_open_table(world: World) -> None:
    assert world.guarded.found() == set()
    with world.guarded.connect(roles.OWNER) as connection:
        connection.execute("GRANT SELECT ON identity.signing_keys TO stella_app")
    assert world.guarded.found() == {"open_table"}


def test_a_duty_of_a_table_of_nobody_is_held_to_what_it_says(world: World) -> None:
    with world.guarded.connect(roles.OWNER) as connection:
        connection.execute("SELECT tenancy.duty('stella_issuer', 'identity.signing_keys', 'select')")
        connection.execute("GRANT DELETE ON identity.signing_keys TO stella_issuer")
    assert world.guarded.found() == {"open_table"}


def test_no_duty_makes_a_table_of_nobody_good_for_tenants(world: World) -> None:
    with world.guarded.connect(roles.OWNER) as connection:
        connection.execute("SELECT tenancy.duty('stella_app', 'identity.signing_keys', 'select')")
    assert "open_table" in world.guarded.found()


def test_a_tenant_lives(world: World) -> None:
    ctx = world.context()
    shown = tenants.show(ctx, NameTenant("acme"))
    assert (shown.state, shown.proof, shown.erase_after) == (State.ACTIVE, None, None)
    world.clock.pass_time(10)
    assert tenants.suspend(ctx, StopTenant("acme", **WHY)).state is State.SUSPENDED
    with pytest.raises(TenantStops, match="suspended"):
        tenants.suspend(ctx, StopTenant("acme", **WHY))
    assert tenants.resume(ctx, NameTenant("acme")).state is State.ACTIVE
    gone = tenants.delete(ctx, StopTenant("acme", **WHY))
    assert (gone.state, gone.erase_after) == (State.DELETING, "2026-01-31T00:00:10Z")
    assert tenants.resume(ctx, NameTenant("acme")).state is State.ACTIVE
    actions = sorted(action for action, _ in world.events("acme"))
    assert actions == sorted(f"tenant.{verb}" for verb in ("create", "suspend", "resume", "delete", "resume"))


def test_reason_and_ticket_are_in_the_log(world: World) -> None:
    tenants.suspend(world.context(), StopTenant("acme", reason="did not pay", ticket="T-77"))
    (body,) = world.guarded.execute("SELECT body FROM audit.events WHERE action = 'tenant.suspend'").fetchone() or ()
    event = json.loads(bytes(body))
    assert event["ticket"] == "T-77"
    assert event["reason"]["kind"] == "personal"  # sealed: a reason may name people
    assert b"did not pay" not in bytes(body)


def test_what_is_not_audited_is_not_done(world: World) -> None:
    del world.secrets[WRAPS]
    with pytest.raises(StellaError):
        tenants.suspend(world.context(), StopTenant("acme", **WHY))
    assert tenants.show(world.context(), NameTenant("acme")).state is State.ACTIVE


def test_ids_are_taken_for_ever(world: World) -> None:
    with pytest.raises(TenantTaken):
        tenants.create(world.context(), CreateTenant("acme"))
    _erase(world)
    with pytest.raises(TenantTaken):
        tenants.create(world.context(), CreateTenant("acme"))


def test_the_default_tenant_stays(world: World) -> None:
    for move in (tenants.suspend, tenants.delete):
        with pytest.raises(TenantStops):
            move(world.context(), StopTenant("default", **WHY))


BAD_IDS = ["", " ", "/", "a/b", "..", "a\0b", "a" * 300, "\u0430cme", "Acme", "acme ", "-acme", "acme\n", "\ud800"]


@pytest.mark.parametrize("text", BAD_IDS)
def test_a_bad_id_leaves_nothing(world: World, text: str) -> None:
    ctx = world.context()
    for call in (
        lambda: tenants.create(ctx, CreateTenant(text)),
        lambda: tenants.show(ctx, NameTenant(text)),
        lambda: tenants.delete(ctx, StopTenant(text, **WHY)),
        lambda: principals.create(ctx, CreatePrincipal("ada", ("mirror:read",), tenant=text)),
    ):
        with pytest.raises(BadTenant):
            call()
    found = world.guarded.execute("SELECT tenant_id FROM identity.tenants ORDER BY 1").fetchall()
    assert found == [("acme",), ("default",)]


@pytest.mark.parametrize("text", ["", " ", "a.b", "a/b", "..", "a\0b", "a" * 64, "\u0430da", "Ada", "ada\n", "*"])
def test_a_bad_name_leaves_nothing(world: World, text: str) -> None:
    with pytest.raises(BadName):
        world.principal(text)
    with pytest.raises(BadName):
        world.client(text)
    assert world.guarded.execute("SELECT count(*) FROM identity.names").fetchone() == (0,)


def test_a_tenant_that_is_not_there(world: World) -> None:
    for call in (
        lambda: tenants.show(world.context(), NameTenant("nobody")),
        lambda: tenants.suspend(world.context(), StopTenant("nobody", **WHY)),
        lambda: world.principal("ada", tenant="nobody"),
        lambda: export.export(world.context(), ExportTenant("nobody", "/dev/null", **WHY)),
    ):
        with pytest.raises(NoTenant):
            call()


def test_who_may_reach_another_tenant(world: World) -> None:
    world.tenant("beta")
    for principal in (
        world.context("acme", "tenant:write", "principal:write", name="acme.ada"),
        world.context("default", "principal:write", name="default.bob"),
    ):
        with pytest.raises(OtherTenant):
            principals.create(principal, CreatePrincipal("eve", ("mirror:read",), tenant="beta"))
        with pytest.raises(OtherTenant):
            tenants.delete(principal, StopTenant("beta", **WHY))
    own = world.context("acme", "principal:write", "mirror:read", name="acme.ada")
    assert principals.create(own, CreatePrincipal("eve", ("mirror:read",))).subject == "acme.eve"


def test_tenants_by_page(world: World) -> None:
    for name in ("b1", "b2", "b3"):
        world.tenant(name)
    found, cursor = [], None
    while True:
        page = tenants.list_(world.context(), ListTenants(limit=2, cursor=cursor))
        found += [row.tenant for row in page.tenants]
        cursor = page.next
        if cursor is None:
            break
    assert found == ["acme", "b1", "b2", "b3", "default"]


def test_principals_and_clients_share_their_names(world: World) -> None:
    world.principal("ada")
    with pytest.raises(NameTaken):
        world.client("ada")
    with pytest.raises(NameTaken):
        world.principal("ada")
    world.tenant("beta")
    assert world.principal("ada", tenant="beta").subject == "beta.ada"


def test_secrets_are_kept_as_scrypt_and_in_no_other_place(world: World) -> None:
    ada, ci = world.principal("ada"), world.client("ci")
    assert ci.secret is not None
    for table in ("identity.principals", "identity.clients", "audit.events"):
        rows = world.guarded.execute(f"SELECT t::text FROM {table} t").fetchall()
        text = "".join(str(row[0]) for row in rows)
        assert ada.secret not in text
        assert ci.secret not in text
        assert ada.secret.encode().hex() not in text
    (kept,) = world.guarded.execute("SELECT secret FROM identity.principals").fetchone() or ()
    assert str(kept).startswith("scrypt$16384$")


def test_a_principal_lives(world: World) -> None:
    ctx = world.context("acme", name="acme.root")
    world.principal("ada", "site:read", "mirror:read")
    shown = principals.show(ctx, NamePrincipal("ada"))
    assert (shown.scopes, shown.disabled) == (("mirror:read", "site:read"), False)
    assert principals.disable(ctx, DisablePrincipal("ada")).disabled
    assert not principals.disable(ctx, DisablePrincipal("ada", undo=True)).disabled
    assert [row.name for row in principals.list_(ctx, ListPrincipals()).principals] == ["ada"]
    assert principals.delete(ctx, DeletePrincipal("ada", **WHY)).subject == "acme.ada"
    for call in (
        lambda: principals.show(ctx, NamePrincipal("ada")),
        lambda: principals.disable(ctx, DisablePrincipal("ada")),
        lambda: principals.delete(ctx, DeletePrincipal("ada", **WHY)),
    ):
        with pytest.raises(NoSuchName):
            call()
    row = world.guarded.execute("SELECT kind, id, before, until FROM identity.revocations").fetchone()
    now = world.clock.read().wall
    assert row == ("subject", "acme.ada", now, now + MAX_LIFE + SKEW)
    assert world.principal("ada").subject == "acme.ada"  # the name is free again


def test_a_client_lives(world: World) -> None:
    ctx = world.context("acme", name="acme.root")
    first = world.client("ci")
    second = clients.rotate(ctx, RotateClient("ci", **WHY))
    assert second.secret not in {None, first.secret}
    assert clients.show(ctx, NameClient("ci")).method == "secret"
    assert [row.client_id for row in clients.list_(ctx, ListClients()).clients] == ["acme.ci"]
    clients.delete(ctx, DeleteClient("ci", **WHY))
    with pytest.raises(NoSuchName):
        clients.rotate(ctx, RotateClient("ci", **WHY))


def test_scopes_are_known_and_fit(world: World) -> None:
    with pytest.raises(UnknownScope, match="mirror:reed"):
        world.principal("ada", "mirror:reed")
    for scope in ("*", "", "mirror", "MIRROR:READ", "mirror:read site:read", "\0", "x" * 300):
        with pytest.raises(UnknownScope):
            world.client("ci", scope)
    with pytest.raises(ScopeNotTogether, match="default"):
        world.client("ci", "tenant:write")
    assert world.client("ops", "tenant:write", tenant="default").scopes == ("tenant:write",)


P256 = (
    '{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",'
    '"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"'
)


@pytest.mark.parametrize(
    "given",
    [
        {"key": "{}"},
        {"key": "no"},
        {"key": "[" * 100_000},
        {"key": P256 + ',"d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}'},
        {"key": '{"kty":"oct","k":"AAAA"}'},
        {"key": "x" * 10_000},
        {"certificate": ""},
        {"certificate": "x"},
        {"certificate": "=" * 43},
        {"key": P256 + "}", "certificate": "A" * 43},
    ],
)
def test_a_key_that_proves_nothing(world: World, given: dict[str, Any]) -> None:
    with pytest.raises(BadClientKey) as caught:
        world.client("ci", **given)
    assert "jpsQnn" not in str(caught.value)
    assert world.client("ci", key=P256 + "}").secret is None


def test_rotation_keeps_to_the_way(world: World) -> None:
    world.client("ci", certificate="A" * 43)
    with pytest.raises(BadClientKey):
        clients.rotate(world.context("acme"), RotateClient("ci", **WHY))
    made = clients.rotate(world.context("acme"), RotateClient("ci", **WHY, certificate="B" * 43))
    assert (made.method, made.secret) == ("certificate", None)


def _fill(world: World) -> None:
    world.tenant("beta")
    for tenant in ("acme", "beta"):
        world.principal("ada", tenant=tenant)
        world.client("ci", tenant=tenant)
        world.guarded.execute(
            "INSERT INTO service.answers (tenant_id, principal, operation, key, digest, state, changed)"
            " VALUES (%s, 'x', 'y', 'z', 'd', 'answered', 1)",
            [tenant],
        )


def _rows(world: World, tenant: str) -> dict[str, str]:
    """A digest of each table's rows of a tenant, as the superuser sees them."""
    names = world.guarded.execute("SELECT target::text FROM tenancy.protected ORDER BY 1").fetchall()
    found = {}
    for (name,) in names:
        rows = world.guarded.execute(f"SELECT t::text FROM {name} t WHERE tenant_id = %s ORDER BY 1", [tenant])
        found[str(name)] = hashlib.sha256(repr(rows.fetchall()).encode()).hexdigest()
    return found


def _erase(world: World) -> list[str]:
    tenants.delete(world.context(), StopTenant("acme", **WHY))
    world.clock.pass_time(GRACE)
    return erasure.sweep(world.context())


def test_nothing_is_erased_within_the_grace_period(world: World) -> None:
    _fill(world)
    tenants.delete(world.context(), StopTenant("acme", **WHY))
    before = _rows(world, "acme")
    world.clock.pass_time(GRACE - 1)
    assert erasure.sweep(world.context()) == []
    assert not erasure._erased(world.context(), "acme", world.clock.read().wall, ())  # deleted anew after it was listed
    assert _rows(world, "acme") == before
    tenants.resume(world.context(), NameTenant("acme"))
    world.clock.pass_time(GRACE)
    assert erasure.sweep(world.context()) == []


def test_an_erasure_is_proved_and_touches_nobody_else(world: World, tmp_path: Path) -> None:
    _fill(world)
    tenants.delete(world.context(), StopTenant("acme", **WHY))
    exported = export.export(world.context(), ExportTenant("acme", str(tmp_path / "acme.tar"), **WHY))
    others = _rows(world, "beta")
    world.clock.pass_time(GRACE)
    assert erasure.sweep(world.context(), [lambda tenant: [erasure.Gone(f"files of {tenant}", 3)]]) == ["acme"]
    assert _rows(world, "beta") == others
    shown = tenants.show(world.context(), NameTenant("acme"))
    assert (shown.state, shown.name) == (State.ERASED, "")
    assert shown.proof is not None
    key = signing_key(KEY)
    opened = dsse.verify(shown.proof.encode(), erasure.PAYLOAD_TYPE, [key.public], 1, "proof")
    proof = msgspec.json.decode(opened.payload, type=erasure.Erasure)
    assert proof.elsewhere == (erasure.Gone("files of acme", 3),)
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
    assert _erase(world) == ["acme"]
    shown = tenants.show(world.context(), NameTenant("acme"))
    assert json.loads(shown.proof or "")["signatures"] == []


def test_what_fails_on_the_way_erases_nothing(world: World) -> None:
    _fill(world)
    tenants.delete(world.context(), StopTenant("acme", **WHY))
    world.clock.pass_time(GRACE)
    before = _rows(world, "acme")

    def full(tenant: str) -> list[erasure.Gone]:
        raise OSError(tenant)

    with pytest.raises(OSError, match="acme"):
        erasure.sweep(world.context(), [full])
    assert _rows(world, "acme") == before
    assert erasure.sweep(world.context()) == ["acme"]


def test_grace_has_a_floor(world: World) -> None:
    world.settings = IdentitySettings(grace="59m")
    with pytest.raises(NoGraceLeft):
        tenants.delete(world.context(), StopTenant("acme", **WHY))
    assert tenants.show(world.context(), NameTenant("acme")).state is State.ACTIVE


def test_an_export_is_whole_and_the_same_each_time(world: World, tmp_path: Path) -> None:
    _fill(world)
    first = export.export(world.context(), ExportTenant("beta", str(tmp_path / "1.tar"), **WHY))
    with tarfile.open(tmp_path / "1.tar") as tar:
        names = tar.getnames()
        manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
        texts = {name: tar.extractfile(name).read() for name in names[1:]}  # type: ignore[union-attr]
    assert names[0] == "manifest.json"
    assert manifest["left_out"] == ["audit.waiting"]
    for table in manifest["tables"]:
        text = texts[f"{table['table']}.jsonl"]
        assert hashlib.sha256(text).hexdigest() == table["sha256"]
        assert text.count(b"\n") == table["rows"]
        assert b"acme" not in text
    rows = {table["table"]: table["rows"] for table in manifest["tables"]}
    assert rows["identity.principals"] == 1
    assert first.sha256 == hashlib.sha256((tmp_path / "1.tar").read_bytes()).hexdigest()
    assert (tmp_path / "1.tar").stat().st_mode & 0o777 == 0o600
    world.guarded.execute("ALTER DATABASE %s SET TimeZone = 'Asia/Tokyo'" % world.guarded.name)  # noqa: UP031
    world.guarded.tenants.close()  # so that a connection has the new default
    second = export.export(world.context(), ExportTenant("beta", str(tmp_path / "2.tar"), **WHY))
    grows = "audit.events"  # by the first export
    same = {one.table: one.sha256 for one in first.tables if one.table != grows}
    assert same == {one.table: one.sha256 for one in second.tables if one.table != grows}
