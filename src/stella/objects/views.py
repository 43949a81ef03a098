"""What people see of the object store."""

from __future__ import annotations

from stella.formats.view import Cell, Facts, Table, Text, View, human_bytes
from stella.objects.model import ObjectDeleted, ObjectGot, ObjectPut, ObjectShown, ObjectsListed


def put(result: ObjectPut) -> View:
    """After object put."""
    return [_facts(result, result.size), Text(f"next: stella object get {result.kind} {result.digest} --out FILE")]


def shown(result: ObjectShown) -> View:
    """After object show."""
    return [_facts(result, result.size)]


def got(result: ObjectGot) -> View:
    """After object get."""
    return [
        Facts(
            [
                ("file", f"{result.out}, {human_bytes(result.size)}"),
                ("digest", result.digest),
                ("bytes", Cell("as they were put", "good")),
            ]
        )
    ]


def listed(result: ObjectsListed) -> View:
    """One line an object."""
    rows = [(row.kind, row.digest, human_bytes(row.size)) for row in result.rows]
    table = Table(
        ("kind", "digest", "size"), rows, f"Tenant {result.tenant}", right=("size",), empty="No object is there."
    )
    more = [Text(f"more: add --cursor {result.next}", "dim")] if result.next else []
    return [table, *more]


def deleted(result: ObjectDeleted) -> View:
    """After object delete."""
    return [Facts([("gone", result.key)])]


def _facts(result: ObjectPut | ObjectShown, size: int) -> Facts:
    return Facts([("kind", result.kind), ("digest", result.digest), ("size", human_bytes(size)), ("key", result.key)])
