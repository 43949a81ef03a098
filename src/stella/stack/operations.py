"""The stack's rows of the operation table."""

from __future__ import annotations

from stella.kernel.errors import Exit
from stella.operations import Context, operation
from stella.stack import views
from stella.stack.model import Examined, OfStack, StackDown, StackShown, StackUp, StartStack


@operation(
    "up",
    "LOCAL /up",
    scope="stack:admin",
    view=views.up,
    example="stella up\nstella up --data D --profile full\nstella up --foreground   # under a service manager",
    idempotent=True,
)
def up(ctx: Context, want: StartStack) -> StackUp:
    """Start the servers of a stack, or find them running.

    PostgreSQL and NATS come from installed packages and are kept running by one supervisor, which ends with `stella
    down`. They use sockets or free ports of loopback, ask for secrets that only this account can read, and leave
    nothing outside the folder but sockets whose path would be too long. A stack that runs already with the same
    configuration is left as it is.
    """
    from stella.stack import service

    return service.up(ctx, want)


@operation(
    "down",
    "LOCAL /down",
    scope="stack:admin",
    view=views.down,
    example="stella down",
    idempotent=True,
)
def down(ctx: Context, want: OfStack) -> StackDown:
    """Stop the servers of a stack; its data stays.

    Each server ends after those that need it. The command waits for the last one and forces none.
    """
    from stella.stack import service

    return service.down(ctx, want)


@operation(
    "status",
    "GET /v1/stack",
    scope="stack:read",
    view=views.status,
    verdict=lambda result: Exit.OK if result.state == "ready" else Exit.TRANSIENT,
    example="stella status\nstella status --json\nstella status --server http://127.0.0.1:8400",
)
def status(ctx: Context, want: OfStack) -> StackShown:
    """Show the servers of a stack: state, process, endpoint, memory, uptime.

    Ends with 0 when all are ready, 10 when one is not, 4 when nothing runs. A service shows the stack that it is part
    of; it is asked only when `--server` is typed, so that a stack that is down can still be looked at.
    """
    from stella.stack import service

    return service.status(ctx, want)


@operation(
    "doctor",
    "GET /v1/stack/checks",
    scope="stack:read",
    view=views.examined,
    verdict=lambda result: Exit.OK if result.operational else Exit.NEGATIVE,
    example="stella doctor\nstella doctor --data D --json",
)
def doctor(ctx: Context, want: OfStack) -> Examined:
    """Check a stack and its machine, and say what to do.

    Two thresholds: operational is what a stack needs to start and to work, production-ready what it needs to be trusted
    with more. Ends with 6 when the stack is not operational. Nothing is changed; it needs no running stack. A service
    examines the stack that it is part of; it is asked only when `--server` is typed.
    """
    from stella.stack import doctor as examination

    return examination.doctor(ctx, want)
