"""Everything that a tenant has in the database, as one file.

Rules:
- All tables are seen at one moment. The same rows give the same bytes: no time, owner or order of the machine is in it.
- The file appears when its event is in the log: nobody has an export that nobody knows of.
- `manifest.json` comes first and has the rows and the SHA-256 of every table, the same figures as a proof of erasure.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import msgspec

from stella.audit.model import Given
from stella.identity import events
from stella.identity.model import ExportTenant, TableRows, TenantExported
from stella.identity.reach import PACKAGE, hold, require, tenant_of, transaction
from stella.kernel.canonical import dump
from stella.operations import Context
from stella.runtime import tenant_rows
from stella.runtime.files import replacing
from stella.runtime.scratch import scratch
from stella.runtime.tenant_rows import Digest, Table
from stella.runtime.transaction import Transaction

CHUNK = 1024 * 1024


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is in an export."""

    schema: str = "stella.tenant.contents@1"
    tenant: str
    tables: tuple[TableRows, ...]
    left_out: tuple[str, ...]


def export(ctx: Context, want: ExportTenant) -> TenantExported:
    """Write every row of a tenant to a tar."""
    tenant = tenant_of(ctx, want.tenant)
    with scratch("export") as folder:
        with transaction(ctx, tenant, snapshot=True) as t:
            require(t, t.one(PACKAGE, "state"), "export")
            found = tenant_rows.tables(t)
            ctx.progress.start("export", len(found), "tables")
            rows = tuple(_spooled(ctx, t, table, folder) for table in found if table.readable)
        left_out = tuple(table.label for table in found if not table.readable)
        manifest = Manifest(tenant=tenant, tables=rows, left_out=left_out)
        with replacing(Path(want.out), 0o600) as target:
            sha256, size = _packed(target, manifest, [folder / f"{row.table}.jsonl" for row in rows])
            with transaction(ctx, tenant) as t:
                hold(t, "export")  # it took its time: it may have been erased meanwhile
                told: dict[str, Given] = {"sha256": sha256, "rows": sum(row.rows for row in rows)}
                events.tell(ctx, t, "tenant.export", tenant, reason=want.reason, ticket=want.ticket, after=told)
    return TenantExported(tenant=tenant, out=want.out, sha256=sha256, bytes=size, tables=rows, left_out=left_out)


def _spooled(ctx: Context, t: Transaction, table: Table, folder: Path) -> TableRows:
    digest = Digest()
    with (folder / f"{table.label}.jsonl").open("wb") as file:
        for line in tenant_rows.lines(t, table):
            digest.add(line)
            file.write(line)
    ctx.progress.advance(1)
    return TableRows(table=table.label, rows=digest.rows, sha256=digest.sha256)


def _packed(target: object, manifest: Manifest, files: Iterable[Path]) -> tuple[str, int]:
    """Write the tar; its SHA-256 and size."""
    hashed = _Hashed(target)
    with tarfile.open(fileobj=hashed, mode="w|", format=tarfile.USTAR_FORMAT) as tar:  # type: ignore[call-overload]  # it only writes
        text = dump(manifest)
        tar.addfile(_member("manifest.json", len(text)), io.BytesIO(text))
        for path in files:
            with path.open("rb") as file:
                tar.addfile(_member(path.name, path.stat().st_size), file)
    return hashed.sha256, hashed.size


def _member(name: str, size: int) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.size, found.mode = size, 0o600
    return found


class _Hashed:
    """A file that knows the digest of what was written to it."""

    def __init__(self, file: object) -> None:
        self._write = file.write  # type: ignore[attr-defined]  # any writer
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._write(data)
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()
