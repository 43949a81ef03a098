"""The audit log's rows of the operation table."""

from __future__ import annotations

from stella.audit import views
from stella.audit.model import EventsShown, ExportLog, ListEvents, LogExported, LogVerified, VerifyLog
from stella.operations import Context, declare_scopes, operation

declare_scopes("audit:personal", "audit:sensitive")


@operation(
    "audit.list",
    "GET /v1/audit/events",
    scope="audit:read",
    view=views.events,
    example="stella audit list --outcome denied\nstella audit list --action mirror --since 2026-01-31T00:00:00Z",
)
def list_(ctx: Context, want: ListEvents) -> EventsShown:
    """List who did what, newest first.

    What is personal is shown to a principal with the scope `audit:personal`, what is sensitive to one with
    `audit:sensitive`. An event without a number was not sealed yet.
    """
    from stella.audit import service

    return service.list_events(ctx, want)


@operation(
    "audit.export",
    "POST /v1/audit/exports",
    scope="audit:export",
    view=views.exported,
    example="stella audit export --out audit.jsonl",
    idempotent=True,
    long=True,
)
def export(ctx: Context, want: ExportLog) -> LogExported:
    """Write everything that was sealed to one file: CloudEvents with signed checkpoints.

    Personal and sensitive texts stay encrypted in it. The same log gives the same bytes.
    """
    from stella.audit import service

    return service.export_log(ctx, want)


@operation(
    "audit.verify",
    "POST /v1/audit/verifications",
    scope="audit:read",
    view=views.verified,
    example="stella audit verify audit.jsonl --key KEY",
    long=True,
)
def verify(ctx: Context, want: VerifyLog) -> LogVerified:
    """Prove that an exported log is complete and as it was signed, without a network, service or database.

    Exit code 6 names the first event that was edited, dropped, moved or cut off. A key counts when you have it from
    another place than the file.
    """
    from stella.audit import service

    return service.verify_log(ctx, want)
