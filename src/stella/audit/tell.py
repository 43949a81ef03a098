"""Telling the audit log what was done: from an operation's context, in a transaction of its tenant.

Rules:
- A change in the database and its event are one transaction: `tell` takes the one that is open.
- What changes elsewhere, such as a folder, has its event right after it and before anybody hears of it: `performed`.
- A denial has a transaction of its own, since that of the change is gone: `denied`.
- Values of requests are not kept, but the place that an operation worked on, its reason and its ticket.
- No text of a request, however long or odd, keeps an event from being written or takes the place of the problem.
"""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec

from stella.audit.model import Marked
from stella.audit.personal import Vault, read_key
from stella.audit.ports import Transaction
from stella.audit.rules import event_of, fitted
from stella.audit.write import insert
from stella.kernel.errors import Exit, StellaError
from stella.kernel.ids import RANDOM_BYTES
from stella.operations import Context, Operation, fields_of

READING = "GET"
OBJECT_DENIED = "object.denied"
PLACES = frozenset({"folder", "file_in", "source"})  # fields that say what an operation works on


def tell(ctx: Context, t: Transaction, action: str, resource: str | Marked, **rest: Any) -> None:  # noqa: ANN401  # fields of an event
    """Write an event of the principal in an open transaction of its tenant; `rest` are fields of Event."""
    now, random = ctx.clock.read().wall, ctx.entropy(RANDOM_BYTES)
    rest = {name: value for name, value in rest.items() if value}
    event = event_of(ctx.principal, now, random, action, resource, **rest)
    insert(t, ctx.principal, fitted(event), _vault(ctx))


def performed(
    ctx: Context,
    operation: Operation[Any, Any],
    request: msgspec.Struct,
    problem: Exception | None = None,
    result: msgspec.Struct | None = None,
    **rest: str,
) -> None:
    """Write that an operation was done, or that it ended with a problem, of ours or of a kind that nobody foresaw.

    It is about the key that the result has, else about what the request names, else about the operation's noun. Nothing
    for one that only reads, for one whose change has told it, and nothing without a database.
    """
    if ctx.database is None or operation.method == READING or operation.local:
        return
    if problem is None and operation.tells(ctx, request):
        return
    outcome, facts = _ended(problem)
    with ctx.tenant() as t:
        tell(
            ctx,
            t,
            operation.name,
            str(getattr(result, "key", "")) or resource_of(request) or operation.noun,
            outcome=outcome,
            reason=str(getattr(request, "reason", "") or ""),
            ticket=str(getattr(request, "ticket", "") or ""),
            after=facts,
            **rest,
        )


def _ended(problem: Exception | None) -> tuple[str, dict[str, str]]:
    """The outcome and the facts of an operation that ended like this."""
    if problem is None:
        return "success", {}
    if not isinstance(problem, StellaError):
        return "error", {"problem": type(problem).__name__}
    outcome = "denied" if problem.exit is Exit.DENIED else "failure"
    return outcome, {"code": problem.code, "reason": problem.reason}


def run(ctx: Context, operation: Operation[Any, Any], request: Any) -> Any:  # noqa: ANN401  # of the operation's types
    """Do an operation and write what came of it, before anybody hears of it. Raises as the operation, or as the log."""
    try:
        result = operation.run(ctx, request)
    except StellaError as problem:
        performed(ctx, operation, request, problem)
        raise
    except Exception as problem:
        with contextlib.suppress(StellaError):  # what is wrong with the log must not hide what nobody foresaw
            performed(ctx, operation, request, problem)
        raise
    performed(ctx, operation, request, result=result)
    return result


def denied(ctx: Context, action: str, resource: str, **facts: str) -> None:
    """Write that something was refused to the principal."""
    if ctx.database is not None:
        with ctx.tenant() as t:
            tell(ctx, t, action, resource, outcome="denied", after=facts)


def object_denied(ctx: Context, tried: str, key: str) -> None:
    """Write that the store of objects refused something to the principal."""
    denied(ctx, OBJECT_DENIED, key, tried=tried)


def resource_of(request: msgspec.Struct) -> str | Marked:
    """What a request is about: its key, its folder, its first file, or its first positional field; empty for none."""
    named = [(name, about) for name, _, about, _ in fields_of(type(request))]
    for wanted in (
        lambda about: about.where == "key",
        lambda about: about.where == "folder",
        lambda about: about.where in PLACES,
        lambda about: about.positional,
    ):
        for name, about in named:
            value = getattr(request, name, None)
            if wanted(about) and value:
                text = str(value if isinstance(value, str) else value[0])
                return Marked(text) if about.personal else text
    return ""


def _vault(ctx: Context) -> Vault:
    return Vault(read_key(ctx.secret(ctx.settings.audit.wrap_key), "audit.wrap_key"), ctx.entropy)
