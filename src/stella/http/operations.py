"""The service's row of the operation table."""

from __future__ import annotations

from stella.http import views
from stella.http.model import Serve, Served
from stella.http.table import RESOURCES
from stella.operations import Context, declare_scopes, operation

declare_scopes(*{row.scope for row in RESOURCES if row.scope})


@operation(
    "serve",
    "LOCAL /serve",
    scope="service:run",
    view=views.served,
    example="stella serve\nstella serve --data /srv/stella --port 8400",
)
def serve(ctx: Context, want: Serve) -> Served:
    """Serve every operation over HTTP until SIGTERM or Ctrl-C.

    Requests carry the token in `secrets/admin-token` of the data folder. The address is in `service.json` there. Jobs
    that a stop interrupts run again at the next start.
    """
    from stella.http import serve as serving

    return serving.serve(ctx, want)
