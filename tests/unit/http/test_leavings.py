"""The files and objects of a tenant that is erased."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from stella import bootstrap
from stella.http.leavings import Folders, Objects, Work
from stella.identity.erasure import Gone
from stella.identity.errors import StillAtWork
from stella.kernel.digest import sha256
from stella.kernel.errors import BadTenant
from stella.operations import Context, Principal
from stella.runtime.config import Loaded
from stella.runtime.errors import BlobDisplaced, Unreadable, Unwritable
from stella.runtime.settings import Settings, StoreSettings
from stella.testing import SilentProgress

LINE = b'{"key":"work/a/b/c","size":1}\n{"key":"work/d","size":2}\n'
NOTHING = Gone("files", 0, hashlib.sha256(b"").hexdigest())


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders({"work": tmp_path / "work", "parts": tmp_path / "parts"})


def test_only_its_own_folders_go(folders: Folders, tmp_path: Path) -> None:
    work, parts = tmp_path / "work", tmp_path / "parts"
    for tenant in ("a", "aa", "a-"):
        (work / tenant / "a/b").mkdir(parents=True)
        (work / tenant / "a/b/c").write_text("x")
        (work / tenant / "d").write_text("xy")
        (parts / tenant).mkdir(parents=True)
    (work / "a" / "link").symlink_to(work / "aa")
    assert folders.find("a") == [Gone("files", 2, hashlib.sha256(LINE).hexdigest())]
    folders.remove("a")
    for top in (work, parts):
        assert sorted(path.name for path in top.iterdir()) == ["a-", "aa"]
    assert (work / "aa/a/b/c").read_text() == "x"
    folders.remove("a")
    assert folders.find("a") == [NOTHING]


def test_a_name_of_whatever_bytes_is_counted(folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "work/acme").mkdir(parents=True)
    (tmp_path / "work/acme" / os.fsdecode(b"\xff\n")).write_text("")
    assert folders.find("acme")[0].count == 1


def test_a_link_in_place_of_a_folder_leads_nowhere(folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").write_text("x")
    (tmp_path / "work").mkdir()
    (tmp_path / "work/acme").symlink_to(tmp_path / "other")
    assert folders.find("acme") == [NOTHING]
    folders.remove("acme")
    assert (tmp_path / "other/file").exists()
    assert not (tmp_path / "work/acme").is_symlink()


@pytest.mark.parametrize("tenant", ["", "..", "a/b", "/", "\0"])
def test_a_bad_id_removes_nothing(folders: Folders, tmp_path: Path, tenant: str) -> None:
    for ask in (folders.find, folders.remove, objects_of(context(tmp_path)).find, objects_of(context(tmp_path)).remove):
        with pytest.raises(BadTenant):
            ask(tenant)


def test_what_still_works_holds_everything_back() -> None:
    work = Work()
    with pytest.raises(StillAtWork):  # nobody is there yet who would know
        work.find("beta")
    work.ask("acme".__eq__)
    assert work.find("beta") == []
    work.remove("beta")
    for ask in (work.find, work.remove):
        with pytest.raises(StillAtWork):
            ask("acme")


# Objects on a disk.


def context(top: Path) -> Context:
    settings = replace(Settings(), store=StoreSettings(objects=str(top / "kept")))
    return bootstrap.make_context(Loaded(settings, {}), SilentProgress(), {})


def objects_of(ctx: Context) -> Objects:
    return Objects(ctx, ctx.objects)


def put(ctx: Context, tenant: str, *texts: bytes) -> None:
    handle = dataclasses.replace(ctx, principal=Principal("kim", frozenset(), tenant)).blobs()
    for text in texts:
        handle.put("note", text)


def test_objects_of_this_tenant_alone(tmp_path: Path) -> None:
    ctx = context(tmp_path)
    for tenant in ("a", "aa", "a-"):
        put(ctx, tenant, b"one", b"three")
    objects, kept = objects_of(ctx), tmp_path / "kept/tenants"
    lines = sorted(
        f'{{"key":"tenants/a/note/sha256/{sha256(text)[:2]}/{sha256(text)}","size":{len(text)}}}\n'
        for text in (b"one", b"three")
    )
    assert objects.find("a") == [Gone("objects", 2, hashlib.sha256("".join(lines).encode()).hexdigest())]
    objects.remove("a")
    assert sorted(path.name for path in kept.iterdir()) == ["a-", "aa"]
    assert [objects.find(tenant)[0].count for tenant in ("a", "aa", "a-")] == [0, 2, 2]
    objects.remove("a")


def test_a_store_that_was_never_used_has_nothing(tmp_path: Path) -> None:
    objects = objects_of(context(tmp_path))
    assert objects.find("a")[0].count == 0
    objects.remove("a")


def test_objects_behind_a_link_are_not_taken_for_gone(tmp_path: Path) -> None:
    """Somebody has moved them to another disk: they are not reached, so nothing is reported."""
    ctx = context(tmp_path)
    put(ctx, "a", b"one")
    kept = tmp_path / "kept/tenants"
    (kept / "a").rename(tmp_path / "moved")
    (kept / "a").symlink_to(tmp_path / "moved")
    for ask in (objects_of(ctx).find, objects_of(ctx).remove):
        with pytest.raises((BlobDisplaced, Unwritable)):
            ask("a")
    assert len([path for path in (tmp_path / "moved").rglob("*") if path.is_file()]) == 1


def test_a_folder_that_cannot_be_read_is_not_taken_for_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = context(tmp_path)
    put(ctx, "a", b"one")

    def closed(folder: int) -> list[str]:
        raise PermissionError(errno.EACCES, str(folder))

    monkeypatch.setattr("stella.runtime.blobs._names", closed)
    with pytest.raises(Unreadable):
        objects_of(ctx).find("a")
