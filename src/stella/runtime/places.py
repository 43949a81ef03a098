"""Where a channel or a site is, or the objects of tenants: a folder of this machine, or one in a bucket.

Rules:
- `s3://BUCKET/PREFIX` names a bucket; everything else is a path.
- What speaks to buckets is loaded when one is named.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from stella.runtime.files import DiskFolder, make_directory
from stella.runtime.ports import Blobs, Folder, Refused
from stella.runtime.settings import StoreSettings

BUCKET = "s3://"
TENANT_FIELD = "{tenant}"  # in the references to keys of a store


def shared_key(want: StoreSettings) -> str:
    """The setting whose key is the same for every tenant; empty when each tenant has keys of its own."""
    names = ("access_key", "secret_key")
    return next((f"store.{name}" for name in names if TENANT_FIELD not in getattr(want, name)), "")


def filled(want: StoreSettings, tenant: str) -> StoreSettings:
    """The settings with this tenant in the references to keys."""
    access, secret = (text.replace(TENANT_FIELD, tenant) for text in (want.access_key, want.secret_key))
    return replace(want, access_key=access, secret_key=secret)


def open_folder(
    location: str, store: StoreSettings, secret: Callable[[str], bytes], *, sealed: bool, make: bool = False
) -> Folder:
    """The folder at a location; `make` lays the directory when it is missing.

    Raises the errors of `make_directory`, or BadLocation, BadSetting, EgressBlocked and those of `secret` for a bucket.
    """
    if location.startswith(BUCKET):
        from stella.runtime.bucket import open_bucket  # noqa: PLC0415  # heavy, and needed for buckets alone

        return open_bucket(location, store, secret, sealed=sealed)
    if make:
        make_directory(Path(location))
    return DiskFolder(Path(location))


def open_blobs(
    location: str, tenant: str, store: StoreSettings, secret: Callable[[str], bytes], refused: Refused, *, sealed: bool
) -> Blobs:
    """The objects of a tenant at a location; in a bucket `{tenant}` in the references to keys is this tenant.

    Raises BadTenant, or SharedKeys and as `open_folder` for a bucket.
    """
    if location.startswith(BUCKET):
        from stella.runtime.s3_blobs import open_s3_blobs  # noqa: PLC0415  # as above

        return open_s3_blobs(location, tenant, store, secret, refused, sealed=sealed)
    from stella.runtime.blobs import DiskBlobs  # noqa: PLC0415  # needed for objects of tenants alone

    return DiskBlobs(Path(location), tenant, refused)


def open_remains(
    location: str, tenant: str, store: StoreSettings, secret: Callable[[str], bytes], *, sealed: bool
) -> Blobs:
    """The objects of a tenant that is erased: as `open_blobs`, and where all tenants share keys with those.

    A tenant that has no keys of its own there had no handle either; but it may have had one under other settings.
    """
    if location.startswith(BUCKET):
        from stella.runtime.s3_blobs import open_s3_remains  # noqa: PLC0415  # as above

        return open_s3_remains(location, tenant, store, secret, sealed=sealed)
    return open_blobs(location, tenant, store, secret, lambda *_: None, sealed=sealed)


def below(location: str, key: str) -> str:
    """How people name what is under a key of the folder at a location."""
    return f"{location.rstrip('/')}/{key}" if location.startswith(BUCKET) else str(Path(location, key))
