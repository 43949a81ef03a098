"""The object store's rows of the operation table."""

from __future__ import annotations

from stella.objects import views
from stella.objects.model import (
    DeleteObject,
    GetObject,
    ListObjects,
    ObjectDeleted,
    ObjectGot,
    ObjectPut,
    ObjectShown,
    ObjectsListed,
    PutObject,
    ShowObject,
)
from stella.operations import Context, operation


@operation(
    "object.put",
    "POST /v1/objects",
    scope="object:write",
    view=views.put,
    example="stella object put sbom app.cdx.json",
    idempotent=True,
    long=True,
    creates=True,
)
def put(ctx: Context, want: PutObject) -> ObjectPut:
    """Keep a file; it is found again by its kind and its SHA-256.

    The same bytes are one object, however often they are put. Putting them again heals an object that was changed in
    the store.
    """
    from stella.objects import service

    return service.put(ctx, want)


@operation(
    "object.get",
    "POST /v1/objects/exports",
    scope="object:read",
    view=views.got,
    example="stella object get sbom DIGEST --out app.cdx.json",
    idempotent=True,
    long=True,
)
def get(ctx: Context, want: GetObject) -> ObjectGot:
    """Write an object to a file, once all of its bytes have been found to have its digest.

    One that was changed in the store is IO-014, and the file stays as it was.
    """
    from stella.objects import service

    return service.get(ctx, want)


@operation(
    "object.list",
    "GET /v1/objects",
    scope="object:read",
    view=views.listed,
    example="stella object list\nstella object list --kind sbom --limit 1000",
)
def list_(ctx: Context, want: ListObjects) -> ObjectsListed:
    """List the objects of the tenant by kind and digest."""
    from stella.objects import service

    return service.list_objects(ctx, want)


@operation(
    "object.show",
    "GET /v1/objects/{kind}/{digest}",
    scope="object:read",
    view=views.shown,
    example="stella object show sbom DIGEST",
)
def show(ctx: Context, want: ShowObject) -> ObjectShown:
    """Show the size and the key of an object."""
    from stella.objects import service

    return service.show(ctx, want)


@operation(
    "object.delete",
    "DELETE /v1/objects/{kind}/{digest}",
    scope="object:write",
    view=views.deleted,
    example="stella object delete sbom DIGEST",
    idempotent=True,
)
def delete(ctx: Context, want: DeleteObject) -> ObjectDeleted:
    """Delete an object; it is no error when it is already gone."""
    from stella.objects import service

    return service.delete(ctx, want)
