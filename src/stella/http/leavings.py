"""What a tenant that is erased has left outside of the database: files in the folders of the service, and objects.

Rules:
- A folder is one that bears the tenant's id and is named by nobody else; links in it are removed, not followed.
- Objects are those below the tenant's own prefix, which a sibling with a longer name does not share.
- What cannot be looked at or removed keeps the whole erasure back, so that no proof says more than is true; so does
  work of the tenant that has not ended.
- The digest of what there was is over lines of JSON, `{"key":...,"size":...}`, in the order of keys.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from stella.identity.erasure import Elsewhere, Gone
from stella.identity.errors import StillAtWork
from stella.kernel.tenant import parse_tenant
from stella.operations import Context
from stella.runtime.files import reading, writing
from stella.runtime.places import open_remains
from stella.runtime.ports import Blobs
from stella.runtime.tenant_rows import Digest


def places(ctx: Context, work: Work, folders: Folders) -> list[Elsewhere]:
    """Where tenants have something outside of the database, in the order in which it is removed. Raises BadSetting."""
    _ = ctx.accounts  # a setting that is wrong ends the start of a service, and not its first erasure
    found: list[Elsewhere] = [work, Account(ctx), folders, Objects(ctx, ctx.objects)]
    bucket = ctx.settings.service.bucket.rstrip("/")
    return [*found, Objects(ctx, bucket, "channels and sites")] if bucket and bucket != ctx.objects else found


class Work:
    """Nothing that is kept: what still works for the tenant, which must have ended first.

    Until somebody is asked whether a tenant is worked for, each of them is.
    """

    def __init__(self) -> None:
        self._works_for: Callable[[str], bool] = lambda _: True

    def ask(self, works_for: Callable[[str], bool]) -> None:
        """Ask this one from now on."""
        self._works_for = works_for

    def find(self, tenant: str) -> list[Gone]:
        """Nothing; raises StillAtWork."""
        self.remove(tenant)
        return []

    def remove(self, tenant: str) -> None:
        """Nothing; raises StillAtWork."""
        if self._works_for(tenant):
            raise StillAtWork(tenant=tenant)


class Folders:
    """Folders that hold one of each tenant, by what their files are called in a digest."""

    def __init__(self, tops: Mapping[str, Path]) -> None:
        self._tops = tops

    def find(self, tenant: str) -> list[Gone]:
        """The files of a tenant; raises Unreadable."""
        rows = [row for name, top in self._tops.items() for row in _files(f"{name}/", top / parse_tenant(tenant))]
        return [_gone("files", sorted(rows))]

    def remove(self, tenant: str) -> None:
        """Remove the folder of a tenant below each of these; raises Unwritable."""
        for top in self._tops.values():
            folder = top / parse_tenant(tenant)
            with writing(folder):
                if folder.is_symlink():
                    folder.unlink()
                elif folder.is_dir():
                    shutil.rmtree(folder)


class Account:
    """The account of a tenant in the store of objects, where this installation keeps them."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def find(self, tenant: str) -> list[Gone]:
        """Whether there is one; raises what keeps it from being looked at."""
        accounts = self._ctx.accounts
        return [] if accounts is None else [Gone("accounts", int(accounts.exists(parse_tenant(tenant))))]

    def remove(self, tenant: str) -> None:
        """Close it and remove its keys; raises what keeps the store from it."""
        accounts = self._ctx.accounts
        if accounts is not None:
            accounts.forget(parse_tenant(tenant))


class Objects:
    """What a tenant has at a location, in a folder or in a bucket: objects, and whatever else is below its prefix."""

    def __init__(self, ctx: Context, location: str, what: str = "objects") -> None:
        self._ctx, self._location, self._what = ctx, location, what

    def find(self, tenant: str) -> list[Gone]:
        """The objects of a tenant; raises what keeps the store from telling."""
        return [_gone(self._what, self._of(tenant).contents())]

    def remove(self, tenant: str) -> None:
        """Remove them; raises what keeps the store from it."""
        self._of(tenant).clear()

    def _of(self, tenant: str) -> Blobs:
        ctx, accounts = self._ctx, self._ctx.accounts
        store = ctx.settings.store if accounts is None else accounts.own()
        return open_remains(self._location, tenant, store, ctx.secret, sealed=ctx.sealed)


def _gone(what: str, rows: Iterable[tuple[str, int]]) -> Gone:
    digest = Digest()
    for key, size in rows:
        digest.add(json.dumps({"key": key, "size": size}, separators=(",", ":")).encode() + b"\n")
    return Gone(what, digest.rows, digest.sha256)


def _files(inside: str, folder: Path) -> Iterator[tuple[str, int]]:
    """The files below a folder that is no link."""
    with reading(folder):
        if folder.is_symlink() or not folder.is_dir():
            return
        for found in os.scandir(folder):
            if found.is_dir(follow_symlinks=False):
                yield from _files(f"{inside}{found.name}/", Path(found.path))
            elif found.is_file(follow_symlinks=False):
                yield f"{inside}{found.name}", found.stat(follow_symlinks=False).st_size
