"""The accounts of tenants in the store of the stack follow the life of tenants, on a real database and a real store."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from stella.audit.sealer import signing_key
from stella.http import leavings
from stella.identity import erasure, tenants
from stella.identity.accounts import Follower
from stella.identity.errors import AccountLags
from stella.identity.model import CreateTenant, NameTenant, State, StopTenant
from stella.kernel import dsse
from stella.operations import Context, Principal
from stella.runtime import run_file, seaweed_accounts
from stella.runtime.errors import BadSetting, StackStoreAway, StoreDenied
from stella.runtime.places import filled
from stella.runtime.ports import Blobs
from stella.runtime.processes import identify
from stella.runtime.run_file import ChildRecord, Run, StackState
from stella.runtime.s3 import connect
from stella.runtime.s3_blobs import S3Blobs
from stella.runtime.settings import ServiceSettings, Settings, StackSettings, StoreSettings
from tests.database import postgres
from tests.identity import GRACE, KEY, WHY, World, world
from tests.tenant_server import TenantServer, tenant_server
from tests.tenants import guarded

__all__ = ["guarded", "postgres", "tenant_server", "world"]  # fixtures
pytestmark = [pytest.mark.network]


class Site:
    """An installation whose objects are in the store of its stack."""

    def __init__(self, world: World, server: TenantServer, data: Path) -> None:
        self.world, self.server, self.data = world, server, data
        data.mkdir()
        (data / "s3").symlink_to(server.top / "data")
        (data / "secrets").mkdir()
        for name in ("access", "secret"):
            (data / "secrets" / f"s3-{name}-key").symlink_to(server.top / name)
        self.start()

    def start(self) -> None:
        """As the supervisor reports it."""
        process, own = identify(self.server.pid), identify(os.getpid())
        child = ChildRecord(
            name="s3", state="ready", process=process, endpoint=self.server.endpoint, restarts=0, reason="", log=""
        )
        run = Run(
            state=StackState.READY,
            boot=self.world.clock.read().boot_id,
            supervisor=own,
            digest="",
            plan={},
            started="",
            sockets="",
            children=(child,),
            endpoints={},
            secrets={},
        )
        run_file.write(self.data, run)

    def stop(self) -> None:
        """The stack is away; what its server is told meanwhile is in files alone."""
        (self.data / run_file.NAME).unlink()

    @property
    def ctx(self) -> Context:
        settings = replace(Settings(), store=StoreSettings(accounts="stack"), stack=StackSettings(data=str(self.data)))
        return dataclasses.replace(self.world.context(), settings=settings, secret=self.secret)

    def secret(self, reference: str) -> bytes:
        if reference.startswith("file:"):
            return Path(reference.removeprefix("file:")).read_bytes()
        return self.world.secret(reference)

    def blobs(self, tenant: str) -> Blobs:
        return dataclasses.replace(self.ctx, principal=Principal("kim", frozenset(), tenant)).blobs()

    def opens(self, tenant: str) -> bool:
        """Whether the tenant's keys open its prefix, asked past our own code."""
        path = f"/{seaweed_accounts.BUCKET}/tenants/{tenant}/x"
        answer = self.server.ask(self.server.keys(tenant), "PUT", path, body=b"x")
        assert answer.status in {200, 403}, answer
        return answer.status == 200

    def keys_exist(self, tenant: str) -> bool:
        return (self.server.accounts.folder / tenant / "secret-key").exists()


@pytest.fixture
def site(world: World, tenant_server: TenantServer, tmp_path: Path) -> Iterator[Site]:
    made = Site(world, tenant_server, tmp_path / "S")
    for name in ("a1", "a1a"):
        seaweed_accounts.close_account(tenant_server.accounts, name, forget=True)  # of the test before
    for name in ("a1", "a1a"):
        tenants.create(made.ctx, CreateTenant(name))
    yield made
    for name in ("a1", "a1a"):
        handle = leavings.Objects(made.ctx, made.ctx.objects)
        made.start()
        handle.remove(name)


def test_an_account_lives_with_its_tenant(site: Site) -> None:
    assert site.opens("a1")
    digest = site.blobs("a1").put("note", b"one")
    with pytest.raises(StoreDenied):
        _foreign(site).get("note", digest)
    tenants.suspend(site.ctx, StopTenant("a1", **WHY))
    assert not site.opens("a1")
    assert site.opens("a1a")
    with pytest.raises(StoreDenied):
        site.blobs("a1").get("note", digest)
    tenants.resume(site.ctx, NameTenant("a1"))
    assert site.opens("a1")
    assert site.blobs("a1").get("note", digest) == b"one"
    tenants.delete(site.ctx, StopTenant("a1", **WHY))
    assert not site.opens("a1")
    assert site.keys_exist("a1")  # it may be resumed
    assert site.opens("a1a")


def _foreign(site: Site) -> Blobs:
    """A handle to what is `a1`'s with the keys of `a1a`, as a defect of ours might make one."""
    want = filled(site.ctx.store, "a1a")
    return S3Blobs(connect("s3://stella/tenants/a1", want, site.secret, sealed=True), "a1", lambda *_: None)


def test_a_channel_in_the_bucket_is_reached_with_the_keys_of_its_tenant(site: Site) -> None:
    at = {
        tenant: dataclasses.replace(site.ctx, principal=Principal("kim", frozenset(), tenant)).folder(
            "s3://stella/tenants/a1/channels/m"
        )
        for tenant in ("a1", "a1a")
    }
    at["a1"].write("pointer", b"1")
    assert at["a1"].read("pointer", 10) == b"1"
    for use in (
        lambda: at["a1a"].read("pointer", 10),
        lambda: at["a1a"].write("pointer", b"2"),
        lambda: at["a1a"].exists("pointer"),
    ):
        with pytest.raises(StoreDenied):
            use()
    assert at["a1"].read("pointer", 10) == b"1"
    assert leavings.Objects(site.ctx, "s3://stella").find("a1")[0].count == 1


def idle() -> leavings.Work:
    work = leavings.Work()
    work.ask(lambda _: False)
    return work


def _places(site: Site) -> list[erasure.Elsewhere]:
    return leavings.places(site.ctx, idle(), leavings.Folders({"work": site.data / "work"}))


def test_an_erasure_takes_account_and_objects_and_nothing_of_a_sibling(site: Site) -> None:
    for tenant in ("a1", "a1a"):
        for text in (b"one", b"three"):
            site.blobs(tenant).put("note", text)
    theirs = list(site.blobs("a1a").contents())
    (listed,) = leavings.Objects(site.ctx, site.ctx.objects).find("a1")
    tenants.delete(site.ctx, StopTenant("a1", **WHY))
    site.world.clock.pass_time(GRACE)
    site.start()
    assert erasure.sweep(site.ctx, _places(site)) == ["a1"]
    shown = tenants.show(site.ctx, NameTenant("a1"))
    opened = dsse.verify((shown.proof or "").encode(), erasure.PAYLOAD_TYPE, [signing_key(KEY).public], 1, "proof")
    gone = {one.what: one for one in msgspec.json.decode(opened.payload, type=erasure.Erasure).elsewhere}
    assert gone["objects"] == listed
    assert (gone["objects"].count, gone["accounts"].count) == (2, 1)
    assert not site.keys_exist("a1")
    assert leavings.Objects(site.ctx, site.ctx.objects).find("a1")[0].count == 0
    assert list(site.blobs("a1a").contents()) == theirs
    assert "a1" not in Follower(site.ctx).follow()
    assert not site.keys_exist("a1")


def test_a_store_that_is_away_keeps_an_erasure_pending(site: Site) -> None:
    site.blobs("a1").put("note", b"one")
    tenants.delete(site.ctx, StopTenant("a1", **WHY))
    site.world.clock.pass_time(GRACE)
    places = _places(site)
    site.stop()
    for _ in range(2):
        with pytest.raises(StackStoreAway):
            erasure.sweep(site.ctx, places)
        shown = tenants.show(site.ctx, NameTenant("a1"))
        assert (shown.state, shown.proof) == (State.DELETING, None)
        assert "BLOB-008" in (shown.problem or "")
    site.start()
    assert erasure.sweep(site.ctx, places) == ["a1"]
    assert leavings.Objects(site.ctx, site.ctx.objects).find("a1")[0].count == 0


def test_nobody_is_kept_from_a_suspension_by_a_store_that_does_not_answer(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object, **__: object) -> None:
        raise StackStoreAway(data="x")

    with monkeypatch.context() as patch:
        patch.setattr("stella.runtime.seaweed_accounts.shut_out", silent)
        with pytest.raises(AccountLags, match="suspended"):
            tenants.suspend(site.ctx, StopTenant("a1", **WHY))
    assert tenants.show(site.ctx, NameTenant("a1")).state is State.SUSPENDED
    assert site.opens("a1")
    assert "a1" in Follower(site.ctx).follow()
    assert not site.opens("a1")


def test_a_store_that_is_not_there_shuts_out_when_it_starts(site: Site) -> None:
    site.stop()
    tenants.suspend(site.ctx, StopTenant("a1", **WHY))
    found = json.loads(site.server.accounts.config.read_text())["identities"]
    assert next(one for one in found if one["name"] == "tenant-a1")["credentials"] == []
    with pytest.raises(AccountLags, match="BLOB-008"):
        tenants.resume(site.ctx, NameTenant("a1"))
    assert tenants.show(site.ctx, NameTenant("a1")).state is State.ACTIVE


@pytest.mark.parametrize("cut", ["nothing", "file", "config"])
def test_what_a_kill_leaves_is_mended(site: Site, cut: str) -> None:
    """Behind the commit of a suspension: before its account was touched, or before the server heard of it."""
    follower = Follower(site.ctx)
    follower.follow()
    site.world.guarded.execute("UPDATE identity.tenants SET state = 'suspended' WHERE tenant_id = 'a1'")
    if cut == "file":
        (site.server.accounts.folder / "a1" / "closed").touch()
    if cut == "config":
        seaweed_accounts.close_account(site.server.accounts, "a1")
    assert site.opens("a1")
    follower.follow()
    for _ in range(100):
        if not site.opens("a1"):
            break
    assert not site.opens("a1")
    assert site.opens("a1a")


def test_an_account_is_what_its_tenant_is_and_not_what_was_read_before(site: Site) -> None:
    """A tenant is resumed while the accounts are compared: what was read of it is old."""
    tenants.suspend(site.ctx, StopTenant("a1", **WHY))
    ctx, states = site.ctx, [("a1", "active")]

    class Old:
        def all(self, *_: object) -> list[tuple[str, str]]:
            return states

    old = dataclasses.replace(ctx, duties=lambda _: Old())  # type: ignore[arg-type, return-value]
    Follower(old).follow()
    assert not site.opens("a1")


def test_a_store_that_stays_away_is_told_once(site: Site) -> None:
    follower = Follower(site.ctx)
    follower.follow()
    assert not follower.lags
    tenants.suspend(site.ctx, StopTenant("a1", **WHY))
    site.world.guarded.execute("UPDATE identity.tenants SET state = 'active' WHERE tenant_id = 'a1'")
    site.stop()
    with pytest.raises(AccountLags):
        follower.follow()
    assert follower.follow() == []
    assert follower.lags
    site.start()
    follower.follow()
    assert not follower.lags
    assert site.opens("a1")


def test_objects_whose_accounts_somebody_else_keeps(site: Site) -> None:
    """They are reached with the tenant's own keys, and while those are not good the erasure is pending."""
    want = replace(site.server.accounts.settings(site.server.endpoint), objects="s3://stella")
    ctx = dataclasses.replace(site.ctx, settings=replace(site.ctx.settings, store=want))
    assert ctx.accounts is None
    places = leavings.places(ctx, idle(), leavings.Folders({}))
    for tenant in ("a1", "a1a"):
        site.blobs(tenant).put("note", b"one")
    tenants.delete(ctx, StopTenant("a1", **WHY))
    assert site.opens("a1")  # nobody but its keeper closes it
    site.world.clock.pass_time(GRACE)
    seaweed_accounts.shut_out(site.server.accounts, "a1", site.server.pid, site.server.endpoint)
    with pytest.raises(StoreDenied):
        erasure.sweep(ctx, places)
    assert "IO-010" in (tenants.show(ctx, NameTenant("a1")).problem or "")
    site.server.admit("a1")
    assert erasure.sweep(ctx, places) == ["a1"]
    assert [leavings.Objects(ctx, "s3://stella").find(tenant)[0].count for tenant in ("a1", "a1a")] == [0, 1]


def test_channels_and_sites_of_a_service_go_too(site: Site) -> None:
    settings = replace(site.ctx.settings, service=ServiceSettings(bucket="s3://stella/prod/"))
    ctx = dataclasses.replace(site.ctx, settings=settings)
    found = leavings.places(ctx, idle(), leavings.Folders({}))
    whats = [one.what for place in found for one in place.find("a1")]
    assert whats == ["accounts", "files", "objects", "channels and sites"]


def test_a_setting_that_means_nothing_is_refused(site: Site) -> None:
    for store in (StoreSettings(accounts="aws"), StoreSettings(accounts="stack", objects="/srv/objects")):
        ctx = dataclasses.replace(site.ctx, settings=replace(site.ctx.settings, store=store))
        with pytest.raises(BadSetting, match="store"):
            ctx.blobs()
        with pytest.raises(BadSetting):
            leavings.places(ctx, idle(), leavings.Folders({}))


def test_a_stack_that_does_not_run_is_no_store(site: Site) -> None:
    site.stop()
    with pytest.raises(StackStoreAway):
        site.blobs("a1")
