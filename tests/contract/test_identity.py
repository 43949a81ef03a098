"""Tenants, principals and clients on a real PostgreSQL: what is done, what is refused, what is written down."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from stella.identity import clients, export, principals, tenants
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
from stella.kernel.errors import BadTenant, StellaError
from stella.runtime import roles
from stella.runtime.settings import IdentitySettings
from stella.tenancy.model import MAX_LIFE, SKEW
from tests.database import postgres
from tests.identity import WHY, WRAPS, World, erase, fill, world
from tests.tenants import guarded

__all__ = ["guarded", "postgres", "world"]  # fixtures
pytestmark = [pytest.mark.network]


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


def test_who_may_act_is_looked_at_again_after_each_change(world: World) -> None:
    """And not before it is committed, or what is found is what was."""
    seen: list[tuple[object, ...]] = []

    def heed() -> None:
        seen.extend(world.guarded.execute("SELECT state FROM identity.tenants WHERE tenant_id = 'acme'").fetchall())

    world.principal("ada")
    world.client("ci")
    ctx = dataclasses.replace(world.context(), heed=heed)
    tenants.suspend(ctx, StopTenant("acme", **WHY))
    tenants.resume(ctx, NameTenant("acme"))
    principals.disable(ctx, DisablePrincipal("ada", tenant="acme"))
    principals.delete(ctx, DeletePrincipal("ada", **WHY, tenant="acme"))
    clients.rotate(ctx, RotateClient("ci", **WHY, tenant="acme"))
    clients.delete(ctx, DeleteClient("ci", **WHY, tenant="acme"))
    tenants.delete(ctx, StopTenant("acme", **WHY))
    assert seen == [("suspended",), *[("active",)] * 5, ("deleting",)]
    with pytest.raises(TenantStops):
        tenants.suspend(ctx, StopTenant("acme", **WHY))
    assert len(seen) == 7


def test_a_token_that_was_signed_while_its_tenant_was_stopped_counts_no_more(world: World) -> None:
    """Its client was looked at before the suspension was committed, and it was dated after it."""
    ctx = world.context()
    tenants.suspend(ctx, StopTenant("acme", **WHY))
    world.clock.pass_time(60)
    issued = world.clock.read().wall
    tenants.resume(ctx, NameTenant("acme"))
    row = world.guarded.execute("SELECT before FROM identity.revocations WHERE kind = 'tenant'").fetchone()
    assert row is not None
    assert row[0] >= issued


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
    erase(world)
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


def test_grace_has_a_floor(world: World) -> None:
    world.settings = IdentitySettings(grace="59m")
    with pytest.raises(NoGraceLeft):
        tenants.delete(world.context(), StopTenant("acme", **WHY))
    assert tenants.show(world.context(), NameTenant("acme")).state is State.ACTIVE


def test_nobody_waits_for_an_export_to_suspend_its_tenant(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def suspended(*given: Any) -> Any:
        if tenants.show(world.context(), NameTenant("acme")).state is State.ACTIVE:
            with world.guarded.connect() as other:
                other.execute("SET lock_timeout = '2s'")
                other.execute("UPDATE identity.tenants SET state = 'suspended' WHERE tenant_id = 'acme'")
        return lines(*given)

    lines = export.tenant_rows.lines
    monkeypatch.setattr(export.tenant_rows, "lines", suspended)
    export.export(world.context(), ExportTenant("acme", str(tmp_path / "x.tar"), **WHY))
    assert tenants.show(world.context(), NameTenant("acme")).state is State.SUSPENDED


def test_an_export_that_is_not_in_the_log_is_not_there(world: World, tmp_path: Path) -> None:
    del world.secrets[WRAPS]
    with pytest.raises(StellaError):
        export.export(world.context(), ExportTenant("acme", str(tmp_path / "x.tar"), **WHY))
    assert list(tmp_path.iterdir()) == []


def test_an_export_is_whole_and_the_same_each_time(world: World, tmp_path: Path) -> None:
    fill(world)
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
