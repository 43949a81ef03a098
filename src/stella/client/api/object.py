"""The operations of `object` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from stella.client.remote import Caller
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


class ObjectCalls:
    """The operations of `object` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def put(self, *, kind: str, file: str) -> ObjectPut:
        """Keep a file; it is found again by its kind and its SHA-256."""
        return self._call("object.put", PutObject(kind=kind, file=file), ObjectPut)

    def get(self, *, kind: str, digest: str, out: str) -> ObjectGot:
        """Write an object to a file, once all of its bytes have been found to have its digest."""
        return self._call("object.get", GetObject(kind=kind, digest=digest, out=out), ObjectGot)

    def list(self, *, kind: str | None = None, limit: int = 50, cursor: str | None = None) -> ObjectsListed:
        """List the objects of the tenant by kind and digest."""
        return self._call("object.list", ListObjects(kind=kind, limit=limit, cursor=cursor), ObjectsListed)

    def show(self, *, kind: str, digest: str) -> ObjectShown:
        """Show the size and the key of an object."""
        return self._call("object.show", ShowObject(kind=kind, digest=digest), ObjectShown)

    def delete(self, *, kind: str, digest: str) -> ObjectDeleted:
        """Delete an object; it is no error when it is already gone."""
        return self._call("object.delete", DeleteObject(kind=kind, digest=digest), ObjectDeleted)
